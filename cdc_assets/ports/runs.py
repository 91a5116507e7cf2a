"""What the orchestrator knows of its runs."""

from typing import Protocol


class RunLookup(Protocol):
    """Answers about Dagster runs, given by the sensor that asks for decisions."""

    def is_pending(self, run_key: str) -> bool:
        """Whether a run of that key is queued, starting or running."""

    def is_alive(self, run_id: str) -> bool:
        """False only for a run that is known and has ended; True for ids that are no runs."""
