"""Kafka Connect and Kafka as the stages see them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.pipeline import Connection
from cdc_assets.model.position import Lsn
from cdc_assets.planning.connectors import ConnectorCredentials


@dataclass(frozen=True, slots=True)
class ConnectorPlugin:
    """A class that the cluster offers: a connector, or what a connector's configuration may name."""

    class_name: str
    version: str


class ConnectCluster(Protocol):
    """A Kafka Connect cluster in distributed mode.

    ConnectUnavailableError when it does not answer in time; answers of a worker that starts or rebalances are waited
    out first. ConnectorError when it refuses. No answer or error holds a secret or a row value.
    """

    def plugins(self) -> tuple[ConnectorPlugin, ...]:
        """The classes the cluster offers: connectors, converters, transformations and predicates."""

    def reports(self) -> Mapping[str, ConnectorReport]:
        """Every connector with its tasks, in one call."""

    def config(self, name: str) -> Mapping[str, str] | None:
        """A connector's configuration with its `${...}` references unresolved, or None when there is no such one."""

    def ensure_stopped_connector(self, name: str, config: Mapping[str, str]) -> None:
        """Make the connector exist with exactly this configuration, STOPPED, without tasks; returns when it is so."""

    def validate(self, connector_class: str, config: Mapping[str, str]) -> tuple[str, ...]:
        """The problems Connect's own validation finds, as sentences; empty when none."""

    def resume(self, name: str) -> None:
        """Ask the connector to run."""

    def stop(self, names: Sequence[str]) -> None:
        """Stop the connectors; returns when all are STOPPED without tasks. A missing one is as good as stopped."""

    def pause(self, names: Sequence[str]) -> None:
        """Pause the connectors; returns when none of their tasks does anything. A missing one is as good as paused."""

    def restart_failed(self, name: str) -> None:
        """Restart what has FAILED of the connector."""

    def delete(self, name: str) -> None:
        """Make the connector and its offsets absent."""

    def set_sink_offset(self, name: str, topic: str, offset: int) -> None:
        """Make the STOPPED sink continue at that record of its topic's only partition.

        Connect takes any number: the caller has checked that it lies within the topic.
        """

    def delivered_lsn(self, name: str) -> Lsn | None:
        """The highest `lsn_commit` of the source connector's offsets; None when there is none yet.

        Everything committed before it is in Kafka. Rows without `lsn_commit` prove nothing and are not counted.
        """

    def confirmed_lsn(self, name: str) -> Lsn | None:
        """How far the source connector may have confirmed to its slot; None when it has confirmed nothing yet.

        Kafka has every change up to it, but perhaps not yet the end of the transaction it lies in: the server sends
        such a transaction again.
        """


class KafkaCluster(Protocol):
    """A Kafka cluster. KafkaError when it does not answer."""

    def require_broker(self) -> None:
        """Raise KafkaError unless a broker answers."""

    def ensure_topics(self, topics: Sequence[str], *, heartbeat: str) -> None:
        """Make the topics exist: one partition, kept for ever; the heartbeat topic with a short retention.

        KafkaError when one of them exists with other settings that could lose records.
        """

    def end_offsets(self, topics: Sequence[str]) -> Mapping[str, int]:
        """The offset after the last record a topic; 0 for a topic that does not exist."""

    def committed(self, sinks: Mapping[str, str]) -> Mapping[str, int | None]:
        """Up to which record each sink (`sinks`: connector -> topic) has applied; None before its first commit."""

    def largest_message(self) -> int | None:
        """The bytes of the largest message that every broker takes into a new topic; None when we may not ask.

        `replica.fetch.max.bytes` and the consumers' limits are none: one message is fetched however large it is.
        """

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Make the topics absent."""

    def topics_like(self, prefix: str) -> tuple[str, ...]:
        """Topics whose name begins with the prefix."""

    def delete_groups(self, groups: Sequence[str]) -> None:
        """Make the consumer groups absent."""

    def groups_like(self, prefix: str) -> tuple[str, ...]:
        """Consumer groups whose name begins with the prefix."""


class ConnectSecrets(Protocol):
    """How user and password of a connection reach Kafka Connect without standing in a configuration."""

    def ensure(self, connection: Connection) -> ConnectorCredentials:
        """Make the secret readable for Connect and return the references to put into a configuration.

        ConnectorError when there is no way: a remote Connect without `connect_password`.
        """

    def references(self, connection: Connection) -> ConnectorCredentials:
        """Return the references that `ensure` returns, for who only shows them; nothing is made readable."""

    def lent(self, connection: Connection) -> AbstractContextManager[ConnectorCredentials]:
        """Make the secret readable for Connect while the block lasts, for who only asks; nothing of it is left."""
