"""What a run waits for that others must end: told in its log and as the pipeline's last error, until it is over.

Waiting is no failure, and a start may wait for hours: who looks at it has to see for whom. For whose transactions on
the source it is, tells who waits (`open_slot_snapshot`); for what the target keeps a run, `stages/run_watch`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from cdc_assets.model.errors import WaitingError
from cdc_assets.ports.store import Lease

Side = Literal["source", "target"]
_STEP = "wait"
_SOURCE_HINT = "nothing, or end them on the source (pg_terminate_backend, ROLLBACK PREPARED); the start goes on then"


@dataclass(slots=True)
class Waits:
    """What is waited for now, by side; any thread may tell it."""

    lease: Lease
    log: Callable[[str], None]
    _told: dict[Side, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell_source(self, sentence: str) -> None:
        """Tell whose transactions on the source are waited for; the same once."""
        self._tell("source", WaitingError(sentence, hint=_SOURCE_HINT))

    def tell_target(self, error: WaitingError) -> None:
        """Tell what the target waits for; the same once."""
        self._tell("target", error)

    def over(self, side: Side) -> None:
        """Nothing is waited for on that side any more."""
        with self._lock:
            if self._told.pop(side, None) is not None and not self._told:
                self.lease.clear_error()

    def _tell(self, side: Side, error: WaitingError) -> None:
        with self._lock:
            if self._told.get(side) == error.message:
                return
            self._told[side] = error.message
            self.lease.fail(_STEP, error)
            self.log(error.message)
