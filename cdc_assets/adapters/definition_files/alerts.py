"""Reads `alerts.yaml`: who is told what, and when. No file means that nobody is told."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from cdc_assets.adapters.definition_files.complaints import complaints
from cdc_assets.adapters.definition_files.connection_schema import SecretEntry, StrictEntry
from cdc_assets.adapters.definition_files.fields import CONNECTION_NAME, refused
from cdc_assets.adapters.definition_files.yaml_document import FileProblem, UnreadableFileError, read_document
from cdc_assets.model.alert import AlertChannel, AlertKind, AlertRules
from cdc_assets.model.errors import DefinitionError
from cdc_assets.model.pipeline import SecretReference

_MISSING = ("the file does not exist", "make it, or set CDC_ALERTS_FILE to where it is")
Kind = Literal[
    "start_failed",
    "load_failed",
    "load_finished",
    "cdc_failed",
    "degraded",
    "resync_required",
    "wal_held",
    "run_died",
    "recovered",
]


def _no_literal(value: object) -> object:
    if not isinstance(value, dict):
        raise refused(
            "an address holds passwords and tokens and must not stand in the file",
            "write `{env: NAME}` or `{file: PATH}`, and change what was shared",
        )
    return value


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not value.isprintable() or "@" in value:
        raise refused("is no web address without a login", "write for example `dagster: https://dagster.example.org`")
    return value.rstrip("/")


def _channel_name(value: str) -> str:
    if not CONNECTION_NAME.fullmatch(value):
        raise refused("is no name for a channel", "use letters, digits, _ . and -, at most 63")
    return value


Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 7, allow_inf_nan=False)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class ChannelEntry(StrictEntry):
    """One receiver."""

    url: Annotated[SecretEntry, BeforeValidator(_no_literal, json_schema_input_type=SecretEntry)] = Field(
        description="Where the receiver's address is read from, written as apprise documents it "
        "(`mailtos://`, `slack://`, `workflows://`, `pagerduty://`, `jsons://` and others); never the address itself.",
        examples=["{env: OPS_MAIL_URL}"],
    )
    alerts: Annotated[list[Kind], Field(min_length=1)] | None = Field(
        default=None, description="Kinds of alerts it gets; all when unset.", examples=["[load_failed, cdc_failed]"]
    )
    pipelines: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="Pipelines it hears of; all when unset.", examples=["[sales]"]
    )


class LinksEntry(StrictEntry):
    """Where the links of a message lead."""

    dagster: WebAddress | None = Field(
        default=None,
        description="Address of Dagster's page as readers reach it; CDC_UI_HOST and CDC_UI_PORT when unset.",
        examples=["https://dagster.example.org"],
    )
    api: WebAddress | None = Field(
        default=None,
        description="Address of the HTTP API as readers reach it; CDC_API_HOST and CDC_API_PORT when unset.",
        examples=["https://cdc.example.org"],
    )


class AlertsFile(StrictEntry):
    """Who is told what, and when."""

    channels: Annotated[dict[Annotated[str, AfterValidator(_channel_name)], ChannelEntry], Field(min_length=1)] = Field(
        description="Receivers, by a name of your choice.", examples=["{ops: {url: {env: OPS_MAIL_URL}}}"]
    )
    failed_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=30,
        description="How long changes do not arrive before it is told; restarts mend much by themselves.",
        examples=[30],
    )
    degraded_minutes: Minutes = Field(
        default=5, description="How long a pipeline is degraded before it is told.", examples=[5]
    )
    remind_hours: Annotated[float, Field(gt=0, le=24 * 7, allow_inf_nan=False)] | None = Field(
        default=4,
        description="A problem that is still there is told again after so long; null for never.",
        examples=[4],
    )
    links: LinksEntry = Field(default=LinksEntry(), description="Where the links of a message lead.")


def load_alerts(path: Path, *, dagster_url: str, api_url: str) -> AlertRules:
    """Return the rules of the file, none when there is no file; DefinitionError names every problem with its line."""
    if not path.exists():
        return AlertRules(dagster_url=dagster_url, api_url=api_url)
    try:
        document = read_document(path, missing=_MISSING)
    except UnreadableFileError as error:
        raise _refusal([error.problem]) from None
    try:
        content = AlertsFile.model_validate(document.content)
    except ValidationError as error:
        raise _refusal(complaints(document, error, AlertsFile)) from None
    return AlertRules(
        channels=tuple(_channel(name, entry, path.parent) for name, entry in content.channels.items()),
        failed_after=timedelta(seconds=content.failed_seconds),
        degraded_after=timedelta(minutes=content.degraded_minutes),
        remind_after=None if content.remind_hours is None else timedelta(hours=content.remind_hours),
        dagster_url=content.links.dagster or dagster_url,
        api_url=content.links.api or api_url,
    )


def _channel(name: str, entry: ChannelEntry, directory: Path) -> AlertChannel:
    file = entry.url.file
    return AlertChannel(
        name,
        SecretReference(entry.url.env, None if file is None else directory / file),
        kinds=None if entry.alerts is None else frozenset(AlertKind(kind) for kind in entry.alerts),
        pipelines=None if entry.pipelines is None else frozenset(entry.pipelines),
    )


def _refusal(problems: Sequence[FileProblem]) -> DefinitionError:
    sentences = [str(problem) for problem in problems]
    what, _, fix = sentences[-1].partition(". Fix: ")
    return DefinitionError("; ".join([*sentences[:-1], what]), hint=fix)
