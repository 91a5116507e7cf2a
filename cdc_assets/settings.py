"""The settings of the product: the only module that reads the environment.

Order: environment variable `CDC_X`, key `x` of `cdc_assets.toml` beside `./cdc`, default. Relative paths begin at the
directory of `./cdc`. Every entry point calls `Settings.load()` once and hands the value on.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cdc_assets.model.errors import SettingsError, StateDatabaseError

CHECKOUT = Path(__file__).resolve().parent.parent
CONFIGURATION_FILE = "cdc_assets.toml"
PREFIX = "CDC_"
EMBEDDED_USER = "cdc"
EMBEDDED_DATABASE = "cdctest"


def _database_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or len(parts.path) < 2:  # noqa: PLR2004  "/x"
        msg = "must look like postgresql://user:password@host:5432/database"
        raise ValueError(msg)
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "must look like http://host:8083"
        raise ValueError(msg)
    return value.rstrip("/")


def _bootstrap(value: str) -> str:
    for server in value.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit():
            msg = "must look like host:9092 or host1:9092,host2:9092"
            raise ValueError(msg)
    return value


def is_loopback(host: str) -> bool:
    """Say whether a listening address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


Port = Annotated[int, Field(ge=1, le=65535)]


class _ConfigurationFile(PydanticBaseSettingsSource):
    """The keys of `cdc_assets.toml`, named as the variables without their prefix, in lower case."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the whole file is read at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        file = CHECKOUT / CONFIGURATION_FILE
        if not file.exists():
            return {}
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file} cannot be read: {error}", hint="correct the file") from error
        known = {_variable(name, field): name for name, field in self.settings_cls.model_fields.items()}
        values: dict[str, Any] = {}
        for key, value in content.items():
            variable = PREFIX + key.upper()
            if variable not in known:
                near = difflib.get_close_matches(variable, known, n=1)
                meant = f"; did you mean {near[0].removeprefix(PREFIX).lower()}?" if near else ""
                raise SettingsError(f"{file}: unknown key {key}{meant}", hint="remove or correct the key")
            name = known[variable]
            values[variable if self.settings_cls.model_fields[name].validation_alias else name] = value
        return values


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


class Settings(BaseSettings):
    """Every setting, checked. Frozen; derived paths and addresses are properties."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    home: Path = Field(
        default=Path(".cdc"),
        description="Directory for the state of the embedded servers, Dagster's home, secrets and logs. "
        "On a full or noexec file system the embedded servers do not start.",
    )
    pipelines_dir: Path = Field(
        default=Path("pipelines"),
        description="Directory of the pipeline files NAME.yaml. When wrong, no pipeline is known.",
    )
    connections_file: Path = Field(
        default=Path("connections.yaml"),
        description="File that names the databases. When wrong, every pipeline is INVALID: its connection is unknown.",
    )
    configured_database_url: Annotated[str, AfterValidator(_database_url)] | None = Field(
        default=None,
        validation_alias="CDC_DATABASE_URL",
        repr=False,
        description="State database, postgresql://user:password@host:port/database; the embedded PostgreSQL when "
        "unset. When wrong, every command ends with STATE_DATABASE_UNAVAILABLE.",
    )
    configured_connect_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        validation_alias="CDC_CONNECT_URL",
        repr=False,
        description="REST address of Kafka Connect, http://host:port; the embedded worker when unset. "
        "When wrong, pipelines show CONNECT_UNAVAILABLE.",
    )
    configured_kafka_bootstrap: Annotated[str, AfterValidator(_bootstrap)] | None = Field(
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
    maven_mirror: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        repr=False,
        description="Base URL of a Maven mirror for the servers' jars (user and password in the URL if it wants them); "
        "else the mirror of ~/.m2/settings.xml. When wrong, the jars cannot be fetched.",
    )
    cache_dir: Path = Field(
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
            raise SettingsError(
                _sentence(error), hint="correct the variable or unset it; see docs/configuration.md"
            ) from error

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
        return init_settings, env_settings, _ConfigurationFile(settings_cls)

    @model_validator(mode="after")
    def _refuse_open_api(self) -> Self:
        if not is_loopback(self.api_host) and not self.api_token:
            msg = f"CDC_API_HOST {self.api_host} can be reached from other machines: set CDC_API_TOKEN or use 127.0.0.1"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _resolve_paths(self) -> Self:
        for name in ("home", "pipelines_dir", "connections_file", "cache_dir"):
            path: Path = getattr(self, name)
            # Written past the frozen model: the only place, and before anyone has seen the value.
            self.__dict__[name] = checkout() / path.expanduser()
        return self

    def shown(self) -> dict[str, str]:
        """Every variable with its value, for a report; of one that may hold a secret only whether it is set."""
        shown = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            shown[_variable(name, field)] = str(value) if field.repr or value is None else "set, not shown"
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


def _sentence(error: ValidationError) -> str:
    fields = Settings.model_fields
    reasons = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        variable = _variable(name, fields[name]) if name in fields else name
        reason = problem["msg"].removeprefix("Value error, ")
        reasons.append(f"{variable}: {reason}" if variable else reason)
    return "; ".join(reasons)
