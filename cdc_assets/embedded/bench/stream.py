"""`bench stream`: how many changes a second pass from a backlog, and how soon a single one is seen in the target."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.bench import changes
from cdc_assets.embedded.bench.contenders import DEFAULTS, OURS, Contender, contenders
from cdc_assets.embedded.bench.ground import running_ground
from cdc_assets.embedded.bench.report import Aim, BenchReport, Machine, Sheet, percentile, shown_spread, spread
from cdc_assets.embedded.stack import ProgressBar
from cdc_assets.embedded.supervisor import Report
from cdc_assets.model.errors import BenchError
from cdc_assets.settings import Settings

MAJOR = 15
RATES = (200, 1000)
_P99_AIM_MS = 50
_THROUGHPUT_AIM = 3.0
_BACKLOG_SECONDS = 600
_PATIENCE_SECONDS = 60
_WARM_UP_SECONDS = 3.0
# Both virtual machines compile while they work: a backlog before the first that counts.
_WARM_UP_SHARE = 10
_SPAN = 10_000_000_000


@dataclass(slots=True)
class Seen:
    """What was measured of one contender."""

    begins_after: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    delays_ms: dict[int, Sequence[float]] = field(default_factory=dict)
    written_rate: dict[int, float] = field(default_factory=dict)


def bench_stream(
    settings: Settings,
    *,
    rows: int,
    rounds: int,
    seconds: float,
    report: Report,
    progress_bar: ProgressBar,
) -> BenchReport:
    """Run it; raises BenchError or EmbeddedStackError with the cause when it cannot be done."""
    machine = Machine()
    with running_ground(settings, major=MAJOR, report=report, progress_bar=progress_bar) as ground:
        ground.start_postgres()
        worker = ground.start_stream()
        bench = _Stream(contenders(ground, worker.url), report)
        bench.set_up()
        bench.backlogs(max(1, rows // _WARM_UP_SHARE), rounds=1, counts=False)
        bench.backlogs(rows, rounds=rounds, counts=True)
        for rate in RATES:
            bench.delays(rate, seconds)
        version = ground.server_version("source")
    options = {"rows": rows, "rounds": rounds, "seconds": seconds, "servers": f"PostgreSQL {version}"}
    return _answer(bench.seen, machine, options, rows)


class _Stream:
    """The contenders, one after the other."""

    def __init__(self, those: Sequence[Contender], report: Report) -> None:
        self._those = those
        self._report = report
        self._begins = 0
        self.seen = {contender.name: Seen() for contender in those}

    def set_up(self) -> None:
        for contender in self._those:
            self._report(f"setting up {contender.name}")
            contender.set_up()

    def backlogs(self, count: int, *, rounds: int, counts: bool) -> None:
        """Write a backlog for each while it is held, release it, and wait for the last change."""
        for number in range(rounds):
            first = number % len(self._those)
            for contender in (*self._those[first:], *self._those[:first]):
                begins_after, seconds = self._backlog(contender, count)
                what = f"round {number + 1}" if counts else "warm-up"
                rate = count / seconds
                self._report(f"{what}: {contender.name}: {count:,} changes in {seconds:.2f} s, {rate:,.0f} a second")
                if counts:
                    self.seen[contender.name].begins_after.append(begins_after)
                    self.seen[contender.name].seconds.append(seconds)

    def delays(self, rate: int, seconds: float) -> None:
        """Write single changes at a rate, for each contender alone."""
        for contender in self._those:
            contender.release()
            self._await_row(contender, changes.write_backlog(contender.source_url, self._next(), 1))
            steady = changes.SteadyChanges(
                contender.source_url,
                contender.target_url,
                contender.target_schema,
                rate,
                seconds + _WARM_UP_SECONDS,
                self._next(),
            )
            steady.run(patience_seconds=_PATIENCE_SECONDS)
            contender.hold()
            self._require_equal(contender)
            seen = self.seen[contender.name]
            seen.delays_ms[rate] = steady.delays_ms(without_first_seconds=_WARM_UP_SECONDS)
            seen.written_rate[rate] = len(steady.committed) / steady.write_seconds
            p50, p99 = (percentile(seen.delays_ms[rate], share) for share in (0.5, 0.99))
            self._report(f"{rate} changes a second: {contender.name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")

    def _backlog(self, contender: Contender, count: int) -> tuple[float, float]:
        begins = self._next()
        last = changes.write_backlog(contender.source_url, begins, count)
        begun = time.monotonic()
        contender.release()
        self._await_row(contender, begins + 1)
        first_seen = time.monotonic()
        self._await_row(contender, last)
        ended = time.monotonic()
        contender.hold()
        self._require_equal(contender)
        return first_seen - begun, ended - begun

    def _next(self) -> int:
        self._begins += _SPAN
        return self._begins

    def _await_row(self, contender: Contender, row: int) -> None:
        table = sql.Identifier(contender.target_schema, changes.TABLE)
        query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE id = %s)").format(table)
        waiting = Retrying(
            stop=stop_after_delay(_BACKLOG_SECONDS), wait=wait_fixed(0.02), retry=retry_if_not_result(bool)
        )
        with psycopg.connect(contender.target_url, autocommit=True) as session:

            def is_there() -> bool:
                found = session.execute(query, [row]).fetchone()
                return bool(found and found[0])

            try:
                waiting(is_there)
            except RetryError as error:
                raise BenchError(
                    f"{contender.name} did not bring a change within {_BACKLOG_SECONDS} s",
                    hint="run the benchmark again with fewer --rows; if it repeats, report it",
                ) from error

    def _require_equal(self, contender: Contender) -> None:
        source = changes.content(contender.source_url)
        target = changes.content(contender.target_url, contender.target_schema)
        if source != target:
            raise BenchError(
                f"{contender.name} left other rows than the source has ({source[0]} there, {target[0]} in the target)",
                hint="run the benchmark again; if it repeats, report it",
            )


def _answer(seen: Mapping[str, Seen], machine: Machine, options: Mapping[str, Any], count: int) -> BenchReport:
    rates = {name: [count / seconds for seconds in each.seconds] for name, each in seen.items()}
    # The ratio of a round, then the median of the rounds: neighbours slow all contenders of a round.
    ratios = {
        name: [ours / theirs for ours, theirs in zip(rates[OURS], of_peer, strict=True)]
        for name, of_peer in rates.items()
    }
    backlog = Sheet(
        f"a backlog of {count:,} changes: median (least-most) of the rounds",
        ("STREAM", "CHANGES/s", "SECONDS", "FIRST SEEN AFTER s", "OURS / THIS"),
        [
            (
                name,
                shown_spread(rates[name], 0),
                shown_spread(each.seconds),
                shown_spread(each.begins_after),
                shown_spread(ratios[name], 2),
            )
            for name, each in seen.items()
        ],
    )
    delay = Sheet(
        "from commit to visible, milliseconds",
        ("STREAM", *(f"{what} at {rate}/s" for rate in RATES for what in ("p50", "p99", "most"))),
        [(name, *_cells(each.delays_ms)) for name, each in seen.items()],
    )
    return BenchReport(
        bench="stream",
        options=options,
        machine=machine.as_json(),
        figures={
            name: {
                "backlog_changes_per_second": spread(rates[name]),
                "backlog_seconds": spread(each.seconds),
                "backlog_first_seen_after_seconds": spread(each.begins_after),
                "ours_to_this": spread(ratios[name]),
                "delay_ms": {
                    str(rate): {
                        **{word: round(value, 2) for word, value in _delays(each.delays_ms[rate]).items()},
                        "changes": len(each.delays_ms[rate]),
                        "written_per_second": round(each.written_rate[rate], 1),
                    }
                    for rate in RATES
                },
            }
            for name, each in seen.items()
        },
        sheets=(backlog, delay),
        aims=(
            Aim(
                f"p99 at {RATES[0]} changes a second, ms",
                _P99_AIM_MS,
                _delays(seen[OURS].delays_ms[RATES[0]])["p99"],
                is_ceiling=True,
            ),
            Aim(f"throughput of ours / {DEFAULTS}", _THROUGHPUT_AIM, statistics.median(ratios[DEFAULTS])),
        ),
    )


_WORDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "p50": lambda delays: percentile(delays, 0.5),
    "p99": lambda delays: percentile(delays, 0.99),
    "most": max,
}


def _delays(delays_ms: Sequence[float]) -> Mapping[str, float]:
    return {word: measure(delays_ms) for word, measure in _WORDS.items()}


def _cells(delays_ms: Mapping[int, Sequence[float]]) -> list[str]:
    return [f"{value:,.1f}" for rate in RATES for value in _delays(delays_ms[rate]).values()]
