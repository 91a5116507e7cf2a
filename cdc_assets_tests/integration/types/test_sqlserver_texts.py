"""What a stream sends to a SQL Server target is what a load reads for it, value by value; no SQL Server is needed.

The text in the topic is compared with the load's own expression on the source, for every type and edge. And what the
sink makes of numbers is shown with a PostgreSQL target: they arrive to the digit, or the sink stops.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.postgres import PostgresSource
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.dialects.postgres import SESSION_SETTINGS
from cdc_assets.dialects.sqlserver_types import sqlserver_type
from cdc_assets.dialects.type_registry import TypeVerdict, Verdict, judge
from cdc_assets.model.table import ColumnDefinition, TableDefinition
from cdc_assets.planning.sink_connector import sink_config
from cdc_assets.planning.source_connector import CapturedTable, source_config
from cdc_assets.stages.captured_tables import captured_table, fitting_values
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.services.servers import PASSWORD, Databases, delete_connectors
from cdc_assets_tests.services.stream import Stream, make_stream, same_name

_ALL = zoo.STREAMED


@dataclass(frozen=True)
class TowardsSqlServer(Stream):
    """A stream whose source connector is configured for a SQL Server target."""

    def definitions(self) -> Mapping[str, TableDefinition]:
        """The tables as the source's catalog has them."""
        source = PostgresSource(
            self.pipeline.source, password=PASSWORD, pipeline=self.pipeline.name, epoch=0, clock=SystemClock()
        )
        found = source.describe([mapping.source for mapping in self.pipeline.tables])
        return {table.name.name: table for table in found.values()}

    def sink_settings(self, sink: str) -> Mapping[str, str]:
        """With what makes numbers of text."""
        position = list(self.sinks).index(sink)
        mapping = self.pipeline.tables[position]
        return sink_config(
            mapping,
            self.pipeline.target,
            self.secrets.ensure(self.pipeline.target.connection),
            name=sink,
            topic=self.sinks[sink],
            keeps_events_apart=False,
            fitting=fitting_values(self.definitions()[mapping.source.name], mapping, product="sqlserver"),
        )

    def source_settings(self) -> Mapping[str, str]:
        """With the columns that travel as text."""
        definitions = self.definitions()
        tables: list[CapturedTable] = [
            captured_table(definitions[mapping.source.name], mapping, has_converter=True, product="sqlserver")
            for mapping in self.pipeline.tables
        ]
        login = self.secrets.ensure(self.pipeline.source.connection)
        return source_config(self.pipeline, self.names, tables, login)


MakeStream = Callable[..., TowardsSqlServer]


@pytest.fixture
def stream_of(
    databases: Databases, connect_url: str, kafka_bootstrap: str, connect_secrets_dir: Path
) -> Iterator[MakeStream]:
    """Makes a stream for tables of these names."""

    def make(*tables: str) -> TowardsSqlServer:
        made = make_stream(
            databases,
            connect_url=connect_url,
            kafka_bootstrap=kafka_bootstrap,
            secrets_dir=connect_secrets_dir,
            tables=same_name(*tables),
        )
        return TowardsSqlServer(**{name: getattr(made, name) for name in made.__dataclass_fields__})

    yield make
    delete_connectors(connect_url)


def test_the_stream_sends_the_text_that_a_load_reads(
    databases: Databases, kafka_bootstrap: str, stream_of: MakeStream
) -> None:
    url = databases.source_url
    zoo.hostile(url)
    zoo.create(url, _ALL)
    stream: TowardsSqlServer = stream_of(*_ALL)
    stream.prepare()
    zoo.fill(url, _ALL, first_id=1)
    stream.start_source()
    compared: set[str] = set()
    found: list[str] = []
    for table, values in _ALL.items():
        definition = stream.definitions()[table]
        columns = [column for column in definition.columns if column.name != "id" and _is_text(column)]
        wanted = _loaded(url, table, {column.name: _verdict(column) for column in columns})
        sent = _sent(stream, kafka_bootstrap, table, zoo.edges(values) + 1)
        found += [
            f"{column.type.formatted}: a load reads {wanted[row][column.name]!r:.80}, the stream sends "
            f"{sent[row][column.name]!r:.80}"
            for row in wanted
            for column in columns
            if wanted[row][column.name] is not _LEFT_OUT and wanted[row][column.name] != sent[row][column.name]
        ]
        compared |= {column.type.base for column in columns}
    assert found == [], "\n".join(found)
    assert len(compared) > 100


_NUMBERS = "id numeric(4,1) PRIMARY KEY, f float8 DEFAULT 7, r real, d numeric(10,2) DEFAULT 7, free numeric(38,10)"
_Row = tuple[int, str | None, str | None, str | None, str | None]
_GOOD: tuple[_Row, ...] = (
    (1, "0.30000000000000004", "0.1", "99999999.99", "1234567890123456789012345678.0123456789"),
    (2, "2.2250738585072014e-308", "1.1754944e-38", "-0.01", "-1e-10"),
    (3, "-1.7976931348623157e308", "3.4028235e38", "0", "1e27"),
    (4, None, None, None, None),
    (5, "-0", "-0", "1.5", "1.10"),
)
_BAD: Mapping[str, _Row] = {
    "nan": (9, "NaN", None, None, None),
    "infinite": (9, None, "-Infinity", None, None),
    "no_number": (9, None, None, "NaN", None),
    "no_limit": (9, None, None, None, "Infinity"),
    "too_exact": (9, None, None, None, "0.00000000001"),
    "too_large": (9, None, None, None, "1e28"),
    "too_near_to_zero": (9, "5e-324", None, None, None),
    "too_near_to_zero_for_a_real": (9, None, "-1e-45", None, None),
}


