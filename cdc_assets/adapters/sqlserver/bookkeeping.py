"""`cdc_assets_state` and the progress rows of loads, in T-SQL: whose a target table is, and who may write to it now.

A row of `cdc_assets_state` is the fence. A transaction that writes rows holds the table's lock shared and compares
epoch and load id; a new holder of the pipeline's lease takes the lock exclusively to raise the epoch, which waits for
those transactions and shuts out every later one of theirs. The locks are application locks: they mean the same under
every isolation level that a database may have as its default.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from cdc_assets.adapters.sqlserver.locks import lock_schema, lock_table
from cdc_assets.adapters.sqlserver.session import Row, bindable, rows, run
from cdc_assets.dialects.sqlserver import quote_table
from cdc_assets.model.errors import LeaseLostError, TargetNotOursError
from cdc_assets.model.table import TableName
from cdc_assets.planning.names import BOOKKEEPING_TABLE
from cdc_assets.ports.target import BookkeepingRow, ChunkReceipt, Fence

NAMES = "nvarchar(128) COLLATE Latin1_General_100_BIN2"
_ROWS = """
SELECT pipeline_id, pipeline_name, target_table, generation, epoch, load_id, table_oid
FROM {state} ORDER BY target_table
"""
ENSURE_STATE = """
CREATE TABLE {state} (
    target_table {names} NOT NULL PRIMARY KEY,
    pipeline_id uniqueidentifier NOT NULL,
    pipeline_name nvarchar(128) NOT NULL,
    generation int NOT NULL,
    epoch bigint NOT NULL,
    load_id uniqueidentifier NULL,
    table_oid bigint NOT NULL,
    made_at datetime2(6) NOT NULL DEFAULT SYSUTCDATETIME())
"""
ENSURE_CHUNKS = """
CREATE TABLE {chunks} (
    pipeline_id uniqueidentifier NOT NULL,
    target_table {names} NOT NULL,
    load_id uniqueidentifier NOT NULL,
    number int NOT NULL,
    leaf nvarchar(256) NOT NULL,
    first_block bigint NOT NULL,
    end_block bigint NULL,
    rows bigint NOT NULL,
    checksum decimal(20,0) NOT NULL,
    xid bigint NOT NULL,
    at datetime2(6) NOT NULL DEFAULT SYSUTCDATETIME(),
    PRIMARY KEY (pipeline_id, target_table, load_id, number))
"""
_UPDATE_ROW = """
UPDATE {state} SET pipeline_id = :pipeline_id, pipeline_name = :pipeline_name, generation = :generation,
    epoch = :epoch, load_id = NULL, table_oid = :oid, made_at = SYSUTCDATETIME()
WHERE target_table = :target
"""
_INSERT_ROW = """
INSERT INTO {state} (target_table, pipeline_id, pipeline_name, generation, epoch, table_oid)
VALUES (:target, :pipeline_id, :pipeline_name, :generation, :epoch, :oid)
"""
RECEIPT = """
INSERT INTO {chunks} (pipeline_id, target_table, load_id, number, leaf, first_block, end_block, rows, checksum, xid)
VALUES (:pipeline_id, :target, :load_id, :number, :leaf, :first, :end, :rows, CONVERT(decimal(20,0), :checksum), 0)
"""
_RECEIPTS = """
SELECT number, rows, CONVERT(varchar(20), checksum) AS checksum FROM {chunks}
WHERE pipeline_id = :pipeline_id AND target_table = :target AND load_id = :load_id ORDER BY number
"""
_EXISTS = """
SELECT 1 AS there FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE s.name = :schema AND o.name = :name AND o.type = 'U'
"""
_ID = """
SELECT o.object_id AS id FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE s.name = :schema AND o.name = :name
"""
_STAGED = """
SELECT o.name AS name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE s.name = :schema AND o.type = 'U' AND LEFT(o.name, :length) = :prefix
"""


def state_table(schema: str) -> str:
    """Return the quoted bookkeeping table, for a statement with bound values."""
    return bindable(quote_table(TableName(schema, BOOKKEEPING_TABLE)))


def chunks_table(schema: str, chunk_table: str) -> str:
    """Return the quoted table of progress rows, for a statement with bound values."""
    return bindable(quote_table(TableName(schema, chunk_table)))


def stage_prefix(pipeline_id: UUID, load_id: UUID | None = None) -> str:
    """How the names of a pipeline's staging tables begin, and those of one load of it."""
    return f"cdc_stage_{pipeline_id.hex[:12]}_" + ("" if load_id is None else f"{load_id.hex[:12]}_")


