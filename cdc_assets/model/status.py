"""The words of the state tables: who sets each, what may follow, how the pipeline's status is derived.

The one place that knows which change of state is legal. `adapters/pipeline_store` refuses the others.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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
    """Whether changes flow; set by `stages/capture`, `apply`, `stop` and `health`.

    RUNNING means that a marker was seen to pass.
    """

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

    NOT_STARTED: nothing was done. PREPARED (prepare): its target table is there and empty, or checked for `cdc_only`.
    LOADING (full_load): rows are being copied. LOADED (full_load): every chunk verified, key and indexes made; or its
    sink was stopped after that. CATCHING_UP (apply): its sink works on what came meanwhile. STREAMING (apply): a marker
    passed through its sink. PAUSED: held by the operator. QUARANTINED: the target refuses a record. RESYNC_REQUIRED:
    changes may be missing. FAILED: could not be prepared or loaded, its changes are kept in its topic.
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
TROUBLE = frozenset({_T.QUARANTINED, _T.RESYNC_REQUIRED, _T.FAILED})
TABLE_STEPS: Mapping[TableState, frozenset[TableState]] = {
    _T.NOT_STARTED: frozenset({_T.PREPARED, _T.FAILED}),
    # CATCHING_UP straight from PREPARED is `cdc_only`: nothing is loaded.
    _T.PREPARED: frozenset({_T.LOADING, _T.CATCHING_UP, _T.FAILED, _T.RESYNC_REQUIRED}),
    # PREPARED: the snapshot or the run was lost, or a stop was asked for; the table begins again.
    _T.LOADING: frozenset({_T.LOADED, _T.PREPARED, _T.FAILED}),
    _T.LOADED: frozenset({_T.CATCHING_UP, _T.LOADING, *TROUBLE}),
    _T.CATCHING_UP: frozenset({_T.STREAMING, _T.LOADED, _T.PREPARED, _T.PAUSED, *TROUBLE}),
    _T.STREAMING: frozenset({_T.CATCHING_UP, _T.LOADED, _T.PREPARED, _T.PAUSED, *TROUBLE}),
    _T.PAUSED: frozenset({_T.CATCHING_UP, _T.LOADED, _T.PREPARED, *TROUBLE}),
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


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One line of the truth table: the first line whose every column fits gives the word. None fits everything."""

    intent: Intent
    status: PipelineStatus
    why: str
    is_served: bool | None = None
    mode: Mode | None = None
    full_load: AbstractSet[FullLoadStatus] | None = None
    cdc: AbstractSet[CdcStatus] | None = None
    has_trouble: bool | None = None


_P, _I, _Rule = PipelineStatus, Intent, StatusRule
_UNKNOWN = frozenset({_C.STARTING, _C.RUNNING, _C.PAUSED, _C.ERROR})

