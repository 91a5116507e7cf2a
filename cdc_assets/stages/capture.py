"""Step 2, first half: the source connector runs on the slot that was made before the load, for ALL captured tables.

All, loaded or not: the slot moves on for all of them at once, and the changes of a table that failed to load wait in
its topic. Called by `stages/sync` after the loads; `stages/health` uses the same slot check before each restart.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.model.errors import CdcAssetsError, ConnectorError, SlotError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.position import SlotPosition
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.report import TableOutcome
from cdc_assets.model.status import CdcStatus, FullLoadStatus, TableState
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.planning.names import PipelineNames
from cdc_assets.planning.slot_check import SlotCheck, check_slot
from cdc_assets.planning.source_connector import CapturedTable, source_config
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import Lease
from cdc_assets.ports.streaming import ConnectCluster, ConnectSecrets
from cdc_assets.stages.captured_tables import captured_table, offers_converter
from cdc_assets.stages.context import StageContext

_SLOT_IDLE = timedelta(seconds=60)
# States that a gap in the captured changes makes worthless; a table not loaded yet is simply loaded later.
_HOLDS_ROWS = frozenset(
    {TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED}
)


def capture(context: StageContext, *, secrets: ConnectSecrets) -> Mapping[str, TableOutcome]:
    """Make the source connector run; idempotent, one that streams already with this configuration is left alone.

    Afterwards every captured table has its topic and the connector was asked to run on a slot that passed the check;
    whether changes flow is proven by `stages/apply`. SlotError when the slot may not be used: the tables are then
    RESYNC_REQUIRED.
    """
    record = context.lease.check()
    names = context.names()
    captured = captured_tables(context.pipeline, record)
    if not captured:
        msg = f"no table of {record.name} is captured: there is no slot to stream from"
        raise SlotError(msg, hint="start the pipeline: its slot is made before the load")
    _announce(context, record)
    _record_names(context, names)
    config = source_config(
        context.pipeline,
        names,
        _with_definitions(
            context.pipeline,
            captured,
            context.source.describe([_name(context, table) for table in captured]),
            has_converter=offers_converter(context.connect.plugins()),
        ),
        secrets.ensure(context.pipeline.source.connection),
    )
    # Before the connector: what Connect made instead would not be kept for ever.
    context.kafka.ensure_topics(
        [names.topic(_name(context, table)) for table in captured], heartbeat=names.heartbeat_topic
    )
    if _streams_already(context, names, config):
        context.log(f"Step 2: Source connector {names.source_connector} runs already, left alone")
        if record.cdc_status not in {CdcStatus.RUNNING, CdcStatus.PAUSED}:
            context.lease.set_cdc(CdcStatus.STARTING, cause="the source connector runs")
    else:
        # From a pause there is one way only, back to RUNNING; until then `status` says STARTING.
        if record.cdc_status is not CdcStatus.PAUSED:
            context.lease.set_cdc(CdcStatus.STARTING, cause="connectors are being started")
        _start(context, names, config)
    return {
        table.source_table: TableOutcome(lsn=table.captured_from_lsn, connector=names.source_connector)
        for table in captured
    }


def captured_tables(pipeline: Pipeline, record: PipelineRecord) -> tuple[TableRecord, ...]:
    """The tables of the file whose changes are complete from a recorded position."""
    wanted = {mapping.partition_key for mapping in pipeline.tables}
    return tuple(
        table for table in record.tables if table.source_table in wanted and table.captured_from_lsn is not None
    )


def read_slot_check(
    slot: SlotPosition | None, pipeline: Pipeline, record: PipelineRecord, names: PipelineNames, connect: ConnectCluster
) -> SlotCheck:
    """Judge the slot; it was read before this asks how far it was confirmed, so a healthy one is never ahead."""
    positions = [table.captured_from_lsn for table in captured_tables(pipeline, record)]
    return check_slot(
        slot,
        name=names.slot,
        database=pipeline.source.database,
        confirmed=connect.confirmed_lsn(names.source_connector),
        captured_from=min(position for position in positions if position is not None),
    )


def wait_until_slot_is_idle(source: SourceDatabase, name: str, clock: Clock) -> SlotPosition | None:
    """Return the slot once no process streams from it; SlotError naming the process when it does not end in time."""
    waiting = Retrying(
        stop=stop_after_delay(_SLOT_IDLE),
        wait=wait_fixed(0.2),
        sleep=clock.sleep,
        retry=retry_if_result(lambda slot: slot is not None and slot.is_active),
    )
    try:
        return waiting(source.slot, name)
    except RetryError as error:
        slot: SlotPosition = error.last_attempt.result()
        raise SlotError(
            f"replication slot {name} is still in use by process {slot.active_pid} of the source server "
            f"{_SLOT_IDLE.seconds} s after the connector was stopped",
            hint="end that session on the source (pg_terminate_backend), then start again",
        ) from error


def _start(context: StageContext, names: PipelineNames, config: Mapping[str, str]) -> None:
    context.lease.check()
    context.connect.ensure_stopped_connector(names.source_connector, config)
    slot = wait_until_slot_is_idle(context.source, names.slot, context.clock)
    record = context.lease.check()
    check = read_slot_check(slot, context.pipeline, record, names, context.connect)
    if not check.is_usable:
        if check.loses_changes:
            require_resync(context.lease, context.pipeline, record, check.error())
        raise check.error()
    context.lease.check()
    context.connect.resume(names.source_connector)
    context.log(f"Step 2: Source connector {names.source_connector} started; {check.what}")


def require_resync(lease: Lease, pipeline: Pipeline, record: PipelineRecord, error: CdcAssetsError) -> None:
    """Mark every captured table that holds rows: changes of it are gone."""
    for table in captured_tables(pipeline, record):
        if table.state in _HOLDS_ROWS:
            lease.fail_table(table.source_table, TableState.RESYNC_REQUIRED, error)


def _streams_already(context: StageContext, names: PipelineNames, config: Mapping[str, str]) -> bool:
    report = context.connect.reports().get(names.source_connector)
    if report is None or not report.says_running or context.connect.config(names.source_connector) != config:
        return False
    slot = context.source.slot(names.slot)
    return slot is not None and slot.is_active


def _announce(context: StageContext, record: PipelineRecord) -> None:
    mode = context.pipeline.mode
    context.log(f"Step 2: Starting CDC setup for pipeline: {record.name} (mode: {mode})")
    if mode.loads and record.full_load_status is FullLoadStatus.COMPLETED:
        context.log("Step 2: Full load completed, now setting up CDC connectors")
    elif mode.loads:
        failed = [table.source_table for table in record.tables if table.state not in _HOLDS_ROWS]
        context.log(f"Step 2: Setting up CDC connectors; not loaded: {failed}")


def _record_names(context: StageContext, names: PipelineNames) -> None:
    """Record topic and sink of each table before anything of that name is made; recorded ones stay."""
    record = context.lease.check()
    for position, mapping in enumerate(context.pipeline.tables):
        table = record.table(mapping.partition_key)
        if table.topic is None or table.sink_connector_name is None:
            context.lease.set_table_names(
                mapping.partition_key,
                topic=names.topic(mapping.source),
                sink_connector=names.sink_connector(position, mapping),
            )


def _with_definitions(
    pipeline: Pipeline,
    captured: Sequence[TableRecord],
    definitions: Mapping[TableName, TableDefinition],
    *,
    has_converter: bool,
) -> tuple[CapturedTable, ...]:
    tables = []
    product = pipeline.target.connection.kind
    for table in captured:
        mapping = pipeline.mapping(table.source_table)
        definition = definitions.get(mapping.source)
        if definition is None:
            msg = f"table {mapping.source} is no longer in the source"
            raise ConnectorError(
                msg, hint="take it out of the pipeline's file, or make it again", table=table.source_table
            )
        tables.append(captured_table(definition, mapping, product=product, has_converter=has_converter))
    return tuple(tables)


def _name(context: StageContext, table: TableRecord) -> TableName:
    return context.pipeline.mapping(table.source_table).source
