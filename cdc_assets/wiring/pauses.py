"""The part of the reconcile tick that carries out pauses: of a pipeline, and of single tables."""

from collections.abc import Callable, Sequence

from cdc_assets.model.errors import CdcAssetsError, IntentChangedError, LeaseHeldError, LeaseLostError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.planning.table_pauses import plan_table_pauses
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.stages.pause import hold_tables, pause, release_tables
from cdc_assets.wiring.parts import stage_context

Log = Callable[[str], None]
RUN_ID = "reconcile"


def pause_idle(settings: Settings, store: PipelineStore, pipeline: Pipeline, version: int, log: Log) -> None:
    """Hold a pipeline that nobody works on and serve its intent; what does not succeed is tried by the next tick."""
    try:
        with store.take_lease(pipeline.name, run_id=RUN_ID, serves=version) as lease:
            try:
                pause(stage_context(settings, pipeline, lease, log=log))
            except CdcAssetsError as error:
                lease.fail("pause", error)
                return
            lease.serve()
    except LeaseHeldError as error:
        log(f"pause of {pipeline.name} waits: {error.message}")


def follow_table_intents(
    settings: Settings, store: PipelineStore, pipeline: Pipeline, record: PipelineRecord, log: Log
) -> None:
    """Hold and release the tables whose state is not what their intent says; tried again by the next tick."""
    if record.lease_is_live or not plan_table_pauses(record):
        return
    try:
        with store.take_lease(pipeline.name, run_id=RUN_ID, serves=record.intent_version) as lease:
            context = stage_context(settings, pipeline, lease, log=log)
            pauses = plan_table_pauses(lease.check())
            hold_tables(context, pauses.hold)
            release_tables(context, pauses.release)
    except (LeaseHeldError, LeaseLostError, IntentChangedError) as error:
        log(f"tables of {pipeline.name} wait to be paused or resumed: {error.message}")
    except CdcAssetsError as error:
        log(f"tables of {pipeline.name} could not be paused or resumed, it is tried again: {error}")


def release_now(settings: Settings, store: PipelineStore, pipeline: Pipeline, tables: Sequence[str]) -> None:
    """Try the sinks of these tables again at once. LeaseHeldError while a run is at work."""
    with store.take_lease(pipeline.name, run_id="resume") as lease:
        record = lease.check()
        context = stage_context(settings, pipeline, lease, log=_nobody)
        release_tables(context, [record.table(table) for table in tables])


def _nobody(line: str) -> None:
    """Tell nobody: the verb shows the states."""
