"""Connections to the state database: session settings, transactions, and the one sentence when it does not answer."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.errors import IdleInTransactionSessionTimeout, UndefinedTable
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cdc_assets.model.errors import StateDatabaseError

HINT = "start it with ./cdc up, or correct CDC_DATABASE_URL"
# A process that is stopped (SIGSTOP, suspended machine) in the middle of a change holds the pipeline's row lock: the
# server ends its session before the next holder's patience ends.
_SESSION = (
    "SET idle_in_transaction_session_timeout = '5s'",
    "SET lock_timeout = '8s'",
    "SET statement_timeout = '15s'",
    "SET timezone = 'UTC'",
    # A state that a crash of the server takes back would lag behind what was done because of it.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}


class StateDatabase:
    """A pool of sessions in the state database."""

    def __init__(self, database_url: str, *, application: str = "cdc_assets:state", pool_size: int = 5) -> None:
        """Remember where it is; nothing connects before the first transaction."""
        url = make_url(database_url).set(drivername="postgresql+psycopg")
        self.address = f"{url.host}:{url.port or 5432}/{url.database}"
        self.engine: Engine = create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_size=pool_size,
            pool_pre_ping=True,
            pool_timeout=10,
            # Error texts must not carry values.
            hide_parameters=True,
            connect_args={"application_name": application, **_NETWORK},
        )
        event.listen(self.engine, "connect", _prepare_session)
        # Whoever forgets to close a store leaves no session behind.
        weakref.finalize(self, self.engine.dispose)
        self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """One transaction, committed when the block ends well; StateDatabaseError when the database does not answer."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of several tables."""
        with self._translated(), self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the pooled sessions."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            raise self._unavailable(error) from error
        except DBAPIError as error:
            if isinstance(error.orig, UndefinedTable):
                raise StateDatabaseError(
                    f"the state database {self.address} has no tables of this product", hint=HINT
                ) from error
            if error.connection_invalidated or isinstance(error.orig, IdleInTransactionSessionTimeout):
                raise self._unavailable(error) from error
            raise

    def _unavailable(self, error: DBAPIError | PoolTimeoutError) -> StateDatabaseError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip().partition("\n")[0]
        return StateDatabaseError(f"the state database {self.address} does not answer: {reason}", hint=HINT)


def _prepare_session(connection: Any, record: object) -> None:  # noqa: ANN401  the driver's connection, untyped here
    del record
    connection.autocommit = True
    for statement in _SESSION:
        connection.execute(statement)
    connection.autocommit = False
