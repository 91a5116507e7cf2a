"""Hold and release sinks: in a pause changes are kept in the topics, not applied, and a resume goes on where it was.

The source connector of a paused pipeline goes on, so that the source need not keep its log. Called by the `reconcile`
tick under the pipeline's lease; a paused pipeline is resumed by a run (`stages/sync`), a paused table by the tick.
"""

from collections.abc import Sequence

from cdc_assets.model.errors import ConnectorError
from cdc_assets.model.record import TableRecord
from cdc_assets.model.status import CdcStatus, TableState
from cdc_assets.stages.context import StageContext

_FLOWING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})


def pause(context: StageContext) -> None:
    """Hold all sinks; idempotent. Afterwards nothing is written to the target and `cdc_status` is PAUSED.

    Only a pipeline that is RUNNING becomes PAUSED; one in ERROR keeps its cause, and its sinks are held too.
    """
    record = context.lease.check()
    # A worker that restarts must not try a refused record again.
    refused = [table for table in record.tables if table.state is TableState.QUARANTINED]
    context.connect.pause([table.sink_connector_name for table in refused if table.sink_connector_name is not None])
    hold_tables(context, [table for table in record.tables if table.state in _FLOWING], "the pipeline was paused")
    if record.cdc_status is CdcStatus.RUNNING:
        context.lease.set_cdc(CdcStatus.PAUSED, cause="the pipeline was paused")


def hold_tables(context: StageContext, tables: Sequence[TableRecord], cause: str = "the table was paused") -> None:
    """Pause the sinks of these tables; afterwards each is PAUSED and nothing more is written to it."""
    context.lease.check()
    sinks = [table.sink_connector_name for table in tables if table.sink_connector_name is not None]
    # PAUSED, not STOPPED: the consumer stays in its group, and no broker forgets its position.
    context.connect.pause(sinks)
    for table in tables:
        context.lease.set_table(table.source_table, TableState.PAUSED, cause=cause)
        context.log(f"Table {table.source_table} is paused; its changes are kept in {table.topic}")


def release_tables(context: StageContext, tables: Sequence[TableRecord]) -> None:
    """Let the sinks of these tables go on; afterwards each is CATCHING_UP, and STREAMING when a marker has passed.

    ConnectorError when a sink is gone from Kafka Connect.
    """
    reports = context.connect.reports()
    for table in tables:
        sink = table.sink_connector_name
        report = None if sink is None else reports.get(sink)
        if sink is None or report is None:
            raise ConnectorError(
                f"sink connector {sink} of table {table.source_table} is gone from Kafka Connect",
                hint=f"start the pipeline again: ./cdc start {context.pipeline.name}",
                table=table.source_table,
            )
        context.lease.check()
        context.connect.resume(sink)
        if report.failure is not None:
            context.connect.restart_failed(sink)
        context.lease.set_table(table.source_table, TableState.CATCHING_UP, cause="a resume was asked for")
        context.log(f"Table {table.source_table} goes on")
