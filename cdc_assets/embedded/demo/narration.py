"""A start told in plain words, from the events that the pipeline's work leaves in the state database."""

import time
from collections.abc import Callable
from datetime import datetime

from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent
from cdc_assets.ports.store import PipelineStore

PAGE = 500
PROGRESS_EVERY_SECONDS = 5


class StartNarration:
    """Shown the record again and again, it tells each step once, when it is over, with the time it took."""

    def __init__(self, store: PipelineStore, name: str, report: Callable[[str], None]) -> None:
        """Begin now: what earlier lives of the pipeline left is not told."""
        self._store, self._name, self._report = store, name, report
        self._last_id = 0
        self._since: datetime | None = None
        self._told_at = time.monotonic()
        for _ in self._new_events():
            pass

    def show(self, record: PipelineRecord) -> None:
        """Tell what is new."""
        for event in self._new_events():
            if event.table_name is None:
                self._tell(event, record)
        if record.full_load_status is FullLoadStatus.IN_PROGRESS:
            self._tell_progress(record)

    def _new_events(self) -> list[Event]:
        found: list[Event] = []
        while page := self._store.events(self._name, after=self._last_id, limit=PAGE):
            self._last_id = page[-1].id
            found += page
        return found

    def _tell(self, event: Event, record: PipelineRecord) -> None:
        match (event.field, event.new_value):
            case ("intent", Intent.RUNNING):
                self._since = event.at
            case ("full_load_status", FullLoadStatus.IN_PROGRESS):
                self._report(f"taken up by Dagster, checked, target tables made: {self._lap(event):.1f} s")
            case ("full_load_status", FullLoadStatus.COMPLETED):
                seconds = self._lap(event)
                rows = sum(table.rows_loaded for table in record.tables)
                megabytes = sum(table.bytes_loaded for table in record.tables) / 1e6
                self._report(
                    f"full load: {rows:,} rows, {megabytes:.1f} MB, read back and found equal: {seconds:.1f} s"
                    f" ({megabytes / max(seconds, 0.001):.1f} MB/s)"
                )
            case ("cdc_status", CdcStatus.RUNNING):
                self._report(
                    f"connectors (one for the source, {len(record.tables)} for the target) made, started, and a marker"
                    f" seen to pass through each: {self._lap(event):.1f} s"
                )
            case _:
                pass

    def _lap(self, event: Event) -> float:
        seconds = 0.0 if self._since is None else (event.at - self._since).total_seconds()
        self._since = event.at
        self._told_at = time.monotonic()
        return seconds

    def _tell_progress(self, record: PipelineRecord) -> None:
        if time.monotonic() - self._told_at < PROGRESS_EVERY_SECONDS:
            return
        self._told_at = time.monotonic()
        rows = sum(table.rows_loaded for table in record.tables)
        self._report(f"loading: {rows:,} rows so far")
