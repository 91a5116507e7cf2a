"""Dagster's runs as the product sees them: which tables a run selected, whether it lives, which ones are abandoned."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import dagster as dg

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.orchestration.keys import (
    PARENT_RUN_TAG,
    PARTITION_TAG,
    PIPELINE_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    RUN_KEY_TAG,
    VERSION_TAG,
)

_LAUNCHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_PENDING = (dg.DagsterRunStatus.QUEUED, *_LAUNCHED)


def selected_tables(tags: Mapping[str, str], tables: Sequence[str]) -> tuple[str, ...]:
    """Return the tables a run was launched for, from its partition tags.

    Dagster takes a reversed range for an empty one and ends green without work, and accepts keys that do not exist:
    both are refused here, as a Failure that says what to choose.
    """
    first = tags.get(RANGE_START_TAG) or tags.get(PARTITION_TAG)
    last = tags.get(RANGE_END_TAG) or tags.get(PARTITION_TAG)
    if first is None or last is None:
        raise _refused("no table was selected", tables)
    for key in (first, last):
        if key not in tables:
            raise _refused(f"{key!r} is no table of this pipeline", tables)
    begin, end = tables.index(first), tables.index(last)
    if begin > end:
        raise _refused(f"the range from {first!r} to {last!r} is reversed", tables)
    return tuple(tables[begin : end + 1])


def _refused(what: str, tables: Sequence[str]) -> dg.Failure:
    return dg.Failure(
        description=f"{what}, nothing was done. Fix: select partitions out of {', '.join(tables)}",
        allow_retries=False,
    )


def served_version(tags: Mapping[str, str]) -> int | None:
    """Return the intent version that `reconcile` launched the run for; None for a Materialize, which is a start.

    A re-execution in the UI copies the tags of the run it repeats; it is somebody's new wish.
    """
    if PARENT_RUN_TAG in tags or VERSION_TAG not in tags:
        return None
    return int(tags[VERSION_TAG])


@contextmanager
def shown_as_failure() -> Iterator[None]:
    """Show an error of the product as the run's failure, in the same sentence as everywhere else."""
    try:
        yield
    except CdcAssetsError as error:
        raise dg.Failure(description=f"{error.code}: {error}", allow_retries=False) from error


class DagsterRuns:
    """Answers of the port `RunLookup` from Dagster's storage."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def is_pending(self, run_key: str) -> bool:
        """Whether a run asked for under that key is queued, starting or running, as far as Dagster knows."""
        # By our tag: the key Dagster knows also holds the pipeline's id.
        found = dg.RunsFilter(tags={RUN_KEY_TAG: run_key}, statuses=list(_PENDING))
        return bool(self._instance.get_runs(filters=found, limit=1))

    def is_alive(self, run_id: str) -> bool:
        """False only for a run that is known and has ended."""
        run = self._instance.get_run_by_id(run_id)
        return run is None or not run.is_finished


def end_superseded(instance: dg.DagsterInstance, pipeline: str, run_key: str) -> None:
    """Report the pipeline's earlier runs failed that Dagster believes at work; called when a new one is asked for.

    That is asked for only when no lease is alive, so they are dead or may not do anything any more. Left as they are,
    they would keep their places in queue and pool for ever.
    """
    asked = dg.RunsFilter(tags={PIPELINE_TAG: pipeline}, statuses=list(_PENDING))
    earlier = [run for run in instance.get_runs(filters=asked) if run.tags.get(RUN_KEY_TAG, run_key) != run_key]
    _report_failed(instance, earlier, "another run took over from this one, which did not answer any more")


def end_abandoned(instance: dg.DagsterInstance, *, before: datetime) -> None:
    """Report every run failed that Dagster believes at work since before that moment, when this stack's started.

    Dagster's launcher never looks after a run whose code server is gone. Queued runs stay: they begin under this stack.
    """
    launched = dg.RunsFilter(statuses=list(_LAUNCHED), updated_before=before)
    _report_failed(instance, instance.get_runs(filters=launched), "the stack ended while this run was at work")


def _report_failed(instance: dg.DagsterInstance, runs: Iterable[dg.DagsterRun], reason: str) -> None:
    for run in runs:
        instance.report_run_failed(run, f"RUN_DIED: {reason}")
