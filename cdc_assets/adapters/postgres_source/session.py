"""Sessions on the source: how one is opened, and what a refusal becomes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from cdc_assets.dialects.postgres import connection_parameters, refusal, session_settings
from cdc_assets.model.errors import SourceAwayError, SourceError
from cdc_assets.model.pipeline import Endpoint

Connection = psycopg.Connection[DictRow]
_AWAY_CLASSES = ("08", "57P")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens sessions of one role on one database."""

    endpoint: Endpoint
    password: str
    application: str

    @property
    def where(self) -> str:
        """The source in a sentence."""
        connection = self.endpoint.connection
        return f"source {connection.name} ({connection.host}:{connection.port}/{self.endpoint.database})"

    def open(self) -> Connection:
        """Open a session in autocommit with the settings of the product; the caller closes it."""
        try:
            connection = psycopg.connect(
                **connection_parameters(self.endpoint, application=self.application),  # type: ignore[arg-type]  # libpq takes numbers
                password=self.password,
                autocommit=True,
                row_factory=dict_row,
            )
        except psycopg.OperationalError as error:
            raise SourceAwayError(
                f"{self.where} does not answer or refuses the login: {connect_reason(error)}",
                hint="check host, port, database, user and password in connections.yaml and pg_hba.conf on the server",
            ) from error
        try:
            settings = json.dumps(dict(session_settings(connection.info.server_version)))
            connection.execute("SELECT set_config(key, value, false) FROM jsonb_each_text(%s::jsonb)", (settings,))
        except psycopg.Error as error:
            connection.close()
            raise self.error(error, "a new session cannot be set up") from error
        return connection

    def open_replication(self) -> Connection:
        """Open a logical replication connection; the caller closes it."""
        try:
            return psycopg.connect(
                **connection_parameters(self.endpoint, application=self.application),  # type: ignore[arg-type]  # libpq takes numbers
                password=self.password,
                replication="database",
                autocommit=True,
                row_factory=dict_row,
            )
        except psycopg.OperationalError as error:
            raise SourceAwayError(
                f"{self.where} refuses a replication connection: {connect_reason(error)}",
                hint="the role needs REPLICATION, pg_hba.conf must allow it, and max_wal_senders must have a free place",
            ) from error

    @contextmanager
    def session(self, purpose: str) -> Iterator[Connection]:
        """Open a session for a few commands; a refusal becomes SourceError that begins with the purpose."""
        connection = self.open()
        try:
            with self.translated(purpose):
                yield connection
        finally:
            connection.close()

    @contextmanager
    def translated(self, purpose: str, *, hint: str = "", table: str | None = None) -> Iterator[None]:
        """Turn psycopg's errors of the block into ours."""
        try:
            yield
        except psycopg.Error as error:
            raise self.error(error, purpose, hint=hint, table=table) from error

    def error(self, error: psycopg.Error, purpose: str, *, hint: str = "", table: str | None = None) -> SourceError:
        """Return our error for psycopg's; one that a new session may cure is SourceAwayError."""
        reason = refusal(type(error).__name__, error.sqlstate, error.diag.message_primary, hides_values=False)
        kind = SourceAwayError if is_away(error) else SourceError
        return kind(f"{self.where}: {purpose}: {reason}", hint=hint or "see the log of the source server", table=table)


def is_away(error: psycopg.Error) -> bool:
    """Whether the connection, not the command, failed."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_AWAY_CLASSES)


def connect_reason(error: psycopg.Error) -> str:
    """Return the last line of libpq's report of a failed connection; it holds names, never the password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def fetch_all(
    connection: Connection, query: LiteralString, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    return connection.execute(query, values).fetchall()


def fetch_one(
    connection: Connection, query: LiteralString, values: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the only row of a query."""
    row = connection.execute(query, values).fetchone()
    if row is None:
        msg = "a query that has exactly one row had none"
        raise psycopg.DataError(msg)
    return row


def statement(text: str) -> sql.SQL:
    """Hand quoted text of `dialects` to psycopg, whose type wants constants only."""
    return sql.SQL(text)  # every name in it went through `dialects.postgres.quote`
