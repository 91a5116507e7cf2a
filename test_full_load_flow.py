"""Drives a running stack through its HTTP API: list, stop, start, every status change, counts; exit 0 or 1.

`.venv/bin/python test_full_load_flow.py [PIPELINE]`, with the settings of the `CDC_` environment. No test of the
suite: it needs `./cdc up` or `./cdc demo` beside it, and stops and starts the pipeline it is given.
"""

from typing import Annotated, Any

import requests
import typer
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.api import api_url
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.settings import Settings

Json = dict[str, Any]
_STARTED = frozenset({"RUNNING", "COMPLETED"})
_ENDED = frozenset({"STOPPED", "COMPLETED"})
_WORDS = ("status", "full_load_status", "cdc_status")
_PATIENCE_SECONDS = 600
_REQUEST_SECONDS = 30


class FlowError(Exception):
    """What the flow found wrong, in a sentence."""


class Api:
    """The API of this installation."""

    def __init__(self, settings: Settings) -> None:
        """Keep address and token."""
        self._url = api_url(settings)
        self._session = requests.Session()
        if settings.api_token is not None:
            self._session.headers["Authorization"] = f"Bearer {settings.api_token}"

    def get(self, path: str) -> Any:  # noqa: ANN401  whatever JSON it is
        """Return the answer's document."""
        return self._ask("GET", path)

    def post(self, path: str) -> Any:  # noqa: ANN401
        """Ask for something and return the answer's document."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401
        try:
            answer = self._session.request(method, self._url + path, timeout=_REQUEST_SECONDS)
        except requests.RequestException as error:
            what = f"the API at {self._url} does not answer ({type(error).__name__}): start the stack with ./cdc up"
            raise FlowError(what) from error
        if not answer.ok:
            problem = answer.json()
            raise FlowError(f"{method} {path}: {problem['detail']}. Fix: {problem['fix']}")
        return answer.json()


def chosen(listed: list[Json], name: str | None) -> Json:
    """Return the pipeline of that name, or the only one."""
    found = [each for each in listed if name in {None, each["name"]}]
    if len(found) != 1:
        raise FlowError("name one of the pipelines above")
    return found[0]


def follow(api: Api, name: str, aims: frozenset[str]) -> Json:
    """Print every status change until the pipeline has reached its aim; FlowError when it does not."""
    shown: tuple[str, ...] = ()

    def look() -> Json | None:
        nonlocal shown
        pipeline: Json = api.get(f"/api/pipelines/{name}")
        words = tuple(str(pipeline[word]) for word in _WORDS)
        if words != shown:
            shown = words
            typer.echo("  " + ", ".join(f"{word} {value}" for word, value in zip(_WORDS, words, strict=True)))
        if aims is _STARTED and pipeline["status"] == "ERROR":
            raise FlowError(f"{name} is in ERROR: {pipeline['last_error']}")
        return pipeline if pipeline["status"] in aims else None

    waiting = Retrying(retry=retry_if_not_result(bool), wait=wait_fixed(0.2), stop=stop_after_delay(_PATIENCE_SECONDS))
    try:
        found = waiting(look)
    except RetryError as error:
        raise FlowError(f"{name} was not {' or '.join(sorted(aims))} within {_PATIENCE_SECONDS} s") from error
    return found or {}


def compare(api: Api, name: str, before: Json, after: Json) -> None:
    """Compare the loaded rows before and after, and see every sink come to the end of its topic."""
    loaded = {table["name"]: table["rows_loaded"] for table in before["tables"]}
    for table in after["tables"]:
        had, has = loaded.get(table["name"], 0), table["rows_loaded"]
        typer.echo(f"  {table['name']}: {has:,} rows loaded, {table['state']}")
        if had not in {0, has}:
            raise FlowError(f"{table['name']} had {had:,} loaded rows and has {has:,}: a start must not load it again")
    if after["mode"] == "full_load_only":
        return

    def is_level() -> bool:
        return not any(table["records_behind"] for table in api.get(f"/api/pipelines/{name}/lag")["tables"])

    waiting = Retrying(retry=retry_if_not_result(bool), wait=wait_fixed(0.5), stop=stop_after_delay(_PATIENCE_SECONDS))
    try:
        waiting(is_level)
    except RetryError as error:
        raise FlowError(f"the sinks of {name} did not catch up within {_PATIENCE_SECONDS} s") from error
    typer.echo("  every sink has applied what its topic holds")


def flow(
    pipeline: Annotated[str | None, typer.Argument(help="The pipeline; the only one when left out.")] = None,
) -> None:
    """List the pipelines, stop one, start it, and compare."""
    try:
        api = Api(Settings.load())
        listed: list[Json] = api.get("/api/pipelines")
        typer.echo("Pipelines: " + (", ".join(f"{each['name']} {each['status']}" for each in listed) or "none"))
        before = chosen(listed, pipeline)
        name = before["name"]
        if before["status"] != "NOT_STARTED":
            typer.echo(f"Stopping {name}")
            api.post(f"/api/pipelines/{name}/stop")
            before = follow(api, name, _ENDED)
        typer.echo(f"Starting {name}")
        api.post(f"/api/pipelines/{name}/start")
        after = follow(api, name, _STARTED)
        compare(api, name, before, after)
    except (FlowError, CdcAssetsError) as error:
        typer.echo(f"FAILED: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo("OK")


if __name__ == "__main__":
    typer.run(flow)
