"""Step 0: the target schema and tables exist, empty and ours, before anything is copied.

The first stage of a run, called by `stages/sync`. What is to be done is a list of values first (`plan_target`, also
used by `plan`), then one transaction. `cdc_only` makes nothing: its tables must be there and able to take the changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cdc_assets.model.errors import (
    CdcAssetsError,
    FullLoadError,
    SchemaCreationError,
    TargetAwayError,
    TargetError,
    TargetNotOursError,
)
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import TableOutcome
from cdc_assets.model.status import TableState
from cdc_assets.model.table import TableDefinition, TableMapping, TableName
from cdc_assets.model.watch import TargetWatch
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX
from cdc_assets.planning.table_changes import CreateSchema, CreateTable, DropTable, TableChange, TakeUpTable
from cdc_assets.planning.target_plan import WantedTable, changes_after_load, check_existing, plan_table_changes
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.target import BookkeepingRow, TargetDatabase
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.recorded_names import ensure_names
from cdc_assets.stages.target_tables import present_table, reported_columns, wanted_table

_TO_PREPARE = frozenset({TableState.NOT_STARTED, TableState.PREPARED, TableState.LOADING, TableState.FAILED})


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What is to be done in the target, a list a table; `refused` has the tables for which nothing can be done."""

    schema_changes: tuple[TableChange, ...]
    changes: Mapping[str, tuple[TableChange, ...]]
    wanted: Mapping[str, WantedTable]
    oids: Mapping[str, int]
    refused: Mapping[str, CdcAssetsError] = field(default_factory=dict)

    def all_changes(self, tables: Sequence[str]) -> tuple[TableChange, ...]:
        """Return the changes of these tables in order; what several of them need is made once."""
        needed = [change for table in tables for change in self.changes[table]]
        return tuple(dict.fromkeys((*self.schema_changes, *needed)))


def prepare(context: StageContext, tables: Sequence[str]) -> Mapping[str, TableOutcome]:
    """Make the target schema and the selected tables exist, and record each as PREPARED or FAILED.

    Idempotent. Tables that are loaded are only compared with the bookkeeping: one that somebody made anew becomes
    RESYNC_REQUIRED. One table that is refused does not hold up the others.
    """
    pipeline = context.pipeline
    context.log(f"Step 0: Auto-creating target schema/tables for pipeline: {pipeline.name}")
    ensure_names(context)
    take_over(context)
    record = context.lease.check()
    to_do = [table for table in tables if record.table(table).state in _TO_PREPARE]
    mappings = [pipeline.mapping(table) for table in to_do]
    plan = plan_target(pipeline, context.source, context.target, mappings, record=record)
    outcomes = {table: TableOutcome(error=error) for table, error in plan.refused.items()}
    outcomes |= _carry_out(context, plan, [table for table in to_do if table not in plan.refused])
    for table, outcome in outcomes.items():
        if outcome.error is not None:
            context.lease.fail_table(table, TableState.FAILED, outcome.error)
    outcomes |= _check_loaded(context, [table for table in tables if table not in to_do])
    _report(context, outcomes)
    return {table: outcomes[table] for table in tables}


def take_over(context: StageContext) -> None:
    """End what an older run of this pipeline left behind and shut it out; nothing of it can write afterwards."""
    record = context.lease.check()
    epoch = context.lease.epoch
    context.source.end_stale_sessions(record.name, before_epoch=epoch)
    context.target.end_stale_sessions(record.name, before_epoch=epoch)
    context.target.claim(context.pipeline.target.schema, record.id, epoch=epoch)


