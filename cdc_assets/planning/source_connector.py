"""The configuration of the source connector, as a pure function of a pipeline, its names and its tables.

Called by `stages/capture` and `plan`; a setting that guards against loss says so beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.table import TableName
from cdc_assets.planning.connectors import (
    CONVERTER_CLASS,
    HEADERS,
    JSON,
    LARGEST_MESSAGE_BYTES,
    SOURCE_CLASS,
    VALUE_SESSION,
    ConnectorCredentials,
    address,
    encoded,
)
from cdc_assets.planning.names import MARKER_PREFIX, PipelineNames

_LEFT_OUT = "column.exclude.list"
_TYPED = "column.propagate.source.type"


@dataclass(frozen=True, slots=True)
class CapturedTable:
    """A table of the source connector: `key` where it has no primary key, `left_out` are columns not to be sent.

    `as_text`: columns that the converter sends as the text of PostgreSQL; `typed`: those whose events have to name the
    type of the source.
    """

    name: TableName
    key: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    as_text: tuple[str, ...] = field(default=())
    typed: tuple[str, ...] = field(default=())


def source_config(
    pipeline: Pipeline,
    names: PipelineNames,
    tables: Sequence[CapturedTable],
    credentials: ConnectorCredentials,
) -> Mapping[str, str]:
    """Configure the source connector for all captured tables, loaded or not: the slot moves on for all at once."""
    host, port = address(pipeline.source.connection)
    config = {
        "connector.class": SOURCE_CLASS,
        "tasks.max": "1",
        # A key of its own for every task start: resuming from a stored offset can skip rows without a word.
        "topic.prefix": f"{names.root}.${{directory:/proc/sys/kernel/random:uuid}}",
        "transforms": "root",
        "transforms.root.type": "org.apache.kafka.connect.transforms.RegexRouter",
        # The kernel's value ends in a line end, which Debezium makes an underscore in topic names.
        "transforms.root.regex": rf"^(__debezium-heartbeat\.)?{_escape(names.root)}\.[0-9a-f-]{{36}}[_\s]?(\..*)?$",
        "transforms.root.replacement": f"$1{names.root}$2",
        # A retry in place is a resume from a stored offset: fail instead, `stages/health` restarts.
        "errors.max.retries": "0",
        "errors.tolerance": "none",
        "database.hostname": host,
        "database.port": str(port),
        "database.dbname": pipeline.source.database,
        "database.user": credentials.user,
        "database.password": credentials.password,
        "database.sslmode": pipeline.source.connection.tls.mode,
        "driver.options": VALUE_SESSION,
        "plugin.name": "pgoutput",
        "slot.name": names.slot,
        "slot.drop.on.stop": "false",
        "publication.name": names.publication,
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data",
        # The slot moves only to what Kafka has acknowledged.
        "lsn.flush.mode": "connector",
        "table.include.list": ",".join(_pattern(table.name) for table in tables),
        "skipped.operations": "none",
        # The topics are not compacted, the delete event says all; and a sink's batch ends where the value schema
        # changes: with a tombstone behind each delete it would commit twice for every deleted row.
        "tombstones.on.delete": "false",
        "decimal.handling.mode": "string",
        "interval.handling.mode": "string",
        "hstore.handling.mode": "map",
        "include.unknown.datatypes": "true",
        "heartbeat.interval.ms": "2000",
        "heartbeat.action.query": f"SELECT pg_logical_emit_message(true,'{MARKER_PREFIX}','hb')",
        "message.prefix.exclude.list": MARKER_PREFIX,
        # The source connector hands on what came within this time: a part of every change's way to the target.
        "poll.interval.ms": "5",
        "header.converter": HEADERS,
        "value.converter": JSON,
        # Else NULL in a column with a default arrives as the default.
        "value.converter.replace.null.with.default": "false",
        "producer.override.linger.ms": "5",
        "producer.override.batch.size": "524288",
        "producer.override.compression.type": "lz4",
        # Else the worker's own limit, 1 MiB unless it was told another, stops the stream at a larger row.
        "producer.override.max.request.size": str(LARGEST_MESSAGE_BYTES),
        # All topics are made before the start; should one be deleted, what Connect makes instead keeps its records too.
        "topic.creation.default.replication.factor": "-1",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.cleanup.policy": "delete",
        "topic.creation.default.retention.ms": "-1",
    }
    if pipeline.target.connection.kind == "sqlserver":
        # As text SQL Server would round a number and the driver shift a time; its types take these as they are.
        config |= {"decimal.handling.mode": "precise", "time.precision.mode": "microseconds", _TYPED: ".*"}
    if pipeline.source.connection.tls.ca_file is not None:
        config["database.sslrootcert"] = str(pipeline.source.connection.tls.ca_file)
    keys = [f"{_pattern(table.name)}:{','.join(table.key)}" for table in tables if table.key]
    if keys:
        config["message.key.columns"] = ";".join(keys)
    typed = [_column_pattern(table.name, column) for table in tables for column in table.typed]
    if typed and pipeline.target.connection.kind == "postgres":
        # Only these: every event carries what is named, twice.
        config[_TYPED] = ",".join(typed)
    left_out = [_column_pattern(table.name, column) for table in tables for column in table.left_out]
    if left_out:
        config[_LEFT_OUT] = ",".join(left_out)
    as_text = [f"{encoded(str(table.name))}/{encoded(column)}" for table in tables for column in table.as_text]
    if as_text:
        config |= {
            "converters": "exact_text",
            "exact_text.type": CONVERTER_CLASS,
            # Whole names, not patterns: a column that were missed would be converted without a word.
            "exact_text.columns": ",".join(as_text),
        }
    return config


def leaves_out(config: Mapping[str, str], table: TableName, column: str) -> bool:
    """Whether a source connector with that configuration does not send the column."""
    # No pattern has a comma of its own.
    return _column_pattern(table, column) in config.get(_LEFT_OUT, "").split(",")


def unusable_key_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that cannot be part of a key named in the file: `message.key.columns` has no escape for them."""
    return tuple(column for column in columns if set(column) & set(":;,") or column != column.strip() or " " in column)


def _pattern(table: TableName) -> str:
    """A regular expression for exactly this table; Debezium ignores case unless told."""
    return f"(?-i){_escape(table.schema)}\\.{_escape(table.name)}"


def _column_pattern(table: TableName, column: str) -> str:
    return f"{_pattern(table)}\\.{_escape(column)}"


def _escape(text: str) -> str:
    """Escape for a Java expression inside a list: a comma would part the list, a space at the edge would be trimmed."""
    return "".join(
        rf"\x{ord(character):02x}"
        if character in " ,;:\\"
        else f"\\{character}"
        if _is_special(character)
        else character
        for character in text
    )


def _is_special(character: str) -> bool:
    return character.isascii() and not character.isalnum() and character != "_"
