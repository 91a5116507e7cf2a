"""Sessions on a SQL Server target: how one is opened, and what a refusal becomes.

Control statements go through SQLAlchemy; `open_bulk` opens the driver itself, for what moves rows. Both log in by the
same connection object as the sink connectors do (`model/sqlserver_connection`).
"""

import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Connection, Engine, bindparam, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from cdc_assets.dialects.sqlserver import missing_library, refusal
from cdc_assets.model.errors import CdcAssetsError, TargetAwayError, TargetError, TargetLockedError
from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.sqlserver_connection import SqlServerAddress

if TYPE_CHECKING:
    from mssql_python import Connection as BulkConnection

Row = dict[str, Any]
_LOGIN_HINT = "check host, port, database, user, password and tls in connections.yaml, and the log of the server"
_NO_DATABASE = re.compile(r"Cannot open database|database \".*\" does not exist")
_NO_DATABASE_HINT = (
    "correct `database` in the pipeline's file, give the login a user in it, or let a start make it: "
    "./cdc start PIPELINE --create-database"
)
_LOGIN_TIMEOUT = 103  # SQL_ATTR_LOGIN_TIMEOUT
_LOGIN_SECONDS = 10
_AWAY_WORDS = (
    "Client unable to establish connection",
    "Connection not open",
    "Connection failure during transaction",
    "Communication link failure",
    "Connection timeout expired",
    "Server rejected the connection",
    "Disconnect error",
    "TCP Provider",
    # Only who waits with patience has a limit for it.
    "Timeout expired",
    "Query timeout expired",
    "closed connection",
)
_AWAY_STATES = ("08", "HYT")
# A session may have served another request before. Without the first an error may leave half of a transaction, and the
# rest of it be committed.
_OPENING = "SET XACT_ABORT ON; SET LOCK_TIMEOUT -1; SELECT @@SPID"
# Whoever is chosen as the victim of a deadlock may do the same again.
_DEADLOCKED = "deadlock victim"
_LOCKED = (_DEADLOCKED, "Lock request time out", "lock timeout", "canceling statement due to lock timeout")
_LOCK_SECONDS = 10
_LOCK_HINT = "let their transactions end (sys.dm_tran_locks shows them) and try again"


class LockNotGrantedError(TargetLockedError):
    """Others held what a statement needed for longer than it may wait; where that may pass, it is tried again."""

    def __init__(self, what: str) -> None:
        """Name what was not done."""
        super().__init__(f"{what}: others held it locked", hint=_LOCK_HINT)


