"""The configurations of the source connector and of the sink connectors, as pure functions of a pipeline and its names.

Called by `stages/capture`, `stages/apply` and `plan`; a setting that guards against loss says so beside it. The values
hold references to secrets (`${directory:...}`), never secrets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote, urlencode

from cdc_assets.model.pipeline import Connection, Endpoint, Pipeline
from cdc_assets.model.sqlserver_connection import SqlServerAddress
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.names import MARKER_PREFIX, PipelineNames

SOURCE_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
SINK_CLASS = "io.debezium.connector.jdbc.JdbcSinkConnector"
_JSON = "org.apache.kafka.connect.json.JsonConverter"
# A change of a key carries the old and the new one in headers. The worker's own converter guesses types from their
# text, and a sink stops at a guess without a schema: a bracket in a key was enough.
_HEADERS = "org.apache.kafka.connect.storage.StringConverter"
LARGEST_MESSAGE_BYTES = 20 * 1024 * 1024
"""What the brokers of the embedded stack take, and every source connector's producer sends."""
CONVERTER_CLASS = "cdcassets.connect.ExactText"
CONVERTER_OFFER, CONVERTER_VERSION = "cdcassets.connect.ExactTextOffered", "3"
"""What a Connect cluster lists, and in which version, where its PostgreSQL connector finds the converter."""
LOGIN_CLASS = "cdcassets.connect.TargetLogin"
FITTING_CLASS = "cdcassets.connect.FittingValues"
_LEFT_OUT = "column.exclude.list"
_TYPED = "column.propagate.source.type"
_MAX_APPLICATION_BYTES = 63
# A lock of an operator's DDL may last; the first timeout fails the task, so it is longer than any expected lock.
_SINK_SESSION = (
    "-c lock_timeout=30000 -c statement_timeout=50000 -c idle_in_transaction_session_timeout=60000 "
    # What a sink has committed it is never sent again: that must outlive the target's crash, whatever the server's
    # default is.
    "-c synchronous_commit=on "
    # A plan made while the table was empty would search all of it for each row, until the server's next ANALYZE.
    "-c enable_seqscan=off"
)
# Values travel as text: without these a role's or database's own settings round floats without a word
# (extra_float_digits), end the source task (bytea_output, intervalstyle), or make another amount of money.
_VALUE_SESSION = (
    "-c extra_float_digits=1 -c bytea_output=hex -c intervalstyle=postgres -c datestyle=ISO -c lc_monetary=C"
)


