"""When a table may count as loaded, and its changes be applied: the rule that keeps a gap from passing as a success."""

from cdc_assets.adapters.pipeline_store.rows import Row
from cdc_assets.model.errors import IllegalTransitionError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import TableState

DEFECT = "report this as a defect with the pipeline's events"
_APPLYING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})


def require_loaded(row: Row, state: TableState, *, mode: Mode, pipeline: str) -> None:
    """Return when the table's recorded load allows the state; IllegalTransitionError otherwise.

    A load that is older than the position from which the changes are complete lacks what was committed in between.
    """
    if not mode.loads or row["loaded_at"] is not None:
        return
    what = f"table {row['source_table']} of pipeline {pipeline} cannot become {state}"
    if state in _APPLYING:
        raise IllegalTransitionError(f"{what}: no load of it was verified", hint=DEFECT)
    if state is TableState.LOADED:
        _require_complete(row, what, captures=mode.captures)


def _require_complete(row: Row, what: str, *, captures: bool) -> None:
    if row["state"] != TableState.LOADING:
        raise IllegalTransitionError(f"{what}: it was not being loaded", hint=DEFECT)
    if row["load_lsn"] is None:
        raise IllegalTransitionError(f"{what}: the position of its load is unknown", hint=DEFECT)
    if not captures:
        return
    if row["captured_from_lsn"] is None:
        raise IllegalTransitionError(f"{what}: it is unknown from where its changes are complete", hint=DEFECT)
    if Lsn.parse(row["load_lsn"]) < Lsn.parse(row["captured_from_lsn"]):
        raise IllegalTransitionError(
            f"{what}: loaded as of {row['load_lsn']}, its changes are complete from {row['captured_from_lsn']}",
            hint=DEFECT,
        )
