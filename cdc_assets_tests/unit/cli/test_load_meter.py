"""Speed, remaining time and age of a load, as the state tables let them be known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from cdc_assets.cli.follow import LoadMeter
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import FullLoadStatus
from cdc_assets.ports.store import PipelineStore
from cdc_assets_tests.unit.preflight.facts import loaded_record

BEGUN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class FakeStore:
    """Answers for events only."""

    recorded: Sequence[Event]

    def events(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        return tuple(event for event in self.recorded if event.id > after and event.pipeline_name == name)[:limit]


def event(number: int, at: datetime, new_value: str) -> Event:
    return Event(number, at, UUID(int=7), "sales", None, "full_load_status", None, new_value, None, None)


def loading(megabytes: int, *, seconds: float) -> PipelineRecord:
    record = loaded_record()
    table = replace(
        record.tables[0],
        rows_loaded=megabytes * 10,
        bytes_loaded=megabytes * 1_000_000,
        bytes_estimated=100_000_000,
        updated_at=BEGUN + timedelta(seconds=seconds),
    )
    return replace(record, full_load_status=FullLoadStatus.IN_PROGRESS, tables=(table,))


def test_speed_and_rest_follow_the_last_seconds_and_the_age_the_first_event() -> None:
    now = 1000.0
    earlier = [event(number, BEGUN - timedelta(days=1), "IN_PROGRESS") for number in range(1, 700)]
    store = FakeStore([*earlier, event(700, BEGUN, "IN_PROGRESS")])
    meter = LoadMeter(cast("PipelineStore", store), monotonic=lambda: now)
    first = meter.observe(loading(0, seconds=60))
    assert first is not None
    assert (first.eta_seconds, first.bytes_per_second, first.snapshot_age_seconds) == (None, 0, 60)
    now += 5
    second = meter.observe(loading(10, seconds=60))
    assert second is not None
    assert (second.bytes_per_second, second.eta_seconds, second.rows) == (2_000_000, 45, 100)
    # The age goes on although no table was written to.
    assert second.snapshot_age_seconds == 65
    now += 20
    stalled = meter.observe(loading(10, seconds=60))
    assert stalled is not None
    assert (stalled.bytes_per_second, stalled.eta_seconds) == (0, None)


def test_nothing_is_said_when_nothing_loads() -> None:
    meter = LoadMeter(cast("PipelineStore", FakeStore([])))
    assert meter.observe(loaded_record()) is None
