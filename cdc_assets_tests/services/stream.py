"""A stream of one's own for tests of the streaming part alone, with the product's own configurations.

Nothing is loaded: the tables are empty when the slot is made, so everything in the target has come through the stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets
from cdc_assets.adapters.kafka import Kafka
from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.model.marker import Marker
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Pipeline, SecretReference
from cdc_assets.model.position import Lsn
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.planning.sink_connector import sink_config
from cdc_assets.planning.source_connector import CapturedTable, source_config
from cdc_assets.stages.marker import MarkerView, look
from cdc_assets_tests.services.servers import PASSWORD, Databases


def endpoint(url: str, schema: str, *, connection: str) -> Endpoint:
    """The database of a URL as a pipeline names it."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    assert parts.username
    login = Connection(
        connection, "postgres", parts.hostname, parts.port, parts.username, SecretReference(env=connection)
    )
    return Endpoint(login, parts.path.lstrip("/"), schema)


@dataclass(frozen=True)
class Stream:
    """One source connector and a sink a table, not yet made."""

    databases: Databases
    pipeline: Pipeline
    names: PipelineNames
    connect: KafkaConnect
    kafka: Kafka
    secrets: EmbeddedConnectSecrets

    @property
    def sinks(self) -> Mapping[str, str]:
        """Sink connector -> topic."""
        return {
            self.names.sink_connector(position, mapping): self.names.topic(mapping.source)
            for position, mapping in enumerate(self.pipeline.tables)
        }

    def prepare(self) -> None:
        """Make publication, slot and topics."""
        with psycopg.connect(self.databases.source_url, autocommit=True) as session:
            tables = sql.SQL(", ").join(sql.Identifier(t.source.schema, t.source.name) for t in self.pipeline.tables)
            for mapping in self.pipeline.tables:
                session.execute(
                    sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(
                        sql.Identifier(mapping.source.schema, mapping.source.name)
                    )
                )
            session.execute(
                sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root=true)").format(
                    sql.Identifier(self.names.publication), tables
                )
            )
            session.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [self.names.slot])
        self.kafka.ensure_topics(list(self.sinks.values()), heartbeat=self.names.heartbeat_topic)

    def source_settings(self) -> Mapping[str, str]:
        """The source connector's configuration."""
        tables = [CapturedTable(mapping.source, key=mapping.key) for mapping in self.pipeline.tables]
        login = self.secrets.ensure(self.pipeline.source.connection)
        return source_config(self.pipeline, self.names, tables, login)

    def start_source(self) -> None:
        """Make the source connector run."""
        self.connect.ensure_stopped_connector(self.names.source_connector, self.source_settings())
        self.connect.resume(self.names.source_connector)

    def sink_settings(self, sink: str) -> Mapping[str, str]:
        """A sink connector's configuration."""
        position = list(self.sinks).index(sink)
        login = self.secrets.ensure(self.pipeline.target.connection)
        return sink_config(
            self.pipeline.tables[position],
            self.pipeline.target,
            login,
            name=sink,
            topic=self.sinks[sink],
            keeps_events_apart=False,
        )

    def start_sinks(self) -> None:
        """Make a sink a table run from the beginning of its topic."""
        for sink, topic in self.sinks.items():
            self.connect.ensure_stopped_connector(sink, self.sink_settings(sink))
            self.connect.set_sink_offset(sink, topic, 0)
            self.connect.resume(sink)

    def emit_marker(self) -> Marker:
        """Write a marker in the source."""
        with psycopg.connect(self.databases.source_url, autocommit=True) as session:
            row = session.execute("SELECT pg_logical_emit_message(true, 'cdc_assets', 'm')::text").fetchone()
        assert row
        return Marker(Lsn.parse(str(row[0])))

    def wait_until_applied(self, *, seconds: float = 120) -> MarkerView:
        """Return when everything committed before this call is in the target."""
        marker = self.emit_marker()

        def step() -> MarkerView:
            nonlocal marker
            for name, report in self.connect.reports().items():
                assert not (name.startswith(self.names.root) and report.failure), f"{name}: {report.failure}"
            view = look(
                marker,
                source_connector=self.names.source_connector,
                sinks=self.sinks,
                connect=self.connect,
                kafka=self.kafka,
            )
            marker = view.marker
            return view

        waiting = Retrying(
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.2),
            retry=retry_if_not_result(lambda view: view.has_passed),
        )
        return waiting(step)


def make_stream(
    databases: Databases,
    *,
    connect_url: str,
    kafka_bootstrap: str,
    secrets_dir: Path,
    tables: Sequence[TableMapping],
) -> Stream:
    """A stream for these tables, under names of its own."""
    pipeline = Pipeline(
        name="stream",
        mode=Mode.CDC_ONLY,
        source=endpoint(databases.source_url, "public", connection="source"),
        target=endpoint(databases.target_url, "dbo", connection="target"),
        tables=tuple(tables),
    )
    return Stream(
        databases=databases,
        pipeline=pipeline,
        names=pipeline_names(pipeline, 1, token_hex(3)),
        connect=KafkaConnect(connect_url),
        kafka=Kafka(kafka_bootstrap),
        secrets=EmbeddedConnectSecrets(secrets_dir, lambda _: PASSWORD),
    )


def same_name(*names: str, schema: str = "public") -> tuple[TableMapping, ...]:
    """Tables that keep their names in schema dbo."""
    return tuple(TableMapping(TableName(schema, name), TableName("dbo", name)) for name in names)
