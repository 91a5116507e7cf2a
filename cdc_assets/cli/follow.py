"""Waits for what was asked for, and shows how it goes: a bar on a terminal, a line a change elsewhere."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text
from tenacity import Retrying, retry_if_result, stop_after_delay, stop_never, wait_fixed

from cdc_assets import wiring
from cdc_assets.model.errors import IntentChangedError, WaitTimeoutError
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import LoadProgress
from cdc_assets.model.status import FullLoadStatus
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings

_POLL_SECONDS = 0.3
_TAKEN_UP_SECONDS = 30
_RATE_WINDOW_SECONDS = 10
_LINE_EVERY_SECONDS = 10
_EVENT_PAGE = 500
_BAR_COLUMNS = 40
Show = Callable[[PipelineRecord], None]


@dataclass(slots=True)
class LoadMeter:
    """Derives speed and remaining time of a load from what the state tables say, observed again and again."""

    store: PipelineStore
    monotonic: Callable[[], float] = time.monotonic
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    _generation: int | None = None
    _opened_before_seconds: float = 0
    _first_seen: float = 0

    def observe(self, record: PipelineRecord) -> LoadProgress | None:
        """Return where the load is, or None while none runs."""
        if record.full_load_status is not FullLoadStatus.IN_PROGRESS:
            self._seen.clear()
            self._generation = None
            return None
        now = self.monotonic()
        if self._generation != record.generation:
            self._generation, self._first_seen = record.generation, now
            self._opened_before_seconds = self._seconds_since_begin(record)
        loaded = sum(table.bytes_loaded for table in record.tables)
        estimated = sum(max(0, table.bytes_estimated) for table in record.tables)
        self._seen.append((now, loaded))
        while now - self._seen[0][0] > _RATE_WINDOW_SECONDS:
            self._seen.popleft()
        seconds, size = now - self._seen[0][0], loaded - self._seen[0][1]
        rate = size / seconds if seconds > 0 and size > 0 else 0.0
        return LoadProgress(
            rows=sum(table.rows_loaded for table in record.tables),
            size_bytes=loaded,
            bytes_estimated=estimated,
            bytes_per_second=rate,
            eta_seconds=max(0, estimated - loaded) / rate if rate else None,
            snapshot_age_seconds=self._opened_before_seconds + now - self._first_seen,
        )

    def _seconds_since_begin(self, record: PipelineRecord) -> float:
        begun: datetime | None = None
        after = 0
        # Both moments are the database's: the clocks of two machines are not compared.
        while page := self.store.events(record.name, after=after, limit=_EVENT_PAGE):
            for event in page:
                if event.field == "full_load_status" and event.new_value == FullLoadStatus.IN_PROGRESS:
                    begun = event.at
            after = page[-1].id
        latest = max((table.updated_at for table in record.tables), default=record.updated_at)
        return 0.0 if begun is None else max(0.0, (latest - begun).total_seconds())


def follow(
    settings: Settings,
    asked: PipelineRecord,
    *,
    is_done: Callable[[PipelineRecord], bool],
    show: Show,
    timeout_seconds: float | None,
) -> PipelineRecord:
    """Return the record when `is_done` says so; `asked` is the pipeline as the request left it.

    NotTakenUpError after 30 seconds without a Dagster daemon, IntentChangedError when somebody asks for something else
    meanwhile, WaitTimeoutError after `timeout_seconds`; the work itself goes on in all three cases.
    """
    store = wiring.open_store(settings)
    begun = time.monotonic()

    def observe() -> PipelineRecord | None:
        record = store.find(asked.name)
        if record is None or record.intent is not asked.intent:
            now = "dropped" if record is None else f"asked to be {record.intent}"
            raise IntentChangedError(f"pipeline {asked.name} was {now} meanwhile", hint="look at ./cdc status")
        show(record)
        if is_done(record):
            return record
        if time.monotonic() - begun > _TAKEN_UP_SECONDS and not record.lease_is_live:
            wiring.require_daemon(settings, f"what was asked of pipeline {asked.name}")
        return None

    waiting = Retrying(
        retry=retry_if_result(lambda record: record is None),
        wait=wait_fixed(_POLL_SECONDS),
        stop=stop_never if timeout_seconds is None else stop_after_delay(timeout_seconds),
        retry_error_callback=lambda _state: None,
    )
    found = waiting(observe)
    if found is None:
        raise WaitTimeoutError(
            f"pipeline {asked.name} was not ready within {timeout_seconds:g} s",
            hint=f"it goes on: watch it with ./cdc status {asked.name} --watch",
        )
    return found


def shown(settings: Settings, console: Console, *, is_quiet: bool) -> AbstractContextManager[Show]:
    """Return a block that hands out what shows a record: nothing, a bar, or lines."""
    if is_quiet:
        return _nothing()
    meter = LoadMeter(wiring.open_store(settings))
    return _bar(console, meter) if console.is_terminal else _lines(meter)


@contextmanager
def _nothing() -> Iterator[Show]:
    yield lambda _record: None


def load_view(record: PipelineRecord, load: LoadProgress | None) -> RenderableType:
    """Return what a terminal shows while a verb waits; each part on a line of its own, so that none is cut."""
    status = Text(f"{record.name} {record.status}")
    if load is None:
        return Group(status, ProgressBar(total=None, pulse=True, width=_BAR_COLUMNS))
    # An estimate of nothing is none; a bar of it would be full.
    total = max(1, load.bytes_estimated)
    return Group(status, ProgressBar(total, min(load.size_bytes, total), width=_BAR_COLUMNS), Text(str(load)))


@contextmanager
def _bar(console: Console, meter: LoadMeter) -> Iterator[Show]:
    with Live(console=console, transient=True) as live:
        yield lambda record: live.update(load_view(record, meter.observe(record)))


@contextmanager
def _lines(meter: LoadMeter) -> Iterator[Show]:
    last_line, last_error, told_at = "", "", 0.0

    def show(record: PipelineRecord) -> None:
        nonlocal last_line, last_error, told_at
        line = f"{record.name}: {record.status} (full load {record.full_load_status}, cdc {record.cdc_status})"
        load = meter.observe(record)
        if record.last_error and record.last_error != last_error:
            typer.echo(f"{record.name}: {record.last_error}")
            last_error = record.last_error
        if line != last_line:
            typer.echo(line)
            last_line, told_at = line, time.monotonic()
        elif load is not None and time.monotonic() - told_at > _LINE_EVERY_SECONDS:
            typer.echo(f"{record.name}: {load}")
            told_at = time.monotonic()

    yield show
