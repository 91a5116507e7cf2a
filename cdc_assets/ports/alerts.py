"""Alerts as `wiring` sees them: a book that remembers what was told and what waits, and the way to a receiver."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from cdc_assets.model.alert import Alert, AlertChannel, ChannelReport, DueAlert, Severity
from cdc_assets.model.record import Event

Decide = Callable[[str | None, int, tuple[Event, ...], datetime], tuple[str, int, Sequence[Alert]]]
"""From the stored memory (None at first), its mark, the events behind that and the database's time to what is to be
stored: the memory, its mark, and the new alerts."""


class AlertBook(Protocol):
    """What was told and what waits, in the state database. StateDatabaseError when it does not answer."""

    def update(self, decide: Decide, channels: Sequence[AlertChannel]) -> int:
        """Decide once, in one transaction with what is stored; returns how many messages were added.

        A message for each channel that takes the alert; a reminder only where none of its problem waits. Another
        process that decides at the same time is not waited for: nothing is done then. What waits for a channel that is
        not among `channels` is removed.
        """

    def claim(self, channel: str) -> DueAlert | None:
        """Take the oldest message that is due, with its next try put off: who takes it may die, and it comes again."""

    def sent(self, alert: DueAlert) -> None:
        """Record that the receiver took it."""

    def refused(self, alert: DueAlert, reason: str) -> None:
        """Record why the receiver did not take it; the first time, an event of the pipeline says so too."""

    def reports(self, channels: Sequence[str]) -> tuple[ChannelReport, ...]:
        """How these receivers are served."""


class Notifier(Protocol):
    """The way to receivers."""

    def send(self, url: str, *, title: str, body: str, severity: Severity) -> None:
        """Return when the receiver took the message; AlertError, without any part of the address, when it did not."""