def plan_target(
    pipeline: Pipeline,
    source: SourceDatabase,
    target: TargetDatabase,
    mappings: Sequence[TableMapping],
    *,
    record: PipelineRecord | None,
) -> TargetPlan:
    """Decide what is to be done for these tables; changes nothing. `record`: None for a pipeline never recorded."""
    schema = pipeline.target.schema
    has_schema = target.has_schema(schema)
    definitions = source.describe([mapping.source for mapping in mappings])
    present = target.describe([mapping.target for mapping in mappings]) if has_schema else {}
    bookkeeping = target.bookkeeping(schema) if has_schema else ()
    enums = target.enums(schema) if has_schema else {}
    empty = _empty(target, present.values(), bookkeeping) if pipeline.mode.loads else frozenset()
    changes: dict[str, tuple[TableChange, ...]] = {}
    wanted: dict[str, WantedTable] = {}
    refused: dict[str, CdcAssetsError] = {}
    for mapping in mappings:
        table = mapping.partition_key
        try:
            wanted[table] = wanted_table(
                _required(definitions, mapping),
                mapping,
                captured=pipeline.mode.captures,
                product=pipeline.target.connection.kind,
            )
            changes[table] = _changes(
                pipeline,
                wanted[table],
                present.get(mapping.target),
                bookkeeping,
                enums,
                record=record,
                is_empty=mapping.target in empty,
            )
        except (SchemaCreationError, TargetNotOursError) as error:
            refused[table] = error
    makes_schema = not has_schema and pipeline.mode.loads
    return TargetPlan(
        schema_changes=(CreateSchema(schema),) if makes_schema else (),
        changes=changes,
        wanted=wanted,
        oids={table: present[wanted[table].table].oid for table in changes if wanted[table].table in present},
        refused=refused,
    )


def _changes(
    pipeline: Pipeline,
    wanted: WantedTable,
    definition: TableDefinition | None,
    bookkeeping: Sequence[BookkeepingRow],
    enums: Mapping[str, tuple[str, ...]],
    *,
    record: PipelineRecord | None,
    is_empty: bool,
) -> tuple[TableChange, ...]:
    # A pipeline whose state was lost has a new id: a table that bears its name in the bookkeeping is not ours for that.
    present = present_table(definition, bookkeeping, record.id if record is not None else None, is_empty=is_empty)
    if pipeline.mode.loads:
        replaces = pipeline.options.if_target_not_empty == "replace"
        return plan_table_changes(wanted, present, enums=enums, replaces=replaces)
    check_existing(wanted, present)
    return ()


def _empty(
    target: TargetDatabase, tables: Iterable[TableDefinition], bookkeeping: Sequence[BookkeepingRow]
) -> frozenset[TableName]:
    """Return the tables of others that hold no row; what we may not read may hold anything."""
    known = {row.table_oid for row in bookkeeping}
    foreign = [table for table in tables if table.oid not in known and table.kind == "r" and table.is_selectable]
    return frozenset(table.name for table in foreign if not target.has_rows(table.name))


def _required(definitions: Mapping[TableName, TableDefinition], mapping: TableMapping) -> TableDefinition:
    definition = definitions.get(mapping.source)
    if definition is None:
        raise SchemaCreationError(
            f"source table {mapping.source} does not exist or is no table",
            hint="correct the pipeline's file",
            table=mapping.partition_key,
        )
    return definition


def _carry_out(context: StageContext, plan: TargetPlan, tables: Sequence[str]) -> dict[str, TableOutcome]:
    """Apply the plan in one transaction; a table that the target refuses is left out and the others are tried again."""
    outcomes: dict[str, TableOutcome] = {}
    remaining = list(tables)
    while remaining:
        try:
            oids = _apply(context, plan, remaining)
        except (TargetError, TargetNotOursError) as error:
            refused = [table for table in remaining if plan.wanted[table].table.name == error.table]
            if isinstance(error, TargetAwayError) or not refused:
                raise SchemaCreationError(
                    f"the target schema was not made: {error.message}", hint=error.hint
                ) from error
            outcomes |= {table: TableOutcome(error=error) for table in refused}
            remaining = [table for table in remaining if table not in refused]
            continue
        made = context.target.watch(context.pipeline.target.schema, [plan.wanted[table].table for table in remaining])
        for table in remaining:
            wanted = plan.wanted[table]
            _record_prepared(context, table, oids.get(wanted.table, plan.oids.get(table)), _columns(wanted, made))
            outcomes[table] = _ready(context, plan, table)
        break
    return outcomes


