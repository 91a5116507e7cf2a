"""What Kafka Connect says of a connector and its tasks."""

from dataclasses import dataclass
from enum import StrEnum


class ConnectorState(StrEnum):
    """Kafka Connect's word for a connector or task (Kafka docs, "Connect: REST API"); no proof that anything moves."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    RESTARTING = "RESTARTING"


@dataclass(frozen=True, slots=True)
class ConnectorTask:
    """One task; `cause` is the last `Caused by:` of its trace without row values, when it failed."""

    id: int
    state: ConnectorState
    worker: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectorReport:
    """A connector with its tasks; a failed task leaves the connector itself RUNNING."""

    name: str
    state: ConnectorState
    tasks: tuple[ConnectorTask, ...]
    cause: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the connector or its first failed task failed, without row values; None when nothing has FAILED."""
        if self.state is ConnectorState.FAILED:
            return self.cause or "Kafka Connect gives no reason"
        for task in self.tasks:
            if task.state is ConnectorState.FAILED:
                return task.cause or "Kafka Connect gives no reason"
        return None

    @property
    def says_running(self) -> bool:
        """Whether the connector and at least one task, and every task, say RUNNING."""
        states = {self.state, *(task.state for task in self.tasks)}
        return bool(self.tasks) and states == {ConnectorState.RUNNING}

    @property
    def has_worker(self) -> bool:
        """Whether the connector and every task of it are with a worker, which may have died a moment ago."""
        return ConnectorState.UNASSIGNED not in {self.state, *(task.state for task in self.tasks)}

    @property
    def is_stopped(self) -> bool:
        """Whether it is STOPPED and no task is left."""
        return self.state is ConnectorState.STOPPED and not self.tasks

    @property
    def is_paused(self) -> bool:
        """Whether it is PAUSED and no task does anything."""
        idle = {ConnectorState.PAUSED, ConnectorState.FAILED}
        return self.state is ConnectorState.PAUSED and {task.state for task in self.tasks} <= idle
