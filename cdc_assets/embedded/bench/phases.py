"""Where a load's time goes: what the sessions of source and target are busy with, looked at ten times a second."""

import threading
from types import TracebackType
from typing import Self

import psycopg

_LOOK_SECONDS = 0.1
_ACTIVE = (
    "SELECT query, wait_event_type, wait_event FROM pg_stat_activity WHERE datname = current_database()"
    " AND state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Phases:
    """Looks while its context lasts; `seconds` then adds up the sessions' time by kind of work."""

    def __init__(self, target_url: str, source_url: str) -> None:
        """Look at nothing yet."""
        self._urls = {"target": target_url, "source": source_url}
        self._over = threading.Event()
        self._counts: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._look, args=[side]) for side in self._urls]

    @property
    def seconds(self) -> dict[str, float]:
        """Session seconds, the longest first."""
        found = {what: round(count * _LOOK_SECONDS, 1) for what, count in self._counts.items()}
        return dict(sorted(found.items(), key=lambda entry: entry[1], reverse=True))

    def __enter__(self) -> Self:
        """Begin to look."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self, side: str) -> None:
        with psycopg.connect(self._urls[side], autocommit=True) as session:
            while not self._over.wait(_LOOK_SECONDS):
                for query, wait_type, wait in session.execute(_ACTIVE).fetchall():
                    # One key, one thread.
                    what = f"{side}: {_work(str(query), side)}{_waiting(wait_type, wait)}"
                    self._counts[what] = self._counts.get(what, 0) + 1


def _work(query: str, side: str) -> str:
    words = query.lstrip().upper()
    if words.startswith("COPY"):
        if "FROM STDIN" in words:
            return "rows are written"
        return "rows are read" if side == "source" else "rows are read back"
    if words.startswith(("ALTER TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX")):
        return "keys and indexes are built"
    return {"ANALYZE": "statistics are gathered", "COMMIT": "commit"}.get(words.split(" ", 1)[0], "other commands")


def _waiting(kind: str | None, event: str | None) -> str:
    return f", waiting for {event}" if kind in {"Client", "IO", "LWLock", "Lock"} else ""