STATUS_RULES: tuple[StatusRule, ...] = (
    # RUNNING is wanted.
    _Rule(_I.RUNNING, _P.STARTING, "the wish is under way", is_served=False),
    _Rule(_I.RUNNING, _P.ERROR, "a table could not be loaded", full_load={_F.FAILED}),
    _Rule(_I.RUNNING, _P.ERROR, "changes do not arrive", cdc={_C.ERROR}),
    _Rule(_I.RUNNING, _P.ERROR, "a table needs the operator", has_trouble=True),
    _Rule(_I.RUNNING, _P.COMPLETED, "everything is loaded", mode=Mode.FULL_LOAD_ONLY, full_load={_F.COMPLETED}),
    _Rule(_I.RUNNING, _P.RUNNING, "changes arrive", mode=Mode.CDC_ONLY, cdc={_C.RUNNING}),
    _Rule(
        _I.RUNNING,
        _P.RUNNING,
        "changes arrive; at most, a table is loaded anew",
        mode=Mode.FULL_LOAD_AND_CDC,
        full_load={_F.COMPLETED, _F.IN_PROGRESS},
        cdc={_C.RUNNING},
    ),
    _Rule(_I.RUNNING, _P.STARTING, "the capture is being healed", cdc={_C.STARTING}),
    _Rule(_I.RUNNING, _P.ERROR, "the start ended before its aim"),
    # PAUSED is wanted.
    _Rule(_I.PAUSED, _P.NOT_STARTED, "nothing was ever done", full_load={_F.NOT_STARTED}, cdc={_C.NOT_STARTED}),
    _Rule(_I.PAUSED, _P.PAUSED, "changes are kept, not applied", cdc={_C.PAUSED}),
    _Rule(_I.PAUSED, _P.ERROR, "changes do not arrive", cdc={_C.ERROR}),
    _Rule(_I.PAUSED, _P.STOPPED, "nothing works that could be paused", cdc={_C.STOPPED}),
    _Rule(_I.PAUSED, _P.COMPLETED, "everything is loaded", mode=Mode.FULL_LOAD_ONLY, full_load={_F.COMPLETED}),
    _Rule(_I.PAUSED, _P.ERROR, "a table could not be loaded", full_load={_F.FAILED}),
    _Rule(_I.PAUSED, _P.ERROR, "a table needs the operator", has_trouble=True),
    _Rule(_I.PAUSED, _P.RUNNING, "changes still arrive until the pause is done", is_served=False, cdc={_C.RUNNING}),
    _Rule(_I.PAUSED, _P.STARTING, "a start is being held", is_served=False),
    _Rule(_I.PAUSED, _P.ERROR, "the load was not held", full_load={_F.IN_PROGRESS}),
    _Rule(_I.PAUSED, _P.ERROR, "the pause ended before its aim", cdc={_C.STARTING, _C.RUNNING}),
    _Rule(_I.PAUSED, _P.PAUSED, "held before the capture began"),
    # STOPPED is wanted.
    _Rule(_I.STOPPED, _P.NOT_STARTED, "nothing was ever done", full_load={_F.NOT_STARTED}, cdc={_C.NOT_STARTED}),
    _Rule(_I.STOPPED, _P.STOPPING, "the wish is under way", is_served=False),
    _Rule(_I.STOPPED, _P.ERROR, "the load was not ended", full_load={_F.IN_PROGRESS}),
    _Rule(_I.STOPPED, _P.ERROR, "the stop ended before its aim", cdc=_UNKNOWN),
    _Rule(_I.STOPPED, _P.STOPPED, "nothing works"),
)


def derive_status(
    *,
    intent: Intent,
    is_served: bool,
    mode: Mode,
    full_load: FullLoadStatus,
    cdc: CdcStatus,
    tables: AbstractSet[TableState],
) -> PipelineStatus:
    """Derive the pipeline's status word by the truth table (`docs/statuses.md`).

    `is_served`: the newest intent version has been taken to its end, good or bad; until then a wish is under way, not
    failed.
    """
    has_trouble = not tables.isdisjoint(TROUBLE)
    for rule in STATUS_RULES:
        if (
            rule.intent is intent
            and rule.is_served in {None, is_served}
            and rule.mode in {None, mode}
            and (rule.full_load is None or full_load in rule.full_load)
            and (rule.cdc is None or cdc in rule.cdc)
            and rule.has_trouble in {None, has_trouble}
        ):
            return rule.status
    raise AssertionError(intent)  # the last rule of every intent fits everything


def is_aim_reached(intent: Intent, status: PipelineStatus) -> bool:
    """Say whether the status is what the intent asks for; if not, the same intent written again is a new try."""
    return status in _AIMS[intent]


_AIMS: Mapping[Intent, frozenset[PipelineStatus]] = {
    _I.RUNNING: frozenset({_P.RUNNING, _P.COMPLETED}),
    _I.PAUSED: frozenset({_P.PAUSED, _P.STOPPED, _P.COMPLETED, _P.NOT_STARTED}),
    _I.STOPPED: frozenset({_P.STOPPED, _P.NOT_STARTED}),
}
