"""May this slot be used for a start or restart of the source connector? Pure; asked before every one of them.

Debezium makes a missing slot itself, at "now": everything between would be gone without a word. A slot that stands
beyond what Kafka acknowledged was made anew or moved by somebody.
"""

from dataclasses import dataclass
from enum import StrEnum

from cdc_assets.model.errors import SlotError
from cdc_assets.model.position import Lsn, SlotPosition

PLUGIN = "pgoutput"
# Left in the target, the rows would keep the new load from its tables; in cdc_only nobody would load them again.
_AGAIN = "./cdc drop the pipeline with --drop-target (without it in mode cdc_only), then start it"
RELOAD_FIX = f"its tables have to be loaded again: {_AGAIN}"
RELOAD_TABLE_FIX = f"the table has to be loaded again: {_AGAIN}"


class SlotVerdict(StrEnum):
    """What the slot is good for; all but USABLE and ACTIVE mean that changes may be gone, or that it is not ours."""

    USABLE = "USABLE"
    ACTIVE = "ACTIVE"
    MISSING = "MISSING"
    FOREIGN = "FOREIGN"
    LOST = "LOST"
    AHEAD = "AHEAD"
    REMADE = "REMADE"


# Changes are gone: the tables must be loaded again.
CHANGES_GONE = frozenset({SlotVerdict.MISSING, SlotVerdict.LOST, SlotVerdict.AHEAD, SlotVerdict.REMADE})


@dataclass(frozen=True, slots=True)
class SlotCheck:
    """The verdict with its sentence and the way out."""

    verdict: SlotVerdict
    what: str
    fix: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the source connector may be started on it."""
        return self.verdict is SlotVerdict.USABLE

    @property
    def loses_changes(self) -> bool:
        """Whether every captured table has to be loaded again."""
        return self.verdict in CHANGES_GONE

    def error(self) -> SlotError:
        """The verdict as an error."""
        return SlotError(self.what, hint=self.fix)


def check_slot(
    slot: SlotPosition | None, *, name: str, database: str, confirmed: Lsn | None, captured_from: Lsn
) -> SlotCheck:
    """Judge a slot that was read BEFORE `confirmed`, how far the source connector may have confirmed to it.

    `captured_from`: from where the oldest table's changes have to be there; the limit while nothing has been confirmed.
    """
    if slot is None:
        return SlotCheck(
            SlotVerdict.MISSING, f"replication slot {name} is gone: changes since then are lost", RELOAD_FIX
        )
    if slot.database != database or slot.plugin != PLUGIN:
        return SlotCheck(
            SlotVerdict.FOREIGN,
            f"replication slot {name} belongs to database {slot.database} and plugin {slot.plugin}, "
            f"not to {database} and {PLUGIN}",
            f"find out who made it; drop it or {_AGAIN}",
        )
    if slot.wal_status == "lost":
        return SlotCheck(
            SlotVerdict.LOST,
            f"replication slot {name} is lost: the server kept too little WAL (max_slot_wal_keep_size)",
            RELOAD_FIX,
        )
    limit = captured_from if confirmed is None else max(confirmed, captured_from)
    if slot.confirmed_flush_lsn > limit:
        return SlotCheck(
            SlotVerdict.AHEAD,
            f"replication slot {name} stands at {slot.confirmed_flush_lsn}, beyond {limit}, the last position that "
            "Kafka acknowledged: it was made anew or moved, changes between are lost",
            RELOAD_FIX,
        )
    if slot.is_active:
        return SlotCheck(
            SlotVerdict.ACTIVE,
            f"replication slot {name} is in use by process {slot.active_pid} of the source server",
            "wait until its session ends, or end it on the source (pg_terminate_backend)",
        )
    return SlotCheck(SlotVerdict.USABLE, f"replication slot {name} is usable from {slot.confirmed_flush_lsn}")
