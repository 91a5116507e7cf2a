"""Sessions on a PostgreSQL source or target: how one is opened, and what a refusal becomes."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from cdc_assets.adapters.postgres.patience import Patience
from cdc_assets.dialects.postgres import connection_parameters, refusal, session_settings
from cdc_assets.model.errors import (
    CdcAssetsError,
    SourceAwayError,
    SourceError,
    SourceLockedError,
    TargetAwayError,
    TargetError,
    TargetLockedError,
)
from cdc_assets.model.pipeline import Endpoint

Connection = psycopg.Connection[DictRow]
_AWAY_CLASSES = ("08", "57P")
_LOGIN_HINT = "check host, port, database, user and password in connections.yaml and pg_hba.conf on the server"
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_SILENT_HINT = "see that the server and the network between are not overloaded, stopped or cut"
# The name of the pipeline is not known here.
_NO_DATABASE_HINT = (
    "correct `database` in the pipeline's file, or let a start make it: ./cdc start PIPELINE --create-database"
)
_REPLICATION_HINT = "the role needs REPLICATION, pg_hba.conf must let it in, and max_wal_senders must have a free place"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens sessions of one role on one database, which is a pipeline's source or its target.

    `is_read_only`: the server refuses every change in them, for who only looks (`check`, `plan`).
    `patience_seconds`: how long a `session` may last with a server that may be silent, for who comes again; None: for
    ever.
    """

    side: Literal["source", "target"]
    endpoint: Endpoint
    password: str
    application: str
    is_read_only: bool = False
    patience_seconds: float | None = None

    @property
    def where(self) -> str:
        """The server in a sentence."""
        connection = self.endpoint.connection
        return f"{self.side} {connection.name} ({connection.host}:{connection.port}/{self.endpoint.database})"

    def open(self) -> Connection:
        """Open a session in autocommit with the settings of the product; the caller closes it."""
        connection = self._connect(replication=False)
        self._set_up(connection)
        return connection

    def _set_up(self, connection: Connection) -> None:
        """Make the settings of the product hold; closes the session when that fails."""
        try:
            wanted = dict(session_settings(connection.info.server_version))
            if self.is_read_only:
                wanted["default_transaction_read_only"] = "on"
            settings = json.dumps(wanted)
            connection.execute("SELECT set_config(key, value, false) FROM jsonb_each_text(%s::jsonb)", (settings,))
        except psycopg.Error as error:
            connection.close()
            raise self.error(error, "a new session cannot be set up") from error

    def open_replication(self) -> Connection:
        """Open a logical replication connection; the caller closes it."""
        return self._connect(replication=True)

    @contextmanager
    def session(self, purpose: str) -> Iterator[Connection]:
        """Open a session for a few commands; a refusal becomes our error that begins with the purpose."""
        connection = self._connect(replication=False)
        patience = Patience(connection, self.patience_seconds)
        try:
            with patience:
                self._set_up(connection)
                with self.translated(purpose):
                    yield connection
        except (SourceAwayError, TargetAwayError) as error:
            if not patience.is_over:
                raise
            raise self._kind(is_away=True)(
                f"{self.where} is silent: no answer within {self.patience_seconds:g} s", hint=_SILENT_HINT
            ) from error
        finally:
            connection.close()

    @contextmanager
    def translated(
        self, purpose: str, *, hint: str = "", table: str | None = None, hides_values: bool = False
    ) -> Iterator[None]:
        """Turn psycopg's errors of the block into ours."""
        try:
            yield
        except psycopg.Error as error:
            raise self.error(error, purpose, hint=hint, table=table, hides_values=hides_values) from error

    def error(
        self,
        error: psycopg.Error,
        purpose: str,
        *,
        hint: str = "",
        table: str | None = None,
        hides_values: bool = False,
    ) -> CdcAssetsError:
        """Return our error for psycopg's; `hides_values` where the server's sentence may quote a row."""
        reason = refusal(type(error).__name__, error.sqlstate, error.diag.message_primary, hides_values=hides_values)
        column = error.diag.column_name
        message = f"{self.where}: {purpose}: {reason}{f', column {column}' if column else ''}"
        return self._kind(is_away=is_away(error))(
            message, hint=hint or f"see the log of the {self.side} server", table=table
        )

    def locked_error(self, held: Mapping[str, Sequence[int]], *, waited: str) -> CdcAssetsError:
        """Return our error for tables that other sessions hold under ACCESS EXCLUSIVE locks, by their process ids."""
        pids = sorted({pid for each in held.values() for pid in each})
        listed = "; ".join(f"{table} by pid {', '.join(map(str, each))}" for table, each in held.items())
        kind = SourceLockedError if self.side == "source" else TargetLockedError
        return kind(
            f"{self.where}: the tables cannot be read, others held them locked for {waited}: {listed or 'ended since'}",
            hint="let their transactions end (pg_stat_activity shows them) and try again"
            + "".join(f"; SELECT pg_terminate_backend({pid}) ends one" for pid in pids[:1]),
            table=next(iter(held), None),
        )

    def _connect(self, *, replication: bool) -> Connection:
        parameters = connection_parameters(self.endpoint, application=self.application)
        if replication:
            parameters["replication"] = "database"
        if self.patience_seconds is not None:
            parameters["connect_timeout"] = max(2, math.ceil(self.patience_seconds / 2))
        try:
            return psycopg.connect(
                **parameters,  # type: ignore[arg-type]  # libpq takes numbers
                password=self.password,
                autocommit=True,
                row_factory=dict_row,
            )
        except psycopg.OperationalError as error:
            what = "refuses a replication connection" if replication else "does not answer or refuses the login"
            reason = _connect_reason(error)
            hint = _REPLICATION_HINT if replication else _LOGIN_HINT
            if self.side == "target" and _NO_DATABASE.search(reason):
                hint = _NO_DATABASE_HINT
            raise self._kind(is_away=True)(f"{self.where} {what}: {reason}", hint=hint) from error

    def _kind(self, *, is_away: bool) -> type[CdcAssetsError]:
        if self.side == "source":
            return SourceAwayError if is_away else SourceError
        return TargetAwayError if is_away else TargetError


def is_away(error: psycopg.Error) -> bool:
    """Whether the connection, not the command, failed."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_AWAY_CLASSES)


def _connect_reason(error: psycopg.Error) -> str:
    """Return the last line of libpq's report of a failed connection; it holds names, never the password."""
    # Lines that begin with a tab go on with what may be meant ("This probably means ..."); the reason stands before.
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
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


def bindable(quoted: str) -> str:
    """Return quoted names for a statement with bound values, where psycopg reads a percent sign as its own."""
    return quoted.replace("%", "%%")