def exists(connection: Connection, schema: str, table: str) -> bool:
    """Whether a table of that name is there."""
    return bool(rows(connection, _EXISTS, {"schema": schema, "name": table}))


def table_id(connection: Connection, table: TableName) -> int | None:
    """The object id of what has that name, None when nothing has."""
    found = rows(connection, _ID, {"schema": table.schema, "name": table.name})
    return int(found[0]["id"]) if found else None


def read_rows(connection: Connection, schema: str) -> tuple[BookkeepingRow, ...]:
    """Read every row; none when there is no bookkeeping yet."""
    if not exists(connection, schema, BOOKKEEPING_TABLE):
        return ()
    found = rows(connection, _ROWS.format(state=state_table(schema)))
    return tuple(
        BookkeepingRow(
            **{**row, "pipeline_id": as_uuid(row["pipeline_id"]), "load_id": _as_uuid_or_none(row["load_id"])}
        )
        for row in found
    )


def ensure_state(connection: Connection, schema: str) -> None:
    """Make the bookkeeping table exist; under `lock_schema`."""
    if not exists(connection, schema, BOOKKEEPING_TABLE):
        run(connection, ENSURE_STATE.format(state=state_table(schema), names=NAMES))


def record(
    connection: Connection,
    table: TableName,
    oid: int,
    *,
    pipeline_id: UUID,
    pipeline_name: str,
    generation: int,
    epoch: int,
) -> None:
    """Write the row of a table that is ours from now on; a row of a table that is gone belongs to nobody."""
    lock_table(connection, table, mode="Exclusive")
    found = _fence_row(connection, table)
    values: dict[str, object] = {
        "target": table.name,
        "oid": oid,
        "pipeline_id": str(pipeline_id),
        "pipeline_name": pipeline_name,
        "generation": generation,
        "epoch": epoch,
    }
    state = state_table(table.schema)
    if found is None:
        run(connection, _INSERT_ROW.format(state=state), values)
        return
    is_gone = not rows(
        connection, "SELECT 1 AS there FROM sys.objects WHERE object_id = :id", {"id": found["table_oid"]}
    )
    if as_uuid(found["pipeline_id"]) != pipeline_id and not is_gone:
        raise TargetNotOursError(
            f"target table {table} belongs to another pipeline",
            hint="give this table another target name, or ./cdc drop the other pipeline",
            table=table.name,
        )
    run(connection, _UPDATE_ROW.format(state=state), values)


def claim(connection: Connection, schema: str, pipeline_id: UUID, epoch: int) -> None:
    """Raise the epoch of the pipeline's rows; waits for the transactions that write under an older one."""
    mine = [row for row in read_rows(connection, schema) if row.pipeline_id == pipeline_id]
    for row in mine:
        lock_table(connection, TableName(schema, row.target_table), mode="Exclusive")
    # Read again: the wait was for somebody who may have raised it.
    if any(row.epoch > epoch for row in read_rows(connection, schema) if row.pipeline_id == pipeline_id):
        raise _lost(f"epoch {epoch} is over")
    if mine:
        update = f"UPDATE {state_table(schema)} SET epoch = :epoch WHERE pipeline_id = :pipeline_id"  # noqa: S608
        run(connection, update, {"epoch": epoch, "pipeline_id": str(pipeline_id)})


def hold_fence(connection: Connection, table: TableName, fence: Fence) -> None:
    """Hold the table's fence against a new holder until the transaction ends; LeaseLostError when one was here."""
    lock_table(connection, table, mode="Shared")
    found = _fence_row(connection, table)
    if found is None or (*_owner(found), _as_uuid_or_none(found["load_id"])) != (
        fence.pipeline_id,
        fence.generation,
        fence.epoch,
        fence.load_id,
    ):
        raise _lost(f"the load of {table} was begun anew or taken over")


