"""The words of the state tables and what they mean: who sets each, what may follow, how the pipeline's status is derived.

The one place that knows which change of state is legal. `adapters/pipeline_store.py` refuses the others.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from cdc_assets.model.errors import IllegalTransitionError
from cdc_assets.model.pipeline import Mode


class Intent(StrEnum):
    """What the operator wants; written by API, CLI, UI jobs and a Materialize, each time with a new version."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class FullLoadStatus(StrEnum):
    """How far the full load is; set by `stages/full_load`."""

    NOT_STARTED = "NOT_STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class CdcStatus(StrEnum):
    """Whether changes flow; set by `stages/capture`, `apply`, `stop` and `health`. RUNNING means a marker was seen to pass."""

    NOT_STARTED = "NOT_STARTED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    ERROR = "ERROR"
    STOPPED = "STOPPED"


class PipelineStatus(StrEnum):
    """The one word for people, derived by `derive_status` and never set by hand; INVALID is shown for a bad file."""

    NOT_STARTED = "NOT_STARTED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    INVALID = "INVALID"


class TableState(StrEnum):
    """How far one table is.

    NOT_STARTED: nothing was done. PREPARED (prepare): its target table is there and empty, or checked for `cdc_only`. LOADING (full_load): rows
    are being copied. LOADED (full_load): every chunk verified, key and indexes made; or its sink was stopped after that. CATCHING_UP (apply): its
    sink works on what came meanwhile. STREAMING (apply): a marker passed through its sink. PAUSED: held by the operator. QUARANTINED: the target
    refuses a record. RESYNC_REQUIRED: changes may be missing. FAILED: could not be prepared or loaded, its changes are kept in its topic.
    """

    NOT_STARTED = "NOT_STARTED"
    PREPARED = "PREPARED"
    LOADING = "LOADING"
    LOADED = "LOADED"
    CATCHING_UP = "CATCHING_UP"
    STREAMING = "STREAMING"
    PAUSED = "PAUSED"
    QUARANTINED = "QUARANTINED"
    RESYNC_REQUIRED = "RESYNC_REQUIRED"
    FAILED = "FAILED"


_F, _C, _T = FullLoadStatus, CdcStatus, TableState

FULL_LOAD_STEPS: Mapping[FullLoadStatus, frozenset[FullLoadStatus]] = {
    _F.NOT_STARTED: frozenset({_F.IN_PROGRESS}),
    _F.IN_PROGRESS: frozenset({_F.COMPLETED, _F.FAILED}),
    _F.FAILED: frozenset({_F.IN_PROGRESS}),
    # Only a reload leaves COMPLETED.
    _F.COMPLETED: frozenset({_F.IN_PROGRESS}),
}
CDC_STEPS: Mapping[CdcStatus, frozenset[CdcStatus]] = {
    _C.NOT_STARTED: frozenset({_C.STARTING, _C.ERROR, _C.STOPPED}),
    _C.STARTING: frozenset({_C.RUNNING, _C.ERROR, _C.STOPPED}),
    _C.RUNNING: frozenset({_C.PAUSED, _C.STARTING, _C.ERROR, _C.STOPPED}),
    _C.PAUSED: frozenset({_C.RUNNING, _C.ERROR, _C.STOPPED}),
    _C.ERROR: frozenset({_C.STARTING, _C.STOPPED}),
    _C.STOPPED: frozenset({_C.STARTING, _C.ERROR}),
}
_TROUBLE = frozenset({_T.QUARANTINED, _T.RESYNC_REQUIRED, _T.FAILED})
TABLE_STEPS: Mapping[TableState, frozenset[TableState]] = {
    _T.NOT_STARTED: frozenset({_T.PREPARED, _T.FAILED}),
    # CATCHING_UP straight from PREPARED is `cdc_only`: nothing is loaded.
    _T.PREPARED: frozenset({_T.LOADING, _T.CATCHING_UP, _T.FAILED, _T.RESYNC_REQUIRED}),
    # PREPARED: the snapshot or the run was lost, or a stop was asked for; the table begins again.
    _T.LOADING: frozenset({_T.LOADED, _T.PREPARED, _T.FAILED}),
    _T.LOADED: frozenset({_T.CATCHING_UP, _T.LOADING, *_TROUBLE}),
    _T.CATCHING_UP: frozenset({_T.STREAMING, _T.LOADED, _T.PREPARED, _T.PAUSED, *_TROUBLE}),
    _T.STREAMING: frozenset({_T.CATCHING_UP, _T.LOADED, _T.PREPARED, _T.PAUSED, *_TROUBLE}),
    _T.PAUSED: frozenset({_T.CATCHING_UP, _T.LOADED, _T.PREPARED, *_TROUBLE}),
    _T.QUARANTINED: frozenset({_T.CATCHING_UP, _T.LOADED, _T.PREPARED, _T.RESYNC_REQUIRED, _T.FAILED}),
    _T.RESYNC_REQUIRED: frozenset({_T.PREPARED, _T.LOADING, _T.FAILED}),
    _T.FAILED: frozenset({_T.PREPARED, _T.LOADING, _T.CATCHING_UP, _T.LOADED, _T.RESYNC_REQUIRED}),
}


