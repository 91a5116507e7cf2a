"""Kafka Connect and Kafka as the stages see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cdc_assets.model.position import Lsn


class ConnectorState(StrEnum):
    """Kafka Connect's word for a connector or a task (Kafka docs, "Connect: REST API"); never proof that anything moves."""

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
    """A connector with its tasks."""

    name: str
    state: ConnectorState
    tasks: tuple[ConnectorTask, ...]
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectorPlugin:
    """A connector class that the cluster offers."""

    class_name: str
    version: str


class ConnectCluster(Protocol):
    """A Kafka Connect cluster in distributed mode.

    ConnectUnavailableError when it does not answer in time; answers of a worker that starts or rebalances are waited out first. ConnectorError when it
    refuses. No answer or error holds a secret or a row value.
    """

    def plugins(self) -> tuple[ConnectorPlugin, ...]:
        """The connector classes the cluster offers."""

    def reports(self) -> Mapping[str, ConnectorReport]:
        """Every connector with its tasks, in one call."""

    def config(self, name: str) -> Mapping[str, str] | None:
        """A connector's configuration with its `${...}` references unresolved, or None when there is no such connector."""

    def ensure_stopped_connector(self, name: str, config: Mapping[str, str]) -> None:
        """Make the connector exist with exactly this configuration and be STOPPED without tasks; returns when that is so."""

    def validate(self, connector_class: str, config: Mapping[str, str]) -> tuple[str, ...]:
        """The problems Connect's own validation finds, as sentences; empty when none."""

    def resume(self, name: str) -> None:
        """Ask the connector to run."""

    def stop(self, name: str) -> None:
        """Stop the connector; returns when it is STOPPED and no task is left. A missing connector is as good as stopped."""

    def restart_failed(self, name: str) -> None:
        """Restart what has FAILED of the connector."""

    def delete(self, name: str) -> None:
        """Make the connector and its offsets absent."""

    def set_sink_offset(self, name: str, topic: str, offset: int) -> None:
        """Make the STOPPED sink continue at that record of its topic's only partition."""

    def committed(self, name: str) -> Mapping[str, int]:
        """A sink's committed offset a topic."""

    def delivered_lsn(self, name: str) -> Lsn | None:
        """The highest `lsn_commit` of the source connector's offsets: everything committed before it is in Kafka; None when there is none yet.

        Rows without `lsn_commit` prove nothing and are not counted.
        """


class KafkaCluster(Protocol):
    """A Kafka cluster. KafkaError when it does not answer."""

    def ensure_topics(self, topics: Sequence[str], *, heartbeat: str) -> None:
        """Make the topics exist: one partition, `cleanup.policy=delete`, kept for ever; the heartbeat topic with a short retention.

        KafkaError when one of them exists with other settings that could lose records.
        """

    def end_offsets(self, topics: Sequence[str]) -> Mapping[str, int]:
        """The offset after the last record a topic; 0 for a topic that does not exist."""

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Make the topics absent."""

    def topics_like(self, prefix: str) -> tuple[str, ...]:
        """Topics whose name begins with the prefix."""

    def delete_groups(self, groups: Sequence[str]) -> None:
        """Make the consumer groups absent."""
