"""`drop`: a pipeline is stopped, everything it made is taken away, and then its state rows are forgotten."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.model.errors import LeaseHeldError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import RemovalReport
from cdc_assets.model.status import Intent
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.stages.remove import remove
from cdc_assets.wiring.basics import load_definitions, open_store
from cdc_assets.wiring.control import find_pipeline
from cdc_assets.wiring.parts import stage_context
from cdc_assets.wiring.pipeline_log import pipeline_log

# A running stage sees the wish to stop between chunks; a dead one's lease runs out by itself.
_PATIENCE = timedelta(seconds=120)
_RUN_ID = "drop"
_Result = TypeVar("_Result")


def drop(settings: Settings, name: str, *, drop_target: bool) -> RemovalReport:
    """Stop a pipeline and take away everything it made; its file and its events stay, target tables unless asked.

    Repeatable: the state rows go last, and only when nothing was left. UnknownPipelineError without a usable file,
    because only that says where to look; LeaseHeldError while a run does not end.
    """
    pipeline = find_pipeline(load_definitions(settings), name)
    store = open_store(settings)
    if store.find(name) is None:
        return RemovalReport(name)
    store.write_intent(name, Intent.STOPPED, cause="drop was asked for")
    report = _while_held(lambda: _remove(settings, pipeline, store, drop_target=drop_target))
    if not report.left:
        # A tick of the daemon may hold the lease for a moment.
        _while_held(lambda: store.forget(name))
    return report


def _remove(settings: Settings, pipeline: Pipeline, store: PipelineStore, *, drop_target: bool) -> RemovalReport:
    with store.take_lease(pipeline.name, run_id=_RUN_ID) as lease:
        write, stream = pipeline_log(settings, pipeline.name, run_id=_RUN_ID, also=_nobody)
        with stream:
            return remove(stage_context(settings, pipeline, lease, log=write), drop_target=drop_target)


def _while_held(work: Callable[[], _Result]) -> _Result:
    waiting = Retrying(
        retry=retry_if_exception_type(LeaseHeldError),
        stop=stop_after_delay(_PATIENCE),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    return waiting(work)


def _nobody(line: str) -> None:
    """Tell nobody: the verb prints the report."""
