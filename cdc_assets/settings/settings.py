"""Every setting with its meaning; the only module that reads the environment.

Order: environment variable `CDC_X`, key `x` of `cdc_assets.toml` beside `./cdc`, default. Relative paths begin at the
directory of `./cdc`. Every entry point calls `Settings.load()` once and hands the value on.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cdc_assets.model.errors import SettingsError, StateDatabaseError
from cdc_assets.settings.addresses import (
    bootstrap,
    database_url,
    directory,
    expanded,
    http_url,
    is_loopback,
    mirror_url,
)
from cdc_assets.settings.configuration_file import PREFIX, ConfigurationFile, variable_of

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIGURATION_FILE = "cdc_assets.toml"
EMBEDDED_USER = "cdc"
EMBEDDED_DATABASE = "cdctest"


Port = Annotated[int, Field(ge=1, le=65535)]
ExpandedPath = Annotated[Path, AfterValidator(expanded)]
Directory = Annotated[ExpandedPath, AfterValidator(lambda path: directory(checkout() / path))]


class Settings(BaseSettings):
    """Every setting, checked. Frozen; derived paths and addresses are properties."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    home: Directory = Field(
        default=Path(".cdc"),
        description="Directory for the state of the embedded servers, Dagster's home, secrets and logs. "
        "On a full or noexec file system the embedded servers do not start.",
    )
    pipelines_dir: Directory = Field(
        default=Path("pipelines"),
        description="Directory of the pipeline files NAME.yaml. When wrong, no pipeline is known.",
    )
    connections_file: ExpandedPath = Field(
        default=Path("connections.yaml"),
        description="File that names the databases. When wrong, every pipeline is INVALID: its connection is unknown.",
    )
    alerts_file: ExpandedPath = Field(
        default=Path("alerts.yaml"),
        description="File that says who is told of problems. When it is not there, nobody is told.",
    )
    configured_database_url: Annotated[str, AfterValidator(database_url)] | None = Field(
        default=None,
        validation_alias="CDC_DATABASE_URL",
        repr=False,
        description="State database, postgresql://user:password@host:port/database; the embedded PostgreSQL when "
        "unset. When wrong, every command ends with STATE_DATABASE_UNAVAILABLE.",
    )
    configured_connect_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None,
        validation_alias="CDC_CONNECT_URL",
        repr=False,
        description="REST address of Kafka Connect, http://host:port; the embedded worker when unset. "
        "When wrong, pipelines show CONNECT_UNAVAILABLE.",
    )
    configured_kafka_bootstrap: Annotated[str, AfterValidator(bootstrap)] | None = Field(
        default=None,
        validation_alias="CDC_KAFKA_BOOTSTRAP",
        description="Kafka brokers, host:port separated by commas; the embedded broker when unset. "
        "When wrong, starts end with KAFKA_UNAVAILABLE.",
    )
    api_host: str = Field(
        default="127.0.0.1",
        description="Address on which the HTTP API listens. Another than loopback needs CDC_API_TOKEN.",
    )
    api_port: Port = Field(default=8000, description="Port of the HTTP API. When taken, the API does not start.")
    api_token: str | None = Field(
        default=None,
        repr=False,
        description="Bearer token that the HTTP API asks for; open on loopback when unset. "
        "When wrong, clients get 401.",
    )
    ui_host: str = Field(
        default="127.0.0.1",
        description="Address on which Dagster's web page listens. Another than loopback needs --insecure-ui: "
        "the page has no login.",
    )
    ui_port: Port = Field(default=3000, description="Port of Dagster's web page. When taken, `up` names it and stops.")
    embedded_pg_port: Port = Field(default=15432, description="Port of the embedded PostgreSQL (state database).")
    embedded_kafka_port: Port = Field(default=19092, description="Port of the embedded Kafka broker.")
    embedded_connect_port: Port = Field(default=18083, description="REST port of the embedded Kafka Connect worker.")
    demo_source_port: Port = Field(default=15433, description="Port of the demo's source PostgreSQL.")
    demo_target_port: Port = Field(default=15434, description="Port of the demo's target PostgreSQL.")
    offline: bool = Field(
        default=False,
        description="1: fetch nothing. A file that is not there yet then ends the start with its name.",
    )
    maven_mirror: Annotated[str, AfterValidator(mirror_url)] | None = Field(
        default=None,
        repr=False,
        description="Base URL of a Maven mirror for the servers' jars (user and password in the URL if it wants them); "
        "else the mirror of ~/.m2/settings.xml. When wrong, the jars cannot be fetched.",
    )
    cache_dir: Directory = Field(
        default=Path("~/.cache/cdc_assets"),
        description="Directory in which fetched jars are kept for all checkouts of this user.",
    )
    python: str | None = Field(
        default=None,
        description="Python 3.11 to 3.13 from which ./cdc makes .venv; the first fitting one on PATH when unset.",
    )
    java_home: Path | None = Field(
        default=None,
        description="Java 17 or later for the embedded servers; JAVA_HOME if that is one, else the "
        "bundled Java, when unset.",
    )
    fast_start: bool = Field(
        default=False,
        description="1: JVM flags that shorten the start of the embedded servers and lower their "
        "throughput; for demo and tests.",
    )
    start_seconds: PositiveInt = Field(
        default=120,
        description="Seconds that an embedded server may take from its start until it answers. Too few for a slow "
        "machine: `up` ends with `did not answer within`.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Form of log lines on stdout and in CDC_HOME/logs: text or json."
    )
    test_sqlserver_url: str | None = Field(
        default=None, repr=False, description="URL of a SQL Server for the live tests; they are skipped when unset."
    )

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Return the settings in force; raises SettingsError that names variable, reason and fix."""
        try:
            return cls(**overrides)  # type: ignore[arg-type]  # the values are checked by the model
        except ValidationError as error:
            # Without the refused values, which may be secrets.
            raise _refusal(error) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then `cdc_assets.toml`, then defaults."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, ConfigurationFile(settings_cls, CHECKOUT / CONFIGURATION_FILE)

    @model_validator(mode="after")
    def _refuse_open_api(self) -> Self:
        if not is_loopback(self.api_host) and not self.api_token:
            msg = f"CDC_API_HOST {self.api_host} can be reached from other machines: set CDC_API_TOKEN or use 127.0.0.1"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _resolve_paths(self) -> Self:
        for name in ("home", "pipelines_dir", "connections_file", "alerts_file", "cache_dir"):
            path: Path = getattr(self, name)
            # Written past the frozen model: the only place, and before anyone has seen the value.
            self.__dict__[name] = checkout() / path
        return self

    def shown(self) -> dict[str, str]:
        """Every variable with its value, for a report; of one that may hold a secret only whether it is set."""
        shown = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            shown[variable_of(name, field)] = str(value) if field.repr or value is None else "set, not shown"
        return shown

    @property
    def is_embedded_postgres(self) -> bool:
        """True when `up` starts the state database."""
        return self.configured_database_url is None

    @property
    def is_embedded_kafka(self) -> bool:
        """True when `up` starts the broker."""
        return self.configured_kafka_bootstrap is None

    @property
    def is_embedded_connect(self) -> bool:
        """True when `up` starts the Connect worker."""
        return self.configured_connect_url is None

    @property
    def database_url(self) -> str:
        """URL of the state database; raises StateDatabaseError while an embedded one was never started."""
        if self.configured_database_url is not None:
            return self.configured_database_url
        if not self.embedded_password_file.exists():
            raise StateDatabaseError(
                f"there is no state database yet in {self.home}",
                hint="start the embedded one with ./cdc up, or set CDC_DATABASE_URL",
            )
        password = quote(self.embedded_password_file.read_text(encoding="utf-8"), safe="")
        return f"postgresql://{EMBEDDED_USER}:{password}@127.0.0.1:{self.embedded_pg_port}/{EMBEDDED_DATABASE}"

    @property
    def connect_url(self) -> str:
        """REST address of Kafka Connect."""
        return self.configured_connect_url or f"http://127.0.0.1:{self.embedded_connect_port}"

    @property
    def kafka_bootstrap(self) -> str:
        """Addresses of the Kafka brokers."""
        return self.configured_kafka_bootstrap or f"127.0.0.1:{self.embedded_kafka_port}"

    @property
    def secrets_dir(self) -> Path:
        """Directory of our secrets (0700)."""
        return self.home / "secrets"

    @property
    def connect_secrets_dir(self) -> Path:
        """Directory below which the embedded worker's config providers may read."""
        return self.secrets_dir / "connect"

    @property
    def embedded_password_file(self) -> Path:
        """File with the password of the embedded servers' superuser `cdc`."""
        return self.secrets_dir / "embedded_postgres"

    @property
    def logs_dir(self) -> Path:
        """Directory of the logs, one file a process and one a pipeline."""
        return self.home / "logs"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the stack."""
        return self.home / "dagster"


def checkout() -> Path:
    """Return the directory of `./cdc`, or the working directory when the package is installed elsewhere."""
    return CHECKOUT if (CHECKOUT / "cdc").exists() else Path.cwd()


def inherited_environment() -> Mapping[str, str]:
    """Return this process's environment, to be handed on to a child."""
    return dict(os.environ)  # noqa: TID251  this is the module that reads it


def _refusal(error: ValidationError) -> SettingsError:
    """Say of each refused setting where its value came from and what it should be."""
    reasons, of_file = [], False
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = Settings.model_fields.get(name) or next(
            (field for field in Settings.model_fields.values() if field.validation_alias == name), None
        )
        reason = _reason(problem["type"], problem["msg"])
        if field is None:
            reasons.append(reason)
            continue
        variable = variable_of(name, field)
        if os.environ.get(variable):  # noqa: TID251  this is the module that reads it
            reasons.append(f"{variable}: {reason}")
        else:
            of_file = True
            reasons.append(f"{variable.removeprefix(PREFIX).lower()} in {CHECKOUT / CONFIGURATION_FILE}: {reason}")
    what = "correct the key or remove it" if of_file else "correct the variable or unset it"
    return SettingsError("; ".join(reasons), hint=f"{what}; see docs/configuration.md")


def _reason(kind: str, message: str) -> str:
    match kind:
        case "path_type":
            return "should be a path"
        case "bool_parsing" | "bool_type":
            return "should be 1 or 0"
        case "int_parsing" | "int_type" | "int_from_float":
            return "should be a whole number"
        case _:
            return message.removeprefix("Value error, ").removeprefix("Input ")
