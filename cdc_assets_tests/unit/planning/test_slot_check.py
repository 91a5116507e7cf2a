"""A slot on which a start would lose changes is never used."""

import pytest

from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.planning.slot_check import SlotVerdict, check_slot


def _slot(**changes: object) -> SlotPosition:
    plain: dict[str, object] = {
        "name": "g",
        "database": "app",
        "plugin": "pgoutput",
        "active_pid": None,
        "confirmed_flush_lsn": Lsn(100),
        "restart_lsn": Lsn(90),
        "wal_status": "reserved",
    }
    return SlotPosition(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slot", "confirmed", "verdict"),
    [
        (None, 500, SlotVerdict.MISSING),
        (_slot(), None, SlotVerdict.USABLE),
        (_slot(), 100, SlotVerdict.USABLE),
        (_slot(confirmed_flush_lsn=Lsn(101)), None, SlotVerdict.AHEAD),
        (_slot(confirmed_flush_lsn=Lsn(301)), 300, SlotVerdict.AHEAD),
        (_slot(confirmed_flush_lsn=Lsn(300)), 300, SlotVerdict.USABLE),
        (_slot(database="other"), 300, SlotVerdict.FOREIGN),
        (_slot(plugin="test_decoding"), 300, SlotVerdict.FOREIGN),
        (_slot(wal_status="lost"), 300, SlotVerdict.LOST),
        (_slot(wal_status="unreserved"), 300, SlotVerdict.USABLE),
        (_slot(active_pid=7), 300, SlotVerdict.ACTIVE),
        # Made anew at "now" by a connector that is already streaming from it: the worse news first.
        (_slot(active_pid=7, confirmed_flush_lsn=Lsn(301)), 300, SlotVerdict.AHEAD),
    ],
)
def test_a_slot_is_judged_by_what_a_start_on_it_would_lose(
    slot: SlotPosition | None, confirmed: int | None, verdict: SlotVerdict
) -> None:
    check = check_slot(
        slot,
        name="g",
        database="app",
        confirmed=None if confirmed is None else Lsn(confirmed),
        captured_from=Lsn(100),
    )
    assert check.verdict is verdict
    assert check.loses_changes == (verdict in {SlotVerdict.MISSING, SlotVerdict.LOST, SlotVerdict.AHEAD})
    assert check.is_usable == (verdict is SlotVerdict.USABLE)
    assert check.is_usable or check.fix
