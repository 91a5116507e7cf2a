"""What may stand in `connections.yaml`: where a server is, who logs in, and from where its password is read."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cdc_assets.adapters.definition_files.fields import (
    EnvironmentName,
    FilePath,
    Host,
    OdbcDriver,
    Port,
    ProviderReference,
    Role,
    refused,
)


def _no_literal(value: object) -> object:
    if not isinstance(value, dict):
        raise refused(
            "a password must not stand in the file",
            "write `{env: NAME}` or `{file: PATH}`, and change the password if the file was shared",
        )
    return value


class StrictEntry(BaseModel):
    """A part of a file: no key that is not known, no value of another type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SecretEntry(StrictEntry):
    """Where a secret is read from when a login is made; exactly one of the two."""

    env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the secret.", examples=["APP_PASSWORD"]
    )
    file: FilePath | None = Field(
        default=None,
        description="File that holds the secret, without its trailing newline; relative to the connections file.",
        examples=["/run/secrets/app_password"],
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise refused("must name either `env` or `file`", "write `{env: NAME}` or `{file: PATH}`")
        return self


class TlsEntry(StrictEntry):
    """How a connection is encrypted."""

    mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer",
        description="libpq's sslmode: disable, prefer, require, verify-ca or verify-full.",
        examples=["verify-full"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="postgres only: certificate of the authority, for verify-ca and verify-full. Relative to the "
        "connections file.",
        examples=["/etc/ssl/app_ca.pem"],
    )

    @model_validator(mode="after")
    def _verified_by_something(self) -> Self:
        if self.mode.startswith("verify") and self.ca_file is None:
            raise refused(f"mode {self.mode} needs `ca_file`", "add `ca_file:` with the authority's certificate")
        return self


class ConnectionEntry(StrictEntry):
    """A database server as one role."""

    kind: Literal["postgres", "sqlserver"] = Field(
        description="Database product: postgres, or sqlserver (as target only).", examples=["postgres"]
    )
    host: Host = Field(description="Host name or address.", examples=["db.example.org"])
    port: Port | None = Field(
        default=None, description="Port of the server; 5432 for postgres, 1433 for sqlserver.", examples=[5432]
    )
    user: Role = Field(description="Role that logs in.", examples=["cdc"])
    password: Annotated[SecretEntry, BeforeValidator(_no_literal, json_schema_input_type=SecretEntry)] = Field(
        description="Where the password is read from; never the password itself.", examples=["{env: APP_PASSWORD}"]
    )
    connect_host: Host | None = Field(
        default=None, description="The host as Kafka Connect sees it, when it differs.", examples=["db.internal"]
    )
    connect_port: Port | None = Field(
        default=None, description="The port as Kafka Connect sees it, when it differs.", examples=[5432]
    )
    connect_password: ProviderReference | None = Field(
        default=None,
        description="Config-provider reference to the password on a remote Kafka Connect.",
        examples=["${directory:/run/secrets:app_password}"],
    )
    tls: TlsEntry = Field(default=TlsEntry(), description="Encryption.", examples=["{mode: require}"])
    driver: OdbcDriver | None = Field(
        default=None,
        description="sqlserver only: the installed ODBC driver for control statements, by its name in odbcinst.ini; "
        "without it the one that comes with mssql-python.",
        examples=["ODBC Driver 18 for SQL Server"],
    )
    trust_server_certificate: bool = Field(
        default=False,
        description="sqlserver only: encrypt without checking the server's certificate.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _fits_its_product(self) -> Self:
        if self.kind == "postgres":
            if self.driver is not None or self.trust_server_certificate:
                raise refused(
                    "`driver` and `trust_server_certificate` are of kind sqlserver",
                    "remove them; `tls: {mode: ...}` says how PostgreSQL's certificate is checked",
                )
        elif self.tls.ca_file is not None or self.tls.mode.startswith("verify"):
            raise refused(
                "the drivers of SQL Server read authorities from the machine's own store, none from a file",
                "use `tls: {mode: require}` (certificates are checked unless trust_server_certificate is true), and "
                "add the authority with update-ca-certificates here and with keytool on the Connect workers",
                at=("tls",),
            )
        return self