def test_a_number_that_the_target_cannot_hold_stops_its_sink_and_all_others_arrive(
    databases: Databases, stream_of: MakeStream
) -> None:
    with (
        psycopg.connect(databases.source_url, autocommit=True) as source,
        psycopg.connect(databases.target_url, autocommit=True) as target,
    ):
        target.execute("CREATE SCHEMA dbo")
        for table in _BAD:
            # As a SQL Server would have them: `free` is declared on the target only.
            source.execute(f"CREATE TABLE {table} ({_NUMBERS.replace('numeric(38,10)', 'numeric')})".encode())
            target.execute(f"CREATE TABLE dbo.{table} ({_NUMBERS})".encode())
        stream = stream_of(*_BAD)
        stream.prepare()
        for table in _BAD:
            for row in _GOOD:
                source.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)".encode(), row)
            source.execute(f"UPDATE {table} SET f = f WHERE id < 4; DELETE FROM {table} WHERE id = 3".encode())
        stream.start_source()
        stream.start_sinks()
        stream.wait_until_applied()
        for table in _BAD:
            rows = "SELECT id::text, f::text, r::text, d::text, free::numeric(38,10)::text FROM {} ORDER BY id"
            there = target.execute(rows.format(f"dbo.{table}").encode()).fetchall()
            assert there == source.execute(rows.format(table).encode()).fetchall()
            assert len(there) == len(_GOOD) - 1

        for table, row in _BAD.items():
            source.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)".encode(), row)
        waiting = Retrying(
            stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_result(lambda number: number < len(_BAD))
        )
        waiting(lambda: sum("cannot hold" in why for why in _failures(stream).values()))
        for table in _BAD:
            assert target.execute(f"SELECT count(*) FROM dbo.{table} WHERE id = 9".encode()).fetchone() == (0,)


def test_a_key_that_ends_in_a_blank_stops_its_sink_before_it_takes_the_row_of_another(
    databases: Databases, stream_of: MakeStream
) -> None:
    with (
        psycopg.connect(databases.source_url, autocommit=True) as source,
        psycopg.connect(databases.target_url, autocommit=True) as target,
    ):
        target.execute("CREATE SCHEMA dbo")
        table = "k text, n char(3), v text, PRIMARY KEY (k, n)"
        source.execute(f"CREATE TABLE t ({table})".encode())
        target.execute(f"CREATE TABLE dbo.t ({table})".encode())
        stream = stream_of("t")
        stream.prepare()
        source.execute("INSERT INTO t VALUES ('a', 'n', 'one'), (' b', 'n', 'two '), ('', 'n', NULL)")
        stream.start_source()
        stream.start_sinks()
        stream.wait_until_applied()
        rows = "SELECT k, n, v FROM {} ORDER BY k"
        there = target.execute(rows.format("dbo.t").encode()).fetchall()
        assert there == source.execute(rows.format("t").encode()).fetchall()

        source.execute("INSERT INTO t VALUES ('a ', 'n', 'another')")
        waiting = Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.5), retry=retry_if_result(lambda why: not why))
        why = waiting(lambda: "".join(_failures(stream).values()))
        assert "column k has a value that the target cannot hold as it is" in why
        assert "another" not in why
        assert target.execute(rows.format("dbo.t").encode()).fetchall() == there


def _failures(stream: Stream) -> Mapping[str, str]:
    return {name: report.failure or "" for name, report in stream.connect.reports().items() if name in stream.sinks}


_LEFT_OUT = object()


def _verdict(column: ColumnDefinition) -> TypeVerdict:
    return judge(column, target_schema="dbo", product="sqlserver")


def _is_text(column: ColumnDefinition) -> bool:
    """Whether it is text in the target, and let into the stream."""
    return (
        sqlserver_type(column.type, is_key=False).target.startswith("nvarchar")
        and _verdict(column).verdict is not Verdict.REFUSED
    )


def _loaded(url: str, table: str, verdicts: Mapping[str, TypeVerdict]) -> dict[int, dict[str, object]]:
    """Each row's values as a load reads them; what the preflight finds to be inexact is left out."""
    with psycopg.connect(url, autocommit=True) as session:
        for name in ("datestyle", "intervalstyle", "timezone", "extra_float_digits", "bytea_output"):
            session.execute("SELECT set_config(%s, %s, false)", (name, SESSION_SETTINGS[name]))
        rows: dict[int, dict[str, object]] = {}
        for name, verdict in verdicts.items():
            inexact = verdict.inexact_condition or "false"
            # `concat` keeps the blanks of a padded text, a cast does not; of NULL it makes an empty text.
            value = f"CASE WHEN ({verdict.select_sql}) IS NOT NULL THEN concat({verdict.select_sql}) END"
            query = f"SELECT id, {value}, coalesce({inexact}, false) FROM {table}"
            for number, text, is_inexact in session.execute(query.encode()):
                rows.setdefault(number, {})[name] = _LEFT_OUT if is_inexact else text
        return rows


def _sent(stream: Stream, kafka_bootstrap: str, table: str, count: int) -> dict[int, dict[str, object]]:
    """Each row's values as the topic has them."""
    topic = stream.names.topic(next(m.source for m in stream.pipeline.tables if m.source.name == table))
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "looks", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        rows: dict[int, dict[str, object]] = {}
        waiting = Retrying(stop=stop_after_delay(120), wait=wait_fixed(0), retry=retry_if_result(lambda n: n < count))

        def read() -> int:
            for message in consumer.consume(100, timeout=1):
                after = json.loads(message.value() or b"")["payload"]["after"]
                rows[after["id"]] = after
            return len(rows)

        waiting(read)
    finally:
        consumer.close()
    return rows
