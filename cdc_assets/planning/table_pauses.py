"""Which tables of a running pipeline are to be held or let go, as their own intents say. Pure; done by `reconcile`."""

from dataclasses import dataclass

from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, Intent, TableState

_AT_WORK = frozenset({CdcStatus.STARTING, CdcStatus.RUNNING, CdcStatus.ERROR})
_FLOWING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})


@dataclass(frozen=True, slots=True)
class TablePauses:
    """What differs from the tables' intents; nothing while a run is at work, or the pipeline shall not run."""

    hold: tuple[TableRecord, ...] = ()
    release: tuple[TableRecord, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.hold or self.release)


def plan_table_pauses(record: PipelineRecord) -> TablePauses:
    """Compare each table's intent with its state."""
    if (
        record.intent is not Intent.RUNNING
        or record.served_version < record.intent_version
        or record.cdc_status not in _AT_WORK
    ):
        return TablePauses()
    return TablePauses(
        hold=tuple(t for t in record.tables if t.intent is Intent.PAUSED and t.state in _FLOWING),
        release=tuple(t for t in record.tables if t.intent is Intent.RUNNING and t.state is TableState.PAUSED),
    )