# One MERGE a row: measured, small batches cost a third of the speed, larger ones than these gain nothing.
_LARGER_BATCHES: Mapping[str, str] = {"batch.size": "2000", "consumer.override.max.poll.records": "2000"}
_SQLSERVER_SESSION: Mapping[str, str] = {
    # Milliseconds, but for the queries: a silent server, a lock of an operator's DDL, a statement that does not end.
    "loginTimeout": "10",
    "socketTimeout": "60000",
    "lockTimeout": "30000",
    "queryTimeout": "50",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class ConnectorCredentials:
    """User and password as a configuration names them: references for a config provider, the user also in plain."""

    user: str
    password: str


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
    host, port = _address(pipeline.source.connection)
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
        "driver.options": _VALUE_SESSION,
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
        "header.converter": _HEADERS,
        "value.converter": _JSON,
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
    as_text = [f"{_encoded(str(table.name))}/{_encoded(column)}" for table in tables for column in table.as_text]
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


def sink_config(
    mapping: TableMapping,
    target: Endpoint,
    credentials: ConnectorCredentials,
    *,
    name: str,
    topic: str,
    keeps_events_apart: bool,
    fitting: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Configure the sink connector of one table.

    `fitting`: columns that arrive as text, and what the target's column holds of it (a number, a key that ends in no
    blank): the task stops at what it cannot hold.
    `keeps_events_apart`: events must be applied one by one in their order, not merged by key, because the target table
    has a unique index besides its key, or its key has values that are equal and not the same.
    """
    if target.connection.kind == "sqlserver":
        url = _sqlserver_url(target, application=sink_application(name))
        place = f"{_plain_or_quoted(mapping.target.schema)}.{_quoted(mapping.target.name)}"
        # Merging by key was measured to gain little there, and its keys know fewer differences than the source's.
        is_reduced = False
    else:
        url = _jdbc_url(target, application=sink_application(name), rewrites=not keeps_events_apart)
        place = f"{_quoted(mapping.target.schema)}.{_quoted(mapping.target.name)}"
        is_reduced = not keeps_events_apart
    config = {
        "connector.class": SINK_CLASS,
        "tasks.max": "1",
        "topics": topic,
        "connection.url": url,
        "connection.username": credentials.user,
        "connection.password": credentials.password,
        "connection.pool.min_size": "1",
        "connection.pool.max_size": "1",
        "connection.restart.on.errors": "true",
        # Literal: one sink writes one table, whatever its topic is called.
        "collection.name.format": place,
        "quote.identifiers": "true",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "truncate.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "use.reduction.buffer": "true" if is_reduced else "false",
        "flush.max.retries": "20",
        "flush.retry.delay.ms": "2000",
        "errors.tolerance": "none",
        "header.converter": _HEADERS,
        "value.converter": _JSON,
        "value.converter.replace.null.with.default": "false",
        # A gap in the topic is then a failed task, never a silent skip.
        "consumer.override.auto.offset.reset": "none",
        "consumer.override.session.timeout.ms": "10000",
        "consumer.override.metadata.max.age.ms": "30000",
        **(_LARGER_BATCHES if target.connection.kind == "sqlserver" else {}),
    }
    if fitting:
        config |= {
            "transforms": "fit",
            "transforms.fit.type": FITTING_CLASS,
            "transforms.fit.columns": ",".join(f"{_encoded(column)}:{kind}" for column, kind in fitting.items()),
        }
    return config


def login_config(target: Endpoint, credentials: ConnectorCredentials) -> Mapping[str, str]:
    """What LOGIN_CLASS validates: the address of a target's sinks and their login; no connector is made of it."""
    application = "cdc_assets check"
    is_sqlserver = target.connection.kind == "sqlserver"
    return {
        "name": "cdc_assets_check",
        "topics": "cdc_assets_check",
        "connection.url": _sqlserver_url(target, application=application)
        if is_sqlserver
        else _jdbc_url(target, application=application, rewrites=False),
        "connection.username": credentials.user,
        "connection.password": credentials.password,
    }


def sink_application(sink_connector: str) -> str:
    """The `application_name` of a sink's sessions: its name, shortened with a mark where PostgreSQL would cut it."""
    if len(sink_connector.encode()) <= _MAX_APPLICATION_BYTES:
        return sink_connector
    mark = sha256(sink_connector.encode()).hexdigest()[:8]
    return f"{sink_connector[: _MAX_APPLICATION_BYTES - 9]}_{mark}"


def unusable_key_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that cannot be part of a key named in the file: `message.key.columns` has no escape for them."""
    return tuple(column for column in columns if set(column) & set(":;,") or column != column.strip() or " " in column)


def unusable_target_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that the sink connector cannot write: it does not double quotes, and `${` begins a placeholder."""
    return tuple(name for name in names if '"' in name or "${" in name)


def _encoded(name: str) -> str:
    return quote(name, safe="")


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


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _plain_or_quoted(identifier: str) -> str:
    return identifier if _PLAIN_NAME.fullmatch(identifier) else _quoted(identifier)


def _sqlserver_url(target: Endpoint, *, application: str) -> str:
    address = SqlServerAddress.of(target, as_connect_sees_it=True)
    return address.jdbc({"applicationName": application, **_SQLSERVER_SESSION})


def _address(connection: Connection) -> tuple[str, int]:
    return connection.connect_host or connection.host, connection.connect_port or connection.port


def _jdbc_url(target: Endpoint, *, application: str, rewrites: bool) -> str:
    host, port = _address(target.connection)
    host = f"[{host}]" if ":" in host else host
    parameters = {
        # Enums, inet, ranges and the like travel as text; the server casts them.
        "stringtype": "unspecified",
        "ApplicationName": application,
        "connectTimeout": "10",
        "socketTimeout": "60",
        "tcpKeepAlive": "true",
        "options": f"{_SINK_SESSION} {_VALUE_SESSION}",
        # Else a refused row stands in the task's trace, which Connect shows to everybody, and in the worker's log.
        "logServerErrorDetail": "false",
        "sslmode": target.connection.tls.mode,
    }
    if rewrites:
        parameters["reWriteBatchedInserts"] = "true"
    if target.connection.tls.ca_file is not None:
        parameters["sslrootcert"] = str(target.connection.tls.ca_file)
    return f"jdbc:postgresql://{host}:{port}/{quote(target.database, safe='')}?{urlencode(parameters, quote_via=quote)}"
