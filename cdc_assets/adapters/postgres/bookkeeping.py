"""`cdc_assets_state` and the progress rows of loads: whose a target table is, and who may write to it now.

A row of `cdc_assets_state` is the fence. A transaction that writes rows holds it FOR SHARE and compares epoch and load
id; a new holder of the pipeline's lease raises the epoch, which waits for those transactions and shuts out every later
one of theirs.
"""

from collections.abc import Sequence
from uuid import UUID

from cdc_assets.adapters.postgres.session import Connection, bindable, fetch_all, statement
from cdc_assets.dialects.postgres import quote_table
from cdc_assets.model.errors import LeaseLostError, TargetNotOursError
from cdc_assets.model.table import TableName
from cdc_assets.planning.names import BOOKKEEPING_TABLE
from cdc_assets.ports.target import BookkeepingRow, Fence

_ROWS = """
SELECT pipeline_id, pipeline_name, target_table, generation, epoch, load_id, table_oid::int8 AS table_oid
FROM {state} ORDER BY target_table
"""
_ENSURE = """
CREATE TABLE IF NOT EXISTS {state} (
    target_table text PRIMARY KEY,
    pipeline_id uuid NOT NULL,
    pipeline_name text NOT NULL,
    generation int NOT NULL,
    epoch int8 NOT NULL,
    load_id uuid,
    table_oid oid NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now())
"""
# A row of a table that is gone belongs to nobody.
_RECORD = """
INSERT INTO {state} AS s (target_table, pipeline_id, pipeline_name, generation, epoch, table_oid)
VALUES (%(table)s, %(pipeline_id)s, %(pipeline_name)s, %(generation)s, %(epoch)s, %(oid)s)
ON CONFLICT (target_table) DO UPDATE SET pipeline_id = excluded.pipeline_id, pipeline_name = excluded.pipeline_name,
    generation = excluded.generation, epoch = excluded.epoch, load_id = NULL, table_oid = excluded.table_oid,
    made_at = now()
WHERE s.pipeline_id = excluded.pipeline_id OR NOT EXISTS (SELECT FROM pg_class WHERE oid = s.table_oid)
RETURNING target_table
"""
_FENCE = """
SELECT pipeline_id, generation, epoch, load_id, table_oid::int8 AS table_oid
FROM {state} WHERE target_table = %(table)s {lock}
"""
_ENSURE_CHUNKS = """
CREATE TABLE IF NOT EXISTS {chunks} (
    pipeline_id uuid NOT NULL,
    target_table text NOT NULL,
    load_id uuid NOT NULL,
    number int NOT NULL,
    leaf text NOT NULL,
    first_block int8 NOT NULL,
    end_block int8,
    rows int8 NOT NULL,
    checksum numeric(20) NOT NULL,
    xid int8 NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline_id, target_table, load_id, number))
"""


def state_table(schema: str) -> str:
    """Return the quoted bookkeeping table, for a statement with bound values."""
    return _bindable_table(schema, BOOKKEEPING_TABLE)


def chunks_table(schema: str, chunk_table: str) -> str:
    """Return the quoted table of progress rows, for a statement with bound values."""
    return _bindable_table(schema, chunk_table)


def exists(connection: Connection, schema: str, table: str) -> bool:
    """Whether a relation of that name is there."""
    return bool(
        fetch_all(
            connection,
            "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %(s)s AND c.relname = %(t)s",
            {"s": schema, "t": table},
        )
    )


def rows(connection: Connection, schema: str) -> tuple[BookkeepingRow, ...]:
    """Read every row; none when there is no bookkeeping yet."""
    if not exists(connection, schema, BOOKKEEPING_TABLE):
        return ()
    found = connection.execute(statement(_ROWS.format(state=state_table(schema))), {}).fetchall()
    return tuple(BookkeepingRow(**row) for row in found)


