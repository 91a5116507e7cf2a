"""`CDC_TEST_SQLSERVER_URL`: the SQL Server that live tests and `bench load --target sqlserver` may use, in one line.

A pipeline names its servers in connections.yaml; this URL is for what makes its pipelines by itself.
"""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from cdc_assets.model.pipeline import Connection, SecretReference, Tls

VARIABLE = "CDC_TEST_SQLSERVER_URL"
EXAMPLE = "mssql://user:password@host:1433/database"
SECRET = SecretReference(env=VARIABLE)


@dataclass(frozen=True, slots=True)
class SqlServerUrl:
    """What the URL says; the connection's password is `password`, not what its reference would lead to."""

    connection: Connection
    database: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read EXAMPLE; ValueError, without the URL, when it is something else.

        Behind a question mark: `tls=disable` sends in plain, `trust_server_certificate=false` checks the certificate,
        `driver=NAME` makes control statements go through that ODBC driver.
        """
        parts = urlsplit(url)
        if parts.scheme != "mssql" or not parts.hostname or not parts.username or not parts.path.strip("/"):
            msg = f"{VARIABLE} must look like {EXAMPLE}"
            raise ValueError(msg)
        words = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        connection = Connection(
            "warehouse",
            "sqlserver",
            parts.hostname,
            parts.port or 1433,
            unquote(parts.username),
            SECRET,
            tls=Tls(mode="disable") if words.get("tls") == "disable" else Tls(),
            driver=words.get("driver"),
            trust_server_certificate=words.get("trust_server_certificate") != "false",
        )
        return cls(connection, unquote(parts.path.strip("/")), unquote(parts.password or ""))