_Status = TypeVar("_Status", bound=StrEnum)


def require_step(steps: Mapping[_Status, frozenset[_Status]], old: _Status, new: _Status, what: str) -> None:
    """Return when `old` -> `new` is legal or no change; IllegalTransitionError otherwise."""
    if new is old or new in steps[old]:
        return
    msg = f"{what} cannot go from {old} to {new}"
    raise IllegalTransitionError(msg, hint="report this as a defect with the pipeline's events")


def derive_status(
    *,
    intent: Intent,
    is_served: bool,
    mode: Mode,
    full_load: FullLoadStatus,
    cdc: CdcStatus,
    tables: frozenset[TableState],
) -> PipelineStatus:
    """Derive the pipeline's status word; the truth table of `docs/architecture.md`.

    `is_served`: the newest intent version has been taken to its end, good or bad; until then a wish is under way, not failed.
    """
    at_work = full_load is _F.IN_PROGRESS or cdc in {_C.STARTING, _C.RUNNING, _C.PAUSED}
    match intent:
        case Intent.STOPPED:
            if full_load is _F.NOT_STARTED and cdc is _C.NOT_STARTED:
                return PipelineStatus.NOT_STARTED
            return PipelineStatus.STOPPING if at_work or not is_served else PipelineStatus.STOPPED
        case Intent.PAUSED:
            if cdc is _C.PAUSED:
                return PipelineStatus.PAUSED
            return PipelineStatus.ERROR if cdc is _C.ERROR else PipelineStatus.STARTING
        case Intent.RUNNING:
            if not is_served and not (cdc is _C.RUNNING and full_load is not _F.IN_PROGRESS and not tables & _TROUBLE):
                return PipelineStatus.STARTING
            return _running(mode, full_load, cdc, tables, at_work=at_work)


def _running(
    mode: Mode, full_load: FullLoadStatus, cdc: CdcStatus, tables: frozenset[TableState], *, at_work: bool
) -> PipelineStatus:
    if full_load is _F.FAILED or cdc is _C.ERROR or tables & _TROUBLE:
        return PipelineStatus.ERROR
    if mode is Mode.FULL_LOAD_ONLY:
        return PipelineStatus.COMPLETED if full_load is _F.COMPLETED else _under_way(at_work=at_work)
    loaded = full_load is _F.COMPLETED or mode is Mode.CDC_ONLY
    if cdc is _C.RUNNING and loaded:
        return PipelineStatus.RUNNING
    return _under_way(at_work=at_work)


def _under_way(*, at_work: bool) -> PipelineStatus:
    # Served, wanted running, and yet neither working nor done: the run failed before its first step (preflight).
    return PipelineStatus.STARTING if at_work else PipelineStatus.ERROR
