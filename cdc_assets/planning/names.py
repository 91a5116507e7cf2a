"""Every outside name of a pipeline, computed once: slot, publication, topics, connectors, consumer groups.

Topic names follow Debezium's replacement of characters (`io.debezium.schema.SchemaTopicNamingStrategy`: every UTF-16
unit outside `[A-Za-z0-9._-]` becomes `_`), which may let two tables meet in one topic: `colliding_topics` finds them.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.table import TableMapping, TableName

MARKER_PREFIX = "cdc_assets"
BOOKKEEPING_TABLE = "cdc_assets_state"
_LEGAL = re.compile(r"[A-Za-z0-9._-]")
_SLUG = re.compile(r"[^a-z0-9_]+")
_MAX_IDENTIFIER_BYTES = 63
_MAX_TOPIC_CHARACTERS = 249


@dataclass(frozen=True, slots=True)
class PipelineNames:
    """The names of one generation of a pipeline.

    `root` is the slot, the topics' beginning and, unless the file names one, the publication.
    """

    root: str
    publication: str
    heartbeat_topic: str
    source_connector: str
    sink_prefix: str
    chunk_table: str

    @property
    def slot(self) -> str:
        """The replication slot."""
        return self.root

    def topic(self, table: TableName) -> str:
        """The topic that holds the changes of a source table."""
        return f"{self.root}.{topic_part(table.schema)}.{topic_part(table.name)}"

    def sink_connector(self, position: int, mapping: TableMapping) -> str:
        """The sink of a table; `position` in the file keeps tables apart whose names become equal."""
        slug = _SLUG.sub("_", mapping.source.name.lower())[:40]
        return f"{self.sink_prefix}_{position}_{slug}"


def pipeline_names(pipeline: Pipeline, generation: int, suffix: str) -> PipelineNames:
    """Compute the names.

    The pipeline's own name is at most 40 characters, so that every name fits PostgreSQL's 63 bytes.
    """
    root = f"cdc_{pipeline.name}_{generation}_{suffix}"
    if len(root.encode()) > _MAX_IDENTIFIER_BYTES:
        msg = f"slot name {root} is longer than {_MAX_IDENTIFIER_BYTES} bytes"
        raise ValueError(msg)
    return PipelineNames(
        root=root,
        publication=pipeline.publication or root,
        heartbeat_topic=f"__debezium-heartbeat.{root}",
        source_connector=f"{root}_source",
        sink_prefix=f"{root}_sink",
        chunk_table=f"cdc_load_chunk_{generation}",
    )


def consumer_group(sink_connector: str) -> str:
    """The consumer group Kafka Connect uses for a sink connector (Kafka docs, "Connect: sink connectors")."""
    return f"connect-{sink_connector}"


def topic_part(name: str) -> str:
    """A schema or table name as it stands in a topic name: one `_` for every illegal UTF-16 unit."""
    return "".join(
        character if _LEGAL.match(character) else "_" * (len(character.encode("utf-16-le")) // 2) for character in name
    )


def colliding_topics(tables: Sequence[TableName]) -> tuple[tuple[TableName, ...], ...]:
    """Groups of tables whose changes would meet in one topic."""
    by_topic: dict[str, list[TableName]] = defaultdict(list)
    for table in tables:
        # Kafka refuses a topic whose name differs from another's only in a dot for an underscore.
        by_topic[f"{topic_part(table.schema)}.{topic_part(table.name)}".replace(".", "_")].append(table)
    return tuple(tuple(group) for group in by_topic.values() if len(group) > 1)


def too_long_topics(names: PipelineNames, tables: Sequence[TableName]) -> tuple[TableName, ...]:
    """Tables whose topic name Kafka would refuse (249 characters)."""
    return tuple(table for table in tables if len(names.topic(table)) > _MAX_TOPIC_CHARACTERS)
