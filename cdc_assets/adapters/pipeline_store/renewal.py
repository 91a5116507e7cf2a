"""Keeps a lease alive while its owner works, on a connection of its own, and knows when it is lost."""

import threading
import time
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, update

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.tables import pipeline_leases
from cdc_assets.model.errors import StateDatabaseError

_log = structlog.get_logger(__name__)
_RENEWALS_PER_LIFE = 4


class Renewal:
    """A daemon thread that moves `expires_at` ahead, four times in a lease's life.

    `is_lost` turns True, for good, when the database says that the lease ended, and when no renewal was confirmed for a
    whole life (a stopped process, an unreachable database). The life is counted from before the request was sent, so
    this process never believes longer in its lease than the database does.
    """

    def __init__(
        self, database: StateDatabase, pipeline_id: UUID, epoch: int, life: timedelta, *, taken: float
    ) -> None:
        """`taken`: the monotonic time just before the lease was asked for."""
        self._database = database
        self._pipeline_id = pipeline_id
        self._epoch = epoch
        self._life = life
        self._confirmed = taken
        self._is_over = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease-{pipeline_id}-{epoch}", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a renewal that is under way is waited for."""
        self._ended.set()
        self._thread.join(timeout=self._life.total_seconds())
        self._database.close()

    @property
    def is_lost(self) -> bool:
        """Whether the owner must stop."""
        if time.monotonic() - self._confirmed > self._life.total_seconds():
            self._is_over = True
        return self._is_over

    def _run(self) -> None:
        while not self._ended.wait(self._life.total_seconds() / _RENEWALS_PER_LIFE) and not self.is_lost:
            asked = time.monotonic()
            try:
                if self._renew():
                    self._confirmed = asked
                else:
                    self._is_over = True
            except StateDatabaseError as error:
                # Tried again at the next turn; `is_lost` counts the time.
                _log.warning("lease not renewed", pipeline_id=str(self._pipeline_id), reason=error.message)

    def _renew(self) -> bool:
        leases = pipeline_leases.c
        with self._database.change() as connection:
            renewed = connection.execute(
                update(pipeline_leases)
                # An expired lease stays expired, even when nobody has taken it yet: its owner may have slept.
                .where(
                    leases.pipeline_id == self._pipeline_id,
                    leases.epoch == self._epoch,
                    leases.released_at.is_(None),
                    leases.expires_at > func.clock_timestamp(),
                )
                .values(expires_at=func.clock_timestamp() + self._life)
            )
            return renewed.rowcount == 1
