"""Application locks: they mean the same under every isolation level that a database may have as its default.

Each is held to the end of its transaction; what they guard, `bookkeeping` tells.
"""

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cdc_assets.adapters.sqlserver.session import LockNotGrantedError, is_locked
from cdc_assets.dialects.sqlserver import literal
from cdc_assets.model.table import TableName


def hold_lock(connection: Connection, name: str, *, mode: str, seconds: int | None = None) -> None:
    """Hold an application lock to the end of the transaction; LockNotGrantedError when others hold it too long."""
    timeout = -1 if seconds is None else seconds * 1000
    statement = (
        f"SET NOCOUNT ON; DECLARE @granted int; EXEC @granted = sp_getapplock @Resource = {literal(name)}, "
        f"@LockMode = {literal(mode)}, @LockOwner = N'Transaction', @LockTimeout = {timeout}; "
        "SELECT @granted AS granted;"
    )
    try:
        granted = int(connection.exec_driver_sql(statement).scalar_one())
    except DBAPIError as error:
        if is_locked(error):
            raise LockNotGrantedError(f"lock {name} cannot be taken") from error
        raise
    if granted < 0:
        raise LockNotGrantedError(f"lock {name} cannot be taken")


def lock_schema(connection: Connection, schema: str) -> None:
    """Let one pipeline at a time change what several share in a schema; until the end of the transaction."""
    hold_lock(connection, f"cdc_assets {schema}"[:255], mode="Exclusive")


def lock_table(connection: Connection, table: TableName, *, mode: str, seconds: int | None = None) -> None:
    """Hold the fence of a table: shared by who writes rows, exclusive by who takes it over."""
    hold_lock(connection, f"cdc_assets {table.schema} {table.name}"[:255], mode=mode, seconds=seconds)
