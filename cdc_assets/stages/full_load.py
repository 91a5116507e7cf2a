"""Step 1: every row of the tables is in the target, read under one view of the source and verified chunk by chunk.

Called by `stages/sync` after Step 0. The view is the slot's own on a first start, a newer one later
(`stages/hand_off`); the copying is `stages/load_scheduler`. Tables that are loaded are left alone, so a start after a
failure repeats only what is missing.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from cdc_assets.model.errors import (
    CdcAssetsError,
    FullLoadError,
    SchemaCreationError,
    TargetNotOursError,
)
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.report import TableOutcome
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets.planning.chunks import plan_chunks
from cdc_assets.planning.names import PipelineNames
from cdc_assets.planning.target_plan import plan_table_changes
from cdc_assets.ports.target import Fence
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.hand_off import HOLDS_ROWS, LoadView, ensure_capture, open_first_view, open_later_view
from cdc_assets.stages.load_scheduler import LoadScheduler, RoundResult
from cdc_assets.stages.prepare import take_over
from cdc_assets.stages.recorded_names import ensure_names
from cdc_assets.stages.table_load import TableLoad
from cdc_assets.stages.target_tables import present_table, reported_columns, wanted_table

_LOADABLE = frozenset({TableState.PREPARED, TableState.LOADING})
_BYTES_PER_MB = 1 << 20
# A table may be truncated again before a newer view has read it: more than one try, and an end to trying.
_LATER_ROUNDS = 5


def full_load(context: StageContext, tables: Sequence[str]) -> Mapping[str, TableOutcome]:
    """Load the selected tables that are prepared; afterwards each is LOADED, or FAILED with its cause.

    `full_load_status` is COMPLETED when every table of the file is loaded, else FAILED. SlotError, SourceError or
    TargetError when no table can be loaded for a common cause. LeaseLostError and IntentChangedError leave everything
    as it is: the next run begins the unfinished tables again.
    """
    pipeline = context.pipeline
    record = context.lease.check()
    if not pipeline.mode.loads:
        take_over(context)
        ensure_capture(context, ensure_names(context))
        context.log(f"Step 1: Skipped (mode: {pipeline.mode})")
        return {table: _outcome(context.lease.check().table(table)) for table in tables}
    if record.full_load_status is FullLoadStatus.COMPLETED and _all_hold_rows(context, record):
        context.log("Step 1: Full load already completed, skipped")
        return {table: _outcome(record.table(table)) for table in tables}
    context.log(f"Step 1: Starting full load for pipeline: {pipeline.name} (mode: {pipeline.mode})")
    context.log(f"Step 1: Source: {pipeline.source}, Tables: {list(tables)}")
    context.log(f"Step 1: Target: {pipeline.target}")
    context.lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause="the full load begins")
    context.log("Step 1: Full load status set to IN_PROGRESS and persisted to database")
    take_over(context)
    names = ensure_names(context)
    to_load = [table for table in tables if record.table(table).state in _LOADABLE]
    loaded, failed = _load_all(context, names, to_load) if to_load else ([], {})
    context.target.end_load(pipeline.target.schema, record.id, chunk_table=names.chunk_table)
    _conclude(context, loaded)
    record = context.lease.check()
    now_loaded = {load.name: load for load in loaded}
    return {table: _outcome(record.table(table), failed.get(table), load=now_loaded.get(table)) for table in tables}


def _load_all(
    context: StageContext, names: PipelineNames, tables: Sequence[str]
) -> tuple[list[TableLoad], dict[str, CdcAssetsError]]:
    """Load under the first view, and what lost it under newer ones; a table that is lost every time is FAILED."""
    with open_first_view(context, names) as view:
        result = _load_round(context, names, view, tables)
    loaded, failed, lost = result.loaded, dict(result.failed), result.lost
    for _ in range(_LATER_ROUNDS):
        if not lost:
            break
        reasons = dict.fromkeys(error.message for error in lost.values())
        context.log(f"Step 1: {len(lost)} tables begin again under a newer snapshot: {'; '.join(reasons)}")
        with open_later_view(context, names) as view:
            again = _load_round(context, names, view, list(lost))
        loaded += again.loaded
        failed |= again.failed
        lost = again.lost
    for table, error in lost.items():
        context.lease.fail_table(table, TableState.FAILED, error)
        context.log(f"Step 1: Table {table} failed: {error}")
        failed[table] = error
    return loaded, failed


def _load_round(context: StageContext, names: PipelineNames, view: LoadView, tables: Sequence[str]) -> RoundResult:
    loads, refused = _plan_loads(context, view, tables)
    for table, error in refused.items():
        context.lease.fail_table(table, TableState.FAILED, error)
        context.log(f"Step 1: Table {table} failed: {error}")
    result = LoadScheduler(context, names, view, loads).run()
    result.failed.update(refused)
    return result


def _plan_loads(
    context: StageContext, view: LoadView, tables: Sequence[str]
) -> tuple[list[TableLoad], dict[str, CdcAssetsError]]:
    """Cut the tables into chunks, as they are under the view; one that no longer fits its target table is refused."""
    pipeline = context.pipeline
    record = context.lease.check()
    mappings = [pipeline.mapping(table) for table in tables]
    definitions = view.snapshot.describe([mapping.source for mapping in mappings])
    targets = context.target.describe([mapping.target for mapping in mappings])
    bookkeeping = context.target.bookkeeping(pipeline.target.schema)
    enums = context.target.enums(pipeline.target.schema)
    loads: list[TableLoad] = []
    refused: dict[str, CdcAssetsError] = {}
    for mapping in mappings:
        table = mapping.partition_key
        definition = definitions.get(mapping.source)
        if definition is None:
            refused[table] = SchemaCreationError(
                f"source table {mapping.source} was dropped", hint="correct the pipeline's file", table=table
            )
            continue
        try:
            wanted = wanted_table(
                definition, mapping, captured=pipeline.mode.captures, product=pipeline.target.connection.kind
            )
            present = present_table(targets.get(mapping.target), bookkeeping, record.id)
            needed = plan_table_changes(wanted, present, enums=enums, replaces=False)
        except (SchemaCreationError, TargetNotOursError) as error:
            refused[table] = error
            continue
        if needed:
            refused[table] = SchemaCreationError(
                f"{mapping.source} was altered, or its target table changed, since Step 0",
                hint="start the pipeline again",
                table=table,
            )
            continue
        chunks = plan_chunks(view.snapshot.sizes(definition), chunk_bytes=pipeline.options.chunk_mb * _BYTES_PER_MB)
        loads.append(TableLoad(mapping, definition, wanted, _fence(context, record.id, record.generation), chunks))
    return loads, refused


def _fence(context: StageContext, pipeline_id: UUID, generation: int) -> Fence:
    return Fence(pipeline_id=pipeline_id, generation=generation, epoch=context.lease.epoch, load_id=uuid4())


def _conclude(context: StageContext, loaded: Sequence[TableLoad]) -> None:
    """Write the status that the tables of the file justify."""
    record = context.lease.check()
    rows = sum(load.rows for load in loaded)
    if _all_hold_rows(context, record):
        positions = [table.load_lsn for table in _of_file(context, record) if table.load_lsn is not None]
        lsn = max(positions)
        context.log("Step 1: Full load completed successfully!")
        context.log(f"Step 1: Tables transferred: {len(loaded)}, Total rows: {rows}, LSN: {lsn}")
        context.lease.set_full_load(FullLoadStatus.COMPLETED, cause="every table is loaded and verified", lsn=lsn)
        context.log("Step 1: Full load status set to COMPLETED and persisted to database")
        return
    missing = [table.source_table for table in _of_file(context, record) if table.state not in HOLDS_ROWS]
    context.log(f"Step 1: Full load failed: {len(loaded)} tables transferred, not loaded: {missing}")
    context.lease.set_full_load(FullLoadStatus.FAILED, cause=f"not loaded: {', '.join(missing)}")
    context.log("Step 1: Full load status set to FAILED and persisted to database")


def _of_file(context: StageContext, record: PipelineRecord) -> list[TableRecord]:
    return [record.table(mapping.partition_key) for mapping in context.pipeline.tables]


def _all_hold_rows(context: StageContext, record: PipelineRecord) -> bool:
    return all(table.state in HOLDS_ROWS for table in _of_file(context, record))


def _outcome(table: TableRecord, error: CdcAssetsError | None = None, *, load: TableLoad | None = None) -> TableOutcome:
    good = HOLDS_ROWS | {TableState.PREPARED}
    if error is None and table.state not in good:
        error = FullLoadError(
            f"table {table.source_table} is {table.state}: {table.last_error or 'not prepared'}",
            hint="mend the cause, then start the pipeline again",
            table=table.source_table,
        )
    return TableOutcome(
        error=error,
        rows=table.rows_loaded,
        size_bytes=table.bytes_loaded,
        seconds=None if load is None else load.seconds,
        lsn=table.load_lsn,
        note="kept: it was loaded before" if load is None and error is None and table.loaded_at is not None else "",
        columns=() if load is None else reported_columns(load.wanted),
    )
