"""One run of a pipeline, from the lease to the report: what the Dagster step calls."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.model.errors import IntentChangedError, LeaseHeldError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import LoadProgress, Stage, SyncReport, TableOutcome
from cdc_assets.model.status import Intent
from cdc_assets.ports.store import Lease, PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.stages.sync import sync as sync_stages
from cdc_assets.wiring.basics import open_store
from cdc_assets.wiring.inspection import preflight_checks
from cdc_assets.wiring.parts import connect_secrets, stage_context
from cdc_assets.wiring.pipeline_log import pipeline_log

Log = Callable[[str], None]
Finished = Callable[[Stage, Mapping[str, TableOutcome]], None]
# A dead holder's lease runs out within its life; somebody who renews it meanwhile is alive.
_GRACE = timedelta(seconds=3)


def sync(
    settings: Settings,
    pipeline: Pipeline,
    *,
    stages: frozenset[Stage],
    tables: Sequence[str],
    run_id: str,
    serves: int | None,
    log: Log,
    progress: Callable[[LoadProgress], None],
    finished: Finished,
) -> SyncReport:
    """Run the stages for the tables under the pipeline's lease; `finished` is told of each stage as it ends.

    `serves`: the intent version that `reconcile` asked this run for; None for a Materialize, which is a start: the
    intent RUNNING is written with a new version. When another run is at work, or the version was served or replaced
    meanwhile, nothing is done and the report says so. CdcAssetsError for a failure of the whole pipeline, after it
    was recorded.
    """
    store = open_store(settings)
    store.ensure_pipeline(pipeline)
    version = serves
    if version is None:
        version = store.write_intent(pipeline.name, Intent.RUNNING, cause="materialize was asked for").intent_version
    write, stream = pipeline_log(settings, pipeline.name, run_id=run_id, also=log)
    with closing(stream):
        try:
            for attempt in _while_held(store):
                with attempt, store.take_lease(pipeline.name, run_id=run_id, serves=version) as lease:
                    if serves is not None and lease.check().served_version >= serves:
                        return SyncReport(already_served=True)
                    return _run(
                        settings, pipeline, lease, stages, tables, log=write, progress=progress, finished=finished
                    )
        except LeaseHeldError as error:
            write(f"Nothing done: {error.message}")
        except IntentChangedError as error:
            write(f"Stopped: {error.message}")
    return SyncReport(already_served=True)


def _while_held(store: PipelineStore) -> Retrying:
    patience = store.lease_duration() + _GRACE
    return Retrying(
        retry=retry_if_exception_type(LeaseHeldError),
        stop=stop_after_delay(patience),
        wait=wait_fixed(0.5),
        reraise=True,
    )


def _run(
    settings: Settings,
    pipeline: Pipeline,
    lease: Lease,
    stages: frozenset[Stage],
    tables: Sequence[str],
    *,
    log: Log,
    progress: Callable[[LoadProgress], None],
    finished: Finished,
) -> SyncReport:
    context = stage_context(settings, pipeline, lease, log=log, progress=progress)
    return sync_stages(
        context,
        stages=stages,
        tables=tables,
        preflight=lambda: preflight_checks(settings, pipeline, context),
        secrets=connect_secrets(settings),
        finished=finished,
    )
