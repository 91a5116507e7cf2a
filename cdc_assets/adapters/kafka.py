"""`ports.streaming.KafkaCluster` over librdkafka's admin client."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException as ClientException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not list what it re-exports
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.errors import KafkaError
from cdc_assets.planning.names import consumer_group

_HEARTBEAT_RETENTION_MS = 3_600_000
_Result = TypeVar("_Result")
_ABSENT = {ClientError.UNKNOWN_TOPIC_OR_PART, ClientError.GROUP_ID_NOT_FOUND}
_NOT_TOLD = {ClientError.CLUSTER_AUTHORIZATION_FAILED, ClientError.TOPIC_AUTHORIZATION_FAILED}
_MESSAGE_LIMIT = "message.max.bytes"
# Records may go only by our own hand: never by age or size, never by key.
_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


class Kafka:
    """A Kafka cluster; every call is bounded by `timeout_seconds`."""

    def __init__(self, bootstrap: str, *, timeout_seconds: float = 30) -> None:
        self._bootstrap = bootstrap
        self._timeout = timeout_seconds
        # Its own log lines on stderr repeat what the errors say.
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def require_broker(self) -> None:
        """Ask for the list of topics."""
        self._call(lambda: self._admin.list_topics(timeout=self._timeout))

    def ensure_topics(self, topics: Sequence[str], *, heartbeat: str) -> None:
        """Make the topics that are missing, then compare the settings of all."""
        present = self._call(lambda: self._admin.list_topics(timeout=self._timeout)).topics
        missing = [
            NewTopic(topic, num_partitions=1, replication_factor=-1, config=dict(_KEPT))
            for topic in topics
            if topic not in present
        ]
        if heartbeat not in present:
            short = {"cleanup.policy": "delete", "retention.ms": str(_HEARTBEAT_RETENTION_MS)}
            missing.append(NewTopic(heartbeat, num_partitions=1, replication_factor=-1, config=short))
        if missing:
            for topic, future in self._admin.create_topics(missing, request_timeout=self._timeout).items():
                self._result(future, f"topic {topic} could not be made", tolerated={ClientError.TOPIC_ALREADY_EXISTS})
        self._require_kept(topics)

    def end_offsets(self, topics: Sequence[str]) -> Mapping[str, int]:
        """The offset after the last record a topic; 0 for a topic that does not exist."""
        if not topics:
            return {}
        ends: dict[str, int] = dict.fromkeys(topics, 0)
        # Asked for the end of a topic that is absent, the client looks for a leader until its time is up.
        present = set(topics) & set(self._call(lambda: self._admin.list_topics(timeout=self._timeout)).topics)
        if not present:
            return ends
        asked = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in present}  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(asked, request_timeout=self._timeout)
        for partition, future in answers.items():
            answer = self._result(future, f"end of topic {partition.topic} is not known", tolerated=_ABSENT)
            if answer is not None:
                ends[partition.topic] = answer.offset
        return ends

    def committed(self, sinks: Mapping[str, str]) -> Mapping[str, int | None]:
        """What the sinks' consumer groups have committed."""
        # librdkafka takes one group a request: all are asked for before the first answer is awaited.
        asked = {
            sink: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(consumer_group(sink), [TopicPartition(topic, 0)])],
                request_timeout=self._timeout,
            )
            for sink, topic in sinks.items()
        }
        found: dict[str, int | None] = {}
        for sink, answers in asked.items():
            for future in answers.values():
                group = self._result(future, f"committed offset of {sink} is not known", tolerated=_ABSENT)
                offsets = [] if group is None else [partition.offset for partition in group.topic_partitions]
                found[sink] = max((offset for offset in offsets if offset >= 0), default=None)
        return found

    def largest_message(self) -> int | None:
        """The smallest `message.max.bytes` of the brokers, compressed as the producer sends it."""
        brokers = self._call(lambda: self._admin.list_topics(timeout=self._timeout)).brokers
        resources = [ConfigResource(ResourceType.BROKER, str(number)) for number in brokers]
        sizes = []
        for future in self._admin.describe_configs(resources, request_timeout=self._timeout).values():
            entries = self._result(future, "the brokers' settings are not known", tolerated=_NOT_TOLD)
            if entries is None or entries[_MESSAGE_LIMIT].value is None:
                return None
            sizes.append(int(entries[_MESSAGE_LIMIT].value))
        return min(sizes, default=None)

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Make the topics absent and wait until the cluster says so."""
        if not topics:
            return
        for topic, future in self._admin.delete_topics(list(topics), request_timeout=self._timeout).items():
            self._result(future, f"topic {topic} could not be deleted", tolerated=_ABSENT)
        gone = set(topics)
        Retrying(stop=stop_after_delay(self._timeout), wait=wait_fixed(0.2), retry=retry_if_not_result(bool))(
            lambda: not gone & set(self.topics_like(""))
        )

    def topics_like(self, prefix: str) -> tuple[str, ...]:
        """Topics whose name begins with the prefix."""
        listed = self._call(lambda: self._admin.list_topics(timeout=self._timeout))
        return tuple(sorted(topic for topic in listed.topics if topic.startswith(prefix)))

    def delete_groups(self, groups: Sequence[str]) -> None:
        """Make the consumer groups absent."""
        if not groups:
            return
        for group, future in self._admin.delete_consumer_groups(list(groups), request_timeout=self._timeout).items():
            self._result(future, f"consumer group {group} could not be deleted", tolerated=_ABSENT)

    def groups_like(self, prefix: str) -> tuple[str, ...]:
        """Consumer groups whose name begins with the prefix."""
        listed = self._result(self._admin.list_consumer_groups(request_timeout=self._timeout), "groups are not known")
        found = [] if listed is None else [group.group_id for group in listed.valid]
        return tuple(sorted(group for group in found if group.startswith(prefix)))

    def _require_kept(self, topics: Sequence[str]) -> None:
        # A broker may not know for a moment what the controller has just made.
        known = Retrying(
            stop=stop_after_delay(self._timeout),
            wait=wait_fixed(0.2),
            retry=retry_if_not_result(lambda found: len(found) == len(set(topics))),
        )
        try:
            described = known(self._describe, topics)
        except RetryError as error:
            missing = sorted(set(topics) - set(error.last_attempt.result()))
            raise KafkaError(
                f"topics are made but not known after {self._timeout:.0f} s: {', '.join(missing)}",
                hint="see the log of the Kafka broker, then start again",
            ) from error
        for topic, (settings, partitions) in described.items():
            wrong = {key: settings[key] for key, value in _KEPT.items() if settings[key] != value}
            if wrong:
                shown = ", ".join(f"{key}={value}" for key, value in wrong.items())
                raise KafkaError(
                    f"topic {topic} could lose records: {shown}",
                    hint=f"set {', '.join(f'{key}={_KEPT[key]}' for key in wrong)} on the topic",
                )
            if partitions != 1:
                raise KafkaError(
                    f"topic {topic} has {partitions} partitions: changes would lose their order",
                    hint="delete the topic if nothing of it is needed, or start the pipeline anew after ./cdc drop",
                )

    def _describe(self, topics: Sequence[str]) -> dict[str, tuple[dict[str, str | None], int]]:
        """Settings and number of partitions of the topics that the broker knows by now."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        asked = self._admin.describe_configs(resources, request_timeout=self._timeout)
        listed = self._call(lambda: self._admin.list_topics(timeout=self._timeout)).topics
        found = {}
        for resource, future in asked.items():
            what = f"settings of topic {resource.name} are not known"
            entries = self._result(future, what, tolerated=_ABSENT)
            if entries is not None and resource.name in listed:
                settings = {key: entry.value for key, entry in entries.items()}
                found[resource.name] = (settings, len(listed[resource.name].partitions))
        return found

    def _call(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return ask()
        except ClientException as error:
            raise self._unavailable(error, "Kafka does not answer") from error

    def _result(self, future: "Future[_Result]", what: str, *, tolerated: set[int] | None = None) -> _Result | None:
        try:
            return future.result(timeout=self._timeout + 5)
        except ClientException as error:
            if tolerated and error.args[0].code() in tolerated:
                return None
            raise self._unavailable(error, what) from error
        except TimeoutError as error:
            raise KafkaError(f"{what}: no answer from {self._bootstrap}", hint="see that the broker runs") from error

    def _unavailable(self, error: ClientException, what: str) -> KafkaError:
        return KafkaError(
            f"{what}: {error.args[0].str()} (Kafka at {self._bootstrap})",
            hint="see that the broker runs (./cdc up for the embedded one), or correct CDC_KAFKA_BOOTSTRAP",
        )
