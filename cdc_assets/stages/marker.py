"""The proof that everything up to a position is applied: a marker in the source's WAL that has passed source and sinks.

Three steps that must not change places: a source offset with `lsn_commit` at or beyond the marker (everything
committed before it is in Kafka), THEN the topics' ends, THEN every sink's committed offset at or beyond them. Used by
`stages/apply`, `stages/health`, verification and whoever asks "caught up at least to here".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cdc_assets.model.marker import Marker
from cdc_assets.model.position import Lsn
from cdc_assets.ports.streaming import ConnectCluster, KafkaCluster


@dataclass(frozen=True, slots=True)
class MarkerView:
    """How far a marker has come: `delivered` by the source connector, `behind` are the sinks it waits for.

    `astray`: sinks whose place in their topic is gone, or lies beyond its end: the topic was deleted or made anew.
    """

    marker: Marker
    delivered: Lsn | None
    ends: Mapping[str, int]
    committed: Mapping[str, int | None] = field(default_factory=dict)
    behind: tuple[str, ...] = ()
    astray: tuple[str, ...] = ()

    @property
    def is_delivered(self) -> bool:
        """Whether everything before the marker is in Kafka."""
        return self.marker.ends is not None

    @property
    def has_passed(self) -> bool:
        """Whether everything before the marker is applied."""
        return self.is_delivered and not self.behind and not self.astray

    @property
    def footprint(self) -> str:
        """A text that changes when whatever the marker waits for has moved."""
        if not self.is_delivered:
            return f"source {self.delivered} {sum(self.ends.values())}"
        return "sinks " + " ".join(f"{sink}={self.committed.get(sink)}" for sink in self.behind)

    def is_being_decoded(self, decoding_at: Lsn | None) -> bool:
        """Whether the source still decodes what comes before the marker: a large transaction of other tables is silent.

        `decoding_at` as in `SourceWatch`; who has read beyond the marker has it to deliver.
        """
        return not self.is_delivered and decoding_at is not None and decoding_at < self.marker.lsn

    @property
    def waits_for(self) -> str:
        """For people: what has not yet passed the marker on."""
        if not self.is_delivered:
            position = f"has delivered up to {self.delivered}" if self.delivered else "has delivered nothing yet"
            return f"the source connector {position}, the marker is at {self.marker.lsn}"
        shown = ", ".join(f"{sink} ({self.committed.get(sink) or 0} applied)" for sink in self.behind)
        return f"sinks behind the marker: {shown}"


def look(
    marker: Marker, *, source_connector: str, sinks: Mapping[str, str], connect: ConnectCluster, kafka: KafkaCluster
) -> MarkerView:
    """Take the marker as far as it has come by now; never waits. `sinks`: connector -> topic, paused ones left out."""
    delivered: Lsn | None = None
    if marker.ends is None:
        delivered = connect.delivered_lsn(source_connector)
        ends = kafka.end_offsets(sorted(set(sinks.values())))
        if delivered is None or delivered < marker.lsn:
            return MarkerView(marker, delivered, ends)
        # These ends were read after the delivery was seen: they hold everything before the marker.
        marker = replace(marker, ends=ends)
    goals = marker.ends or {}
    committed = kafka.committed(sinks)
    # After what was committed: a topic that lives on cannot end before it. Every sink has a place, from before it was
    # started; with its topic the broker deletes it.
    ends = kafka.end_offsets(sorted(set(sinks.values())))
    behind = tuple(sink for sink, topic in sinks.items() if (committed.get(sink) or 0) < goals.get(topic, 0))
    astray = tuple(sink for sink, topic in sinks.items() if _is_astray(committed.get(sink), ends.get(topic, 0)))
    return MarkerView(marker, delivered, goals, committed, behind, astray)


def _is_astray(committed: int | None, end: int) -> bool:
    return committed is None or committed > end