def lock_schema(connection: Connection, schema: str) -> None:
    """Let one pipeline at a time change what several share in a schema; until the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('cdc_assets ' || %s, 0))", (schema,))


def record(
    connection: Connection,
    schema: str,
    table: str,
    oid: int,
    *,
    pipeline_id: UUID,
    pipeline_name: str,
    generation: int,
    epoch: int,
) -> None:
    """Write the row of a table that is ours from now on."""
    values = {
        "table": table,
        "oid": oid,
        "pipeline_id": pipeline_id,
        "pipeline_name": pipeline_name,
        "generation": generation,
        "epoch": epoch,
    }
    if not connection.execute(statement(_RECORD.format(state=state_table(schema))), values).fetchall():
        raise TargetNotOursError(
            f"target table {schema}.{table} belongs to another pipeline",
            hint="give this table another target name, or ./cdc drop the other pipeline",
            table=table,
        )


def ensure_state(connection: Connection, schema: str) -> None:
    """Make the bookkeeping table exist."""
    connection.execute(statement(_ENSURE.format(state=state_table(schema))), {})


def claim(connection: Connection, schema: str, pipeline_id: UUID, epoch: int) -> None:
    """Raise the epoch of the pipeline's rows; in a transaction."""
    if not exists(connection, schema, BOOKKEEPING_TABLE):
        return
    state = state_table(schema)
    newest = connection.execute(
        statement(f"SELECT epoch FROM {state} WHERE pipeline_id = %s ORDER BY target_table FOR UPDATE"),  # noqa: S608
        (pipeline_id,),
    ).fetchall()
    if any(row["epoch"] > epoch for row in newest):
        raise _lost(f"epoch {epoch} is over")
    connection.execute(statement(f"UPDATE {state} SET epoch = %s WHERE pipeline_id = %s"), (epoch, pipeline_id))  # noqa: S608


def hold_fence(connection: Connection, table: TableName, fence: Fence) -> None:
    """Hold the table's row against a new holder until the transaction ends; LeaseLostError when one was here."""
    found = _fence_row(connection, table, "FOR SHARE")
    wanted = (fence.pipeline_id, fence.generation, fence.epoch, fence.load_id)
    if found is None or (found["pipeline_id"], found["generation"], found["epoch"], found["load_id"]) != wanted:
        raise _lost(f"the load of {table} was begun anew or taken over")


def begin_load(connection: Connection, table: TableName, fence: Fence, chunk_table: str) -> None:
    """Make `fence.load_id` the only load that may write.

    In a transaction, which waits for writers of the load before.
    """
    found = _fence_row(connection, table, "FOR UPDATE")
    wanted = (fence.pipeline_id, fence.generation, fence.epoch)
    if found is None or (found["pipeline_id"], found["generation"], found["epoch"]) != wanted:
        raise _lost(f"target table {table} was taken over")
    present = fetch_all(connection, "SELECT to_regclass(%(t)s)::oid::int8 AS oid", {"t": quote_table(table)})
    if present[0]["oid"] != found["table_oid"]:
        raise TargetNotOursError(
            f"target table {table} is not the one this pipeline made: it was dropped or made anew by someone",
            hint="drop it, or set if_target_not_empty: replace, and start again",
            table=table.name,
        )
    chunks = chunks_table(table.schema, chunk_table)
    lock_schema(connection, table.schema)
    connection.execute(statement(_ENSURE_CHUNKS.format(chunks=chunks)), {})
    connection.execute(
        statement(f"DELETE FROM {chunks} WHERE pipeline_id = %s AND target_table = %s"),  # noqa: S608
        (fence.pipeline_id, table.name),
    )
    connection.execute(
        statement(f"UPDATE {state_table(table.schema)} SET load_id = %s WHERE target_table = %s"),  # noqa: S608
        (fence.load_id, table.name),
    )


def forget_chunks(connection: Connection, schema: str, pipeline_id: UUID, chunk_table: str) -> None:
    """Remove the pipeline's progress rows, and the table when no other pipeline's are in it; in a transaction."""
    lock_schema(connection, schema)
    if not exists(connection, schema, chunk_table):
        return
    chunks = chunks_table(schema, chunk_table)
    connection.execute(statement(f"DELETE FROM {chunks} WHERE pipeline_id = %s"), (pipeline_id,))  # noqa: S608
    if not connection.execute(statement(f"SELECT FROM {chunks} LIMIT 1"), {}).fetchall():
        connection.execute(statement(f"DROP TABLE {chunks}"), {})


def forget(connection: Connection, schema: str, pipeline_id: UUID) -> Sequence[str]:
    """Remove the pipeline's rows and return the target tables they were for; in a transaction."""
    if not exists(connection, schema, BOOKKEEPING_TABLE):
        return ()
    found = connection.execute(
        statement(f"DELETE FROM {state_table(schema)} WHERE pipeline_id = %s RETURNING target_table"),  # noqa: S608
        (pipeline_id,),
    ).fetchall()
    return tuple(row["target_table"] for row in found)


def _fence_row(connection: Connection, table: TableName, lock: str) -> dict[str, object] | None:
    text = _FENCE.format(state=state_table(table.schema), lock=lock)
    return connection.execute(statement(text), {"table": table.name}).fetchone()


def _bindable_table(schema: str, table: str) -> str:
    return bindable(quote_table(TableName(schema, table)))


def _lost(reason: str) -> LeaseLostError:
    return LeaseLostError(
        f"this run may not write to the target any more: {reason}", hint="nothing to do: a newer run works on it"
    )
