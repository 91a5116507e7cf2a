"""The kinds of text that stand in the files: what each may hold, for Python and for JSON Schema."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

PIPELINE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# A folder of secrets has this name, and Kafka Connect parts a reference to it at colons and braces.
CONNECTION_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_MAX_IDENTIFIER_BYTES = 63
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_PROVIDER_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_-]+:[^${}:]*(:[^${}:]+)?\}")
_OURS = re.compile(r"cdc_assets_state|cdc_load_chunk_\d+|cdc_stage_.*")


def refused(what: str, fix: str, *, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """Make the error of a validator: what is wrong, the way out, and where below the validated value it stands."""
    # Through the context, because braces in a template are placeholders.
    return PydanticCustomError("refused", "{what}", {"what": what, "fix": fix, "at": at})


def _identifier(value: str) -> str:
    # Dagster forbids these in partition keys, and no log line survives the others.
    if not value.isprintable() or "..." in value:
        raise refused(
            "must hold neither control characters nor three dots in a row", "rename the object in the database"
        )
    if not value or len(value.encode()) > _MAX_IDENTIFIER_BYTES:
        raise refused("must have 1 to 63 bytes", "write the name as the database has it")
    return value


def _role(value: str) -> str:
    if not value or not value.isprintable():
        raise refused("must be a role's name, without control characters", "write for example `user: cdc`")
    return value


def _schema_name(value: str) -> str:
    if value.startswith("pg_") or value == "information_schema":
        raise refused("is a schema of PostgreSQL itself", "name a schema of your own")
    return value


def target_table(value: str) -> str:
    """Return a name that the product does not keep for itself."""
    if _OURS.fullmatch(value):
        raise refused("is the name of a table this product keeps in the target", "give the target table another name")
    return value


def unusable_table(name: str) -> str | None:
    """Return why a table of the source, copied under its own name, cannot be carried; None when it can."""
    try:
        target_table(_identifier(name))
    except PydanticCustomError as error:
        return str((error.context or {}).get("what"))
    return None


def _environment_name(value: str) -> str:
    if not _ENVIRONMENT_NAME.fullmatch(value):
        raise refused("is no name of an environment variable", "write for example `env: APP_PASSWORD`")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise refused("is no host name or address", "write for example `host: db.example.org`, without port and user")
    return value


def _path(value: object) -> object:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise refused("must be the path of a file", "write for example `/run/secrets/app_password`")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise refused("names the home of a user who does not exist here", "write the path from / on") from None


def _odbc_driver(value: str) -> str:
    if not value or not value.isprintable() or set(value) & set("{};="):
        raise refused(
            "must be the name of an installed ODBC driver, or the path of its library",
            "write for example `driver: ODBC Driver 18 for SQL Server`; `odbcinst -q -d` lists the installed ones",
        )
    return value


def _provider_reference(value: str) -> str:
    if not _PROVIDER_REFERENCE.fullmatch(value):
        raise refused(
            "must be a config-provider reference of Kafka Connect, not the password",
            "write for example `connect_password: ${directory:/run/secrets:app_password}`",
        )
    return value


def _text(pattern: str) -> WithJsonSchema:
    """Say to editors and to readers of the API what the validator beside it says in Python.

    JSON Schema counts characters where PostgreSQL counts bytes, and knows no "printable": beyond ASCII only the
    validator is right.
    """
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _MAX_IDENTIFIER_BYTES, "pattern": pattern})


_PRINTABLE = r"^(?!.*\.\.\.)[^\x00-\x1f\x7f]+$"
_NOT_OURS = r"(?!cdc_assets_state$|cdc_load_chunk_[0-9]+$|cdc_stage_)"
TableColumn = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^.+\..+$"})]
Identifier = Annotated[str, AfterValidator(_identifier), _text(_PRINTABLE)]
SchemaName = Annotated[
    str,
    AfterValidator(_identifier),
    AfterValidator(_schema_name),
    _text(_PRINTABLE.replace("^", "^(?!pg_|information_schema$)", 1)),
]
TargetName = Annotated[
    str, AfterValidator(_identifier), AfterValidator(target_table), _text(_PRINTABLE.replace("^", f"^{_NOT_OURS}", 1))
]
Port = Annotated[int, Field(ge=1, le=65535)]
OdbcDriver = Annotated[str, AfterValidator(_odbc_driver)]
Role = Annotated[str, AfterValidator(_role)]
EnvironmentName = Annotated[str, AfterValidator(_environment_name)]
Host = Annotated[str, AfterValidator(_host)]
ProviderReference = Annotated[str, AfterValidator(_provider_reference)]
FilePath = Annotated[Path, BeforeValidator(_path, json_schema_input_type=str)]