def _ready(context: StageContext, plan: TargetPlan, table: str) -> TableOutcome:
    wanted = plan.wanted[table]
    changes = (*plan.all_changes([table]), *changes_after_load(wanted)) if context.pipeline.mode.loads else ()
    return TableOutcome(
        note="ready", columns=reported_columns(wanted), statements=tuple(context.target.statements(changes))
    )


def _apply(context: StageContext, plan: TargetPlan, tables: Sequence[str]) -> Mapping[TableName, int]:
    record = context.lease.check()
    pipeline = context.pipeline
    changes = plan.all_changes(tables)
    adopted = [plan.wanted[table].table for table in tables if not pipeline.mode.loads]
    if not changes and not adopted:
        return {}
    for change in changes:
        match change:
            case CreateSchema():
                context.log(f"Creating target schema: {change.schema} in database: {pipeline.target.database}")
            case CreateTable():
                source = next(plan.wanted[table].source for table in tables if plan.wanted[table].table == change.table)
                context.log(f"Creating target table: {change.table.name} (from source: {source.name})")
            case TakeUpTable():
                context.log(f"Taking up empty target table: {change.table.name}")
            case DropTable():
                context.log(f"Dropping target table: {change.table.name} (to be made again)")
    return context.target.apply(
        changes,
        schema=pipeline.target.schema,
        pipeline_id=record.id,
        pipeline_name=record.name,
        generation=record.generation,
        epoch=context.lease.epoch,
        adopted=adopted,
    )


def _columns(wanted: WantedTable, made: TargetWatch) -> Mapping[str, str]:
    """Return the columns that are ours with their types: what else somebody's table has is theirs."""
    present = made.columns.get(wanted.table, {})
    return {column.name: present[column.name] for column in wanted.columns if column.name in present}


def _record_prepared(context: StageContext, table: str, oid: int | None, columns: Mapping[str, str]) -> None:
    recorded = context.lease.check().table(table)
    if oid is not None and (oid != recorded.target_oid or recorded.target_columns is None):
        context.lease.set_target(table, oid, columns)
    context.lease.set_table(table, TableState.PREPARED, cause="its target table is ready")
    if recorded.last_error is not None:
        context.lease.clear_table_error(table)


def _check_loaded(context: StageContext, tables: Sequence[str]) -> dict[str, TableOutcome]:
    """Compare the tables that hold rows of ours with what the target has under their names."""
    if not tables:
        return {}
    record = context.lease.check()
    names = {table: context.pipeline.mapping(table).target for table in tables}
    present = context.target.describe(list(names.values()))
    outcomes = {}
    for table, name in names.items():
        recorded = record.table(table)
        found = present.get(name)
        error: CdcAssetsError | None = None
        if recorded.state is TableState.RESYNC_REQUIRED:
            error = FullLoadError(
                f"table {table} has to be loaded anew: {recorded.last_error or 'changes of it may be missing'}",
                hint=RELOAD_TABLE_FIX,
                table=table,
            )
        elif found is None or found.oid != recorded.target_oid:
            error = TargetNotOursError(
                f"target table {name} of {table} was dropped or made anew by someone",
                hint=RELOAD_TABLE_FIX,
                table=table,
            )
            context.lease.fail_table(table, TableState.RESYNC_REQUIRED, error)
        outcomes[table] = TableOutcome(error=error, note="" if error else "kept")
    return outcomes


def _report(context: StageContext, outcomes: Mapping[str, TableOutcome]) -> None:
    failed = {table: outcome.error for table, outcome in outcomes.items() if outcome.error is not None}
    context.log(f"Schema creation completed: {len(outcomes) - len(failed)} tables ready, {len(failed)} failed")
    for table, error in failed.items():
        context.log(f"Step 0: Table {table} is not ready: {error}")
    if not failed:
        context.log("Step 0: Target schema/tables created successfully")
