"""How far a stream is behind, measured now: WAL that is not in Kafka yet, records that are not in the target yet."""

from dataclasses import dataclass
from typing import Any

from cdc_assets.model.position import Lsn
from cdc_assets.model.record import PipelineRecord
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.streaming import ConnectCluster, KafkaCluster


@dataclass(frozen=True, slots=True)
class TableLag:
    """Records of the table's topic that its sink has not applied; None while it has no sink."""

    table: str
    records_behind: int | None


@dataclass(frozen=True, slots=True)
class Lag:
    """`delivered`: everything before it is in Kafka; None while nothing was captured."""

    pipeline: str
    source_lsn: Lsn
    delivered: Lsn | None
    tables: tuple[TableLag, ...]

    @property
    def bytes_behind(self) -> int | None:
        """Bytes of WAL that are not proved to be in Kafka; a quiet source's own WAL is among them."""
        return None if self.delivered is None else max(0, self.source_lsn - self.delivered)

    @property
    def records_behind(self) -> int | None:
        """Records of all topics that are not applied yet; None while no sink works."""
        known = [each.records_behind for each in self.tables if each.records_behind is not None]
        return sum(known) if known else None

    def as_json(self) -> dict[str, Any]:
        """The figures under their names."""
        return {
            "pipeline": self.pipeline,
            "source_lsn": str(self.source_lsn),
            "delivered_lsn": None if self.delivered is None else str(self.delivered),
            "bytes_behind": self.bytes_behind,
            "tables": [{"name": each.table, "records_behind": each.records_behind} for each in self.tables],
        }


def read_lag(record: PipelineRecord, *, source: SourceDatabase, connect: ConnectCluster, kafka: KafkaCluster) -> Lag:
    """Ask source, Connect and Kafka once; their errors pass through. A reload in between only makes it larger."""
    connector = record.debezium_connector_name
    delivered = None if connector is None else connect.delivered_lsn(connector)
    sinks = {
        table.sink_connector_name: table.topic
        for table in record.tables
        if table.sink_connector_name is not None and table.topic is not None
    }
    # Committed before ends: what is written in between counts as behind, never as ahead.
    committed = kafka.committed(sinks) if sinks else {}
    ends = kafka.end_offsets(sorted(set(sinks.values()))) if sinks else {}
    tables = tuple(
        TableLag(
            table.source_table,
            None
            if table.topic is None or table.sink_connector_name not in sinks
            else max(0, ends.get(table.topic, 0) - (committed.get(table.sink_connector_name) or 0)),
        )
        for table in record.tables
    )
    return Lag(record.name, source.server().current_lsn, delivered, tables)