def begin_load(connection: Connection, table: TableName, fence: Fence, chunk_table: str) -> None:
    """Make `fence.load_id` the only load that may write, and drop the staging tables of the load before."""
    lock_schema(connection, table.schema)
    lock_table(connection, table, mode="Exclusive", seconds=10)
    found = _fence_row(connection, table)
    if found is None or _owner(found) != (fence.pipeline_id, fence.generation, fence.epoch):
        raise _lost(f"target table {table} was taken over")
    if table_id(connection, table) != found["table_oid"]:
        raise TargetNotOursError(
            f"target table {table} is not the one this pipeline made: it was dropped or made anew by someone",
            hint="drop it, or set if_target_not_empty: replace, and start again",
            table=table.name,
        )
    chunks = chunks_table(table.schema, chunk_table)
    if not exists(connection, table.schema, chunk_table):
        run(connection, ENSURE_CHUNKS.format(chunks=chunks, names=NAMES))
    ours: dict[str, object] = {"pipeline_id": str(fence.pipeline_id), "target": table.name}
    run(connection, f"DELETE FROM {chunks} WHERE pipeline_id = :pipeline_id AND target_table = :target", ours)  # noqa: S608
    before = _as_uuid_or_none(found["load_id"])
    if before is not None:
        drop_staged(connection, table.schema, stage_prefix(fence.pipeline_id, before))
    update = f"UPDATE {state_table(table.schema)} SET load_id = :load_id WHERE target_table = :target"  # noqa: S608
    run(connection, update, {"load_id": str(fence.load_id), "target": table.name})


def receipts(connection: Connection, table: TableName, fence: Fence, chunk_table: str) -> tuple[ChunkReceipt, ...]:
    """Read the committed progress rows of a table's load."""
    if not exists(connection, table.schema, chunk_table):
        return ()
    values: dict[str, object] = {
        "pipeline_id": str(fence.pipeline_id),
        "target": table.name,
        "load_id": str(fence.load_id),
    }
    found = rows(connection, _RECEIPTS.format(chunks=chunks_table(table.schema, chunk_table)), values)
    return tuple(ChunkReceipt(row["number"], row["rows"], int(row["checksum"]), 0) for row in found)


def forget_chunks(connection: Connection, schema: str, pipeline_id: UUID, chunk_table: str) -> None:
    """Remove the pipeline's progress rows and staging tables, and the table when no other pipeline's are in it."""
    lock_schema(connection, schema)
    drop_staged(connection, schema, stage_prefix(pipeline_id))
    if not exists(connection, schema, chunk_table):
        return
    chunks = chunks_table(schema, chunk_table)
    run(connection, f"DELETE FROM {chunks} WHERE pipeline_id = :id", {"id": str(pipeline_id)})  # noqa: S608
    if not rows(connection, f"SELECT TOP (1) 1 AS there FROM {chunks}"):  # noqa: S608
        run(connection, f"DROP TABLE {chunks}")


def forget(connection: Connection, schema: str, pipeline_id: UUID) -> None:
    """Remove the pipeline's rows and staging tables."""
    drop_staged(connection, schema, stage_prefix(pipeline_id))
    if exists(connection, schema, BOOKKEEPING_TABLE):
        run(connection, f"DELETE FROM {state_table(schema)} WHERE pipeline_id = :id", {"id": str(pipeline_id)})  # noqa: S608


def drop_staged(connection: Connection, schema: str, prefix: str) -> None:
    """Drop the staging tables whose names begin so."""
    found: Sequence[Row] = rows(connection, _STAGED, {"schema": schema, "prefix": prefix, "length": len(prefix)})
    for row in found:
        connection.exec_driver_sql(f"DROP TABLE {quote_table(TableName(schema, row['name']))}")


def as_uuid(value: object) -> UUID:
    """A `uniqueidentifier` as any of the drivers hands it over."""
    return value if isinstance(value, UUID) else UUID(str(value))


def _as_uuid_or_none(value: object) -> UUID | None:
    return None if value is None else as_uuid(value)


def _owner(found: Row) -> tuple[UUID, int, int]:
    return as_uuid(found["pipeline_id"]), found["generation"], found["epoch"]


def _fence_row(connection: Connection, table: TableName) -> Row | None:
    query = (
        f"SELECT pipeline_id, generation, epoch, load_id, table_oid FROM {state_table(table.schema)} "  # noqa: S608
        "WHERE target_table = :target"
    )
    found = rows(connection, query, {"target": table.name})
    return found[0] if found else None


def _lost(reason: str) -> LeaseLostError:
    return LeaseLostError(
        f"this run may not write to the target any more: {reason}", hint="nothing to do: a newer run works on it"
    )
