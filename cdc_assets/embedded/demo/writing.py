"""What the demo does until it is stopped: small transactions over all tables, each followed into the target."""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import psycopg

from cdc_assets.embedded.demo.flow import Changes, Flow, Look, Rows
from cdc_assets.embedded.demo.sample import DOCUMENTS, FIRST_NEW_ROW, TABLES, SampleTable

PAUSE_SECONDS = 1.0
TELL_EVERY_SECONDS = 15
ARRIVAL_SECONDS = 60
FIRST_ROW = FIRST_NEW_ROW + 1_000
DELETED_AFTER_ROWS = 100
FIRST_UPDATED, UPDATED = 1_001, 900
"""A range that every table's first filling has."""
LARGE_EVERY = 20
"""The large texts are written now and then only: a demo that is forgotten shall not fill the disk."""


class Writing:
    """Writes, looks, and tells a few times a minute how fast it arrived."""

    def __init__(
        self,
        source_url: str,
        target_url: str,
        report: Callable[[str], None],
        *,
        tend: Callable[[], None],
        status: Callable[[], str],
    ) -> None:
        """`tend`: called many times a second. `status`: how the pipeline is, asked when something does not arrive."""
        self._source_url, self._target_url = source_url, target_url
        self._report, self._tend, self._status = report, tend, status
        self._pause = threading.Event()
        self._transactions = 0

    def go_on(self) -> NoReturn:
        """Write until an exception ends it; a server that is away is waited for."""
        is_away = False
        while True:
            try:
                with Flow(self._source_url, self._target_url, tend=self._tend) as flow:
                    is_away = False
                    while True:
                        self._write_a_while(flow)
            except psycopg.OperationalError:
                if not is_away:
                    self._report("source or target is away; the demo writes again when both are there")
                is_away = True
                self._tend()
                self._pause.wait(1)

    def _write_a_while(self, flow: Flow) -> None:
        begun = time.monotonic()
        milliseconds: list[float] = []
        inserted = updated = deleted = 0
        while time.monotonic() - begun < TELL_EVERY_SECONDS:
            self._tend()
            self._pause.wait(PAUSE_SECONDS)
            tables, changes = self._next()
            counts = flow.change_all(tables, changes)
            looks = [Look(table, table.probe, changes.insert) for table in tables]
            seconds = flow.seconds_until(looks, limit_seconds=ARRIVAL_SECONDS)
            if seconds is None:
                self._report(f"a change is not in the target after {ARRIVAL_SECONDS} s: {self._status()}")
                continue
            milliseconds.append(seconds * 1000)
            inserted, updated, deleted = inserted + counts[0], updated + counts[1], deleted + counts[2]
        if milliseconds:
            self._report(
                f"{len(milliseconds)} transactions ({inserted} inserts, {updated} updates, {deleted} deletes): all in"
                f" the target, half of them within {statistics.median(milliseconds):,.0f} ms,"
                f" the slowest after {max(milliseconds):,.0f} ms"
            )

    def _next(self) -> tuple[Sequence[SampleTable], Changes]:
        # Counted before it is used: whether a transaction that broke off was committed is not known.
        number, self._transactions = self._transactions, self._transactions + 1
        new, updated = FIRST_ROW + number, FIRST_UPDATED + number % UPDATED
        old = new - DELETED_AFTER_ROWS
        tables = TABLES if number % LARGE_EVERY == 0 else [table for table in TABLES if table is not DOCUMENTS]
        return tables, Changes(update=Rows(updated, updated), delete=Rows(old, old), insert=Rows(new, new))