@dataclass
class SqlServerSessions:
    """Opens sessions of one login on one database."""

    endpoint: Endpoint
    password: str = field(repr=False)
    application: str
    patience_seconds: float | None = None
    _open: set[int] = field(default_factory=set, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _is_kept: bool = field(default=False, init=False, repr=False)

    @property
    def open_sessions(self) -> Sequence[int]:
        """The numbers by which the server knows the sessions of `transaction` that are open now, of any thread."""
        with self._lock:
            return sorted(self._open)

    @property
    def where(self) -> str:
        """The server in a sentence."""
        connection = self.endpoint.connection
        return f"target {connection.name} ({connection.host}:{connection.port}/{self.endpoint.database})"

    @contextmanager
    def transaction(self, purpose: str, *, table: str | None = None) -> Iterator[Connection]:
        """Open a session for one transaction; a refusal becomes our error that begins with the purpose."""
        try:
            with self._engine.connect() as connection:
                if not self._is_kept:
                    # Then it is closed at its end.
                    connection.detach()
                number = int(connection.exec_driver_sql(_OPENING).scalar_one())
                connection.commit()
                with self._known(number), _committed(connection):
                    yield connection
        except DBAPIError as error:
            raise self.error(error.orig or error, purpose, table=table) from error

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within the block `transaction` leaves its sessions open for the next ones: a login is dear."""
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False
            if "_engine" in self.__dict__:
                self._engine.dispose()

    @contextmanager
    def _known(self, number: int) -> Iterator[None]:
        with self._lock:
            self._open.add(number)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(number)

    def open_bulk(self) -> "BulkConnection":
        """Open a session of the driver itself in autocommit; the caller closes it."""
        driver = self._driver("mssql_python")
        address = SqlServerAddress.of(self.endpoint)
        try:
            opened: BulkConnection = driver.connect(
                address.odbc(self.password), autocommit=True, attrs_before={_LOGIN_TIMEOUT: self._login_seconds}
            )
        except driver.Error as error:
            raise self.error(error, "does not answer or refuses the login") from error
        return opened

    @contextmanager
    def bulk(self, purpose: str, *, table: str | None = None) -> Iterator["BulkConnection"]:
        """As `open_bulk`, for a block; whatever the driver raises in it becomes our error."""
        with closing(self.open_bulk()) as connection, self.translated(purpose, table=table):
            yield connection

    @contextmanager
    def translated(self, purpose: str, *, table: str | None = None) -> Iterator[None]:
        """Turn what the driver raises in the block into ours.

        Its bulk copy raises ValueError for values that do not fit, and panics with what is no Exception.
        """
        driver = self._driver("mssql_python")
        try:
            yield
        except (driver.Error, ValueError, RuntimeError) as error:
            raise self.error(error, purpose, table=table) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise self.error(error, purpose, table=table) from error

    def error(self, error: BaseException, purpose: str, *, table: str | None = None) -> CdcAssetsError:
        """Return our error for a driver's."""
        away = is_away(error) or _DEADLOCKED in str(error)
        reason = refusal(_words(error))
        return (TargetAwayError if away else TargetError)(
            f"{self.where}: {purpose}: {reason}",
            hint=_hint(str(error), is_away=away),
            table=table,
        )

    def locked_error(self, purpose: str, *, table: str | None = None) -> CdcAssetsError:
        """Return our error for what others held locked in every try."""
        return TargetLockedError(
            f"{self.where}: {purpose}: others held it locked for {_LOCK_SECONDS} s, each time",
            hint=_LOCK_HINT,
            table=table,
        )

    @property
    def _login_seconds(self) -> int:
        return _LOGIN_SECONDS if self.patience_seconds is None else max(2, math.ceil(self.patience_seconds / 2))

    @cached_property
    def _engine(self) -> Engine:
        connection = self.endpoint.connection
        address = SqlServerAddress.of(self.endpoint)
        name = "mssql_python" if connection.driver is None else "pyodbc"
        driver = self._driver(name)
        odbc = address.odbc(self.password, driver=connection.driver, application=self.application)

        def connect() -> Any:  # noqa: ANN401  of whichever driver it is
            if connection.driver is None:
                opened = driver.connect(odbc, attrs_before={_LOGIN_TIMEOUT: self._login_seconds})
            else:
                opened = driver.connect(odbc, timeout=self._login_seconds)
            if self.patience_seconds is not None:
                opened.timeout = max(1, math.ceil(self.patience_seconds))
            return opened

        return create_engine(
            address.sqlalchemy_url(driver=connection.driver),
            module=driver,
            creator=connect,
            poolclass=QueuePool,
            pool_pre_ping=True,
            max_overflow=-1,
            hide_parameters=True,
        )

    def _driver(self, name: str) -> Any:  # noqa: ANN401  a module without types
        try:
            return import_module(name)
        except (ImportError, OSError) as error:
            found = missing_library(str(error))
            what, fix = found or (name, "install the packages of requirements.lock (./cdc does it)")
            raise TargetError(
                f"{self.where}: the driver {name} cannot be loaded here: {what} is missing",
                hint=f"run as root: {fix}" if found else fix,
            ) from error


def _hint(said: str, *, is_away: bool) -> str:
    if _NO_DATABASE.search(said):
        return _NO_DATABASE_HINT
    return _LOGIN_HINT if is_away else "see what the server says; its own log tells more"


@contextmanager
def _committed(connection: Connection) -> Iterator[None]:
    transaction = connection.begin()
    try:
        yield
    except BaseException:
        # A server that has ended it by itself may refuse to end it once more.
        with suppress(DBAPIError):
            transaction.rollback()
        raise
    transaction.commit()


def is_away(error: BaseException) -> bool:
    """Whether the connection, not the command, failed."""
    state = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    if is_locked(error):
        return False
    return state.startswith(_AWAY_STATES) or any(word in str(error) for word in _AWAY_WORDS)


def _words(error: BaseException) -> str:
    """What the server or driver said: mssql-python keeps it apart, pyodbc puts it behind the SQLSTATE."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    last = error.args[-1] if error.args else None
    return str(getattr(error, "ddbc_error", None) or (last if isinstance(last, str) else error))


def is_locked(error: BaseException) -> bool:
    """Whether others held what the statement needed."""
    return any(word.lower() in str(error).lower() for word in _LOCKED)


def rows(connection: Connection, query: str, values: dict[str, object] | None = None) -> list[Row]:
    """Return the rows of a query; `:name` is a bound value or, after IN, a list; names in the text are quoted."""
    lists: list[BindParameter[object]] = [
        bindparam(name, expanding=True) for name, value in (values or {}).items() if isinstance(value, list)
    ]
    return [dict(row) for row in connection.execute(text(query).bindparams(*lists), values or {}).mappings()]


def run(connection: Connection, statement: str, values: dict[str, object] | None = None) -> None:
    """Run a statement; as `rows`, for what has none."""
    connection.execute(text(statement), values or {})


def bindable(quoted: str) -> str:
    """Return quoted names for a statement with bound values, where a colon would begin the name of one."""
    return quoted.replace(":", "\\:")


def run_all(connection: Connection, statements: Sequence[str]) -> None:
    """Run statements whose text is complete: a colon in a name binds nothing."""
    for statement in statements:
        connection.exec_driver_sql(statement)
