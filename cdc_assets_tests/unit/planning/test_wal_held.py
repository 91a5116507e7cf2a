"""The operator hears of a slot in danger while there is still time, and of nothing while there is room."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cdc_assets.model.position import Lsn
from cdc_assets.model.watch import SourceWatch
from cdc_assets.planning.wal_held import WalPace, judge_wal
from cdc_assets_tests.unit.planning.test_drift import WATCH

GB = 1024**3
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _watch(held: int, safe: int | None, status: str = "reserved") -> SourceWatch:
    assert WATCH.slot
    slot = replace(WATCH.slot, restart_lsn=Lsn(100), wal_status=status)
    return replace(WATCH, slot=slot, current_lsn=Lsn(100 + held), safe_wal_bytes=safe)


def test_room_and_time_are_no_finding() -> None:
    assert judge_wal(_watch(GB, None), None) is None
    assert judge_wal(_watch(GB, 9 * GB), WalPace(Lsn(0), NOW, 1_000_000)) is None
    assert judge_wal(replace(WATCH, slot=None), None) is None


def test_a_slot_near_its_limit_is_told_with_the_time_left() -> None:
    error = judge_wal(_watch(9 * GB, GB, "extended"), WalPace(Lsn(0), NOW, GB / 600))
    assert error is not None
    assert "keeps 9.0 GB" in str(error)
    assert "in about 10 minutes" in str(error)
    assert "raise max_slot_wal_keep_size" in str(error)


def test_much_room_is_little_time_at_a_high_pace() -> None:
    assert judge_wal(_watch(GB, 90 * GB), WalPace(Lsn(0), NOW, GB / 10)) is not None


def test_a_slot_whose_log_may_go_any_moment_is_told() -> None:
    assert judge_wal(_watch(2 * GB, 0, "unreserved"), None) is not None


def test_without_a_limit_the_disk_is_named() -> None:
    assert "disk" in str(judge_wal(_watch(11 * GB, None), None))


def test_the_pace_is_measured_over_a_minute_and_begins_anew_on_another_server() -> None:
    pace = WalPace(Lsn(1000), NOW)
    assert pace.next(Lsn(2000), NOW + timedelta(seconds=5)) is pace
    assert pace.next(Lsn(7000), NOW + timedelta(seconds=60)).bytes_per_second == 100
    assert pace.next(Lsn(10), NOW + timedelta(seconds=60)) == WalPace(Lsn(10), NOW + timedelta(seconds=60))
