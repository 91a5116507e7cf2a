"""How a SQL Server is reached, written for each of the drivers that log in: one object, so that they cannot differ.

The loader and the control statements take ODBC's form, the sink connectors JDBC's. Used by `adapters/sqlserver` and
`planning/sink_connector`. Known gap: no Kerberos and no Entra login, a login has user and password.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cdc_assets.model.pipeline import Endpoint

_MAX_APPLICATION_CHARACTERS = 128
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
# Bulk copies panic with the small packets that some servers offer; more than 16383 is cut down where encrypted.
_PACKET_BYTES = 32767


@dataclass(frozen=True, slots=True)
class SqlServerAddress:
    """A server and a database of it; `encrypts`: what is sent, `checks_certificate`: whose it is."""

    host: str
    port: int
    database: str
    user: str
    encrypts: bool
    checks_certificate: bool

    @classmethod
    def of(cls, endpoint: Endpoint, *, as_connect_sees_it: bool = False) -> Self:
        """The address of a pipeline's side, for our own sessions or for those of Kafka Connect."""
        connection = endpoint.connection
        host, port = connection.host, connection.port
        if as_connect_sees_it:
            host, port = connection.connect_host or host, connection.connect_port or port
        return cls(
            host=host,
            port=port,
            database=endpoint.database,
            user=connection.user,
            encrypts=connection.tls.mode != "disable",
            checks_certificate=connection.tls.mode != "disable" and not connection.trust_server_certificate,
        )

    def odbc(self, password: str, *, driver: str | None = None, application: str = "") -> str:
        """The connection string of ODBC; without `driver` that of mssql-python, which names driver and application."""
        words = {
            **({} if driver is None else {"DRIVER": _braced(driver)}),
            "Server": f"{self.host},{self.port}",
            "Database": _odbc_value(self.database),
            "UID": _odbc_value(self.user),
            "PWD": _odbc_value(password),
            "Encrypt": "yes" if self.encrypts else "no",
            "TrustServerCertificate": "no" if self.checks_certificate else "yes",
            **({} if driver is None else {"APP": _odbc_value(application[:_MAX_APPLICATION_CHARACTERS])}),
            "PacketSize": str(_PACKET_BYTES),
        }
        return "".join(f"{word}={value};" for word, value in words.items())

    def sqlalchemy_url(self, *, driver: str | None) -> str:
        """The URL that names the dialect; the connections themselves are made by `odbc`, which holds the password."""
        return "mssql+mssqlpython://" if driver is None else "mssql+pyodbc://"

    def jdbc(self, settings: Mapping[str, str]) -> str:
        """The JDBC URL without user and password, with more settings of the driver behind those of the address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        all_settings = {
            "databaseName": self.database,
            "encrypt": "true" if self.encrypts else "false",
            "trustServerCertificate": "false" if self.checks_certificate else "true",
            **settings,
        }
        return f"jdbc:sqlserver://{host}:{self.port};" + ";".join(_jdbc_settings(all_settings))


def _jdbc_settings(settings: Mapping[str, str]) -> Sequence[str]:
    return [f"{name}={value if _PLAIN.fullmatch(value) else _braced(value)}" for name, value in settings.items()]


def _odbc_value(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else _braced(value)


def _braced(value: str) -> str:
    """Put into braces, where a semicolon ends nothing and a closing brace is doubled."""
    return "{" + value.replace("}", "}}") + "}"
