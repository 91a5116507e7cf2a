"""The rate limit of a load, on a clock that only moves when somebody waits."""

from datetime import UTC, datetime

import pytest

from cdc_assets.stages.chunk_streams import RateLimit


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_all_streams_together_keep_to_the_rate() -> None:
    clock = _Clock()
    limit = RateLimit(clock, 1_000_000)

    for _ in range(10):
        limit.spend(500_000)

    assert clock.seconds == pytest.approx(5)


def test_a_pause_is_no_credit_for_a_burst() -> None:
    clock = _Clock()
    limit = RateLimit(clock, 1_000_000)
    clock.sleep(60)

    limit.spend(2_000_000)

    assert clock.seconds == pytest.approx(62)


def test_without_a_limit_nobody_waits() -> None:
    clock = _Clock()

    RateLimit(clock, None).spend(1 << 40)

    assert clock.seconds == 0
