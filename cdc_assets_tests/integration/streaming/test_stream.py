"""The configurations on real servers: what is written in the source arrives, whatever the tables are called."""

import psycopg
import pytest
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.errors import ConnectorError, KafkaError
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.streaming.conftest import MakeStream
from cdc_assets_tests.services.stream import Stream, same_name
from cdc_assets_tests.services.workload import differences

ODD = ("t", "T", "We ird", "Größe", "c,d", "e.f", "x|y$", "😀")


def _quoted(name: str) -> str:
    return f'"{name}"'


def test_odd_table_names_arrive_each_in_its_own_table(stream_of: MakeStream) -> None:
    ddl = ";".join(f"CREATE TABLE {_quoted(name)} (id int PRIMARY KEY, \"Wert x\" text DEFAULT 'd')" for name in ODD)
    stream: Stream = stream_of(ddl, *same_name(*ODD))
    stream.start_source()
    stream.start_sinks()
    with psycopg.connect(stream.databases.source_url) as session:
        for number, name in enumerate(ODD):
            session.execute(f"INSERT INTO {_quoted(name)} VALUES (1, %s), (2, NULL)".encode(), [f"row of {number}"])
        session.commit()
        for name in ODD:
            session.execute(f'UPDATE {_quoted(name)} SET "Wert x" = "Wert x" || \'!\' WHERE id = 1'.encode())
            session.execute(f"UPDATE {_quoted(name)} SET id = 3 WHERE id = 2".encode())
    stream.wait_until_applied()
    assert differences(stream.databases.source_url, stream.databases.target_url, schema="dbo", tables=ODD) == {}


def test_reserved_words_and_odd_columns_arrive(stream_of: MakeStream) -> None:
    ddl = """CREATE TABLE "select" ("order" int PRIMARY KEY, "user" text, "Upper" text, "from;x" text, "a.b" text,
        "$1" text, "100%" text, "it's" text)"""
    stream: Stream = stream_of(ddl, *same_name("select"))
    stream.start_source()
    stream.start_sinks()
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("""INSERT INTO "select" VALUES (1, 'lower', 'upper', 'c', 'd', 'e', 'f', 'g')""")
        session.execute("""INSERT INTO "select" VALUES (2, NULL, 'upper', 'c', 'd', 'e', 'f', 'g')""")
        session.execute("""UPDATE "select" SET "Upper" = 'changed', "it's" = NULL WHERE "order" = 1""")
    stream.wait_until_applied()
    found = differences(stream.databases.source_url, stream.databases.target_url, schema="dbo", tables=("select",))
    assert found == {}


def test_truncate_and_a_key_named_in_the_file_arrive(stream_of: MakeStream) -> None:
    ddl = """CREATE TABLE k (tenant int NOT NULL, no int NOT NULL, v text, UNIQUE (tenant, no));
        CREATE TABLE e (id int PRIMARY KEY)"""
    stream: Stream = stream_of(
        ddl, TableMapping(TableName("public", "k"), TableName("dbo", "k"), key=("tenant", "no")), *same_name("e")
    )
    stream.start_source()
    stream.start_sinks()
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("INSERT INTO k SELECT g, g, 'old' FROM generate_series(1, 100) g; INSERT INTO e VALUES (1)")
        session.execute("TRUNCATE k, e; INSERT INTO k VALUES (1, 1, 'new'), (2, 2, 'gone')")
        session.execute("UPDATE k SET v = 'newer' WHERE no = 1; DELETE FROM k WHERE no = 2")
    stream.wait_until_applied()
    with psycopg.connect(stream.databases.target_url) as session:
        assert session.execute("SELECT * FROM dbo.k").fetchall() == [(1, 1, "newer")]
        assert session.execute("SELECT * FROM dbo.e").fetchall() == []


def test_every_start_of_the_source_has_an_offset_key_of_its_own(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    stream.start_source()
    stream.start_sinks()
    stream.wait_until_applied()
    before = _offset_keys(stream)
    stream.connect.stop([stream.names.source_connector])
    stream.connect.resume(stream.names.source_connector)
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("INSERT INTO t VALUES (1)")
    stream.wait_until_applied()
    after = _offset_keys(stream)
    assert len(before) == 1
    assert before < after


def test_a_stopped_source_lets_go_of_its_slot_and_the_sinks_of_the_target(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    stream.start_source()
    stream.start_sinks()
    stream.wait_until_applied()
    names = [stream.names.source_connector, *stream.sinks]
    stream.connect.stop(names)
    reports = stream.connect.reports()
    assert all(reports[name].is_stopped for name in names)
    stream.connect.stop([*names, "never_made"])


def test_a_failed_task_is_seen_with_its_cause_though_the_connector_says_running(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY, v text)", *same_name("t"))
    with psycopg.connect(stream.databases.target_url, autocommit=True) as session:
        session.execute("ALTER TABLE dbo.t ALTER COLUMN v TYPE varchar(3)")
    stream.start_source()
    stream.start_sinks()
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("INSERT INTO t VALUES (1, 's3cret value')")
    report = _failed(stream, next(iter(stream.sinks)))
    assert report.state == "RUNNING"
    assert report.failure == "PSQLException: ERROR: value too long for type character varying(3)"


def test_a_gap_in_the_topic_fails_and_is_not_skipped(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    (sink,) = stream.sinks
    stream.connect.ensure_stopped_connector(sink, stream.sink_settings(sink))
    stream.connect.resume(sink)
    assert "NoOffsetForPartition" in (_failed(stream, sink).failure or "")


def test_a_missing_slot_is_not_what_the_connector_was_asked_to_run_on(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    assert stream.connect.delivered_lsn("never_made") is None
    with pytest.raises(ConnectorError):
        stream.connect.resume("never_made")


def test_deleting_leaves_nothing_behind(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    stream.start_source()
    stream.start_sinks()
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("INSERT INTO t VALUES (1)")
    stream.wait_until_applied()
    for name in [stream.names.source_connector, *stream.sinks]:
        stream.connect.delete(name)
        stream.connect.delete(name)
    stream.kafka.delete_groups([f"connect-{sink}" for sink in stream.sinks])
    stream.kafka.delete_topics([*stream.sinks.values(), stream.names.heartbeat_topic])
    assert not [name for name in stream.connect.reports() if name.startswith(stream.names.root)]
    assert stream.kafka.topics_like(stream.names.root) == ()
    assert stream.kafka.groups_like(f"connect-{stream.names.root}") == ()
    # A connector of the same name finds no old position.
    stream.connect.ensure_stopped_connector(stream.names.source_connector, stream.source_settings())
    assert stream.connect.delivered_lsn(stream.names.source_connector) is None


def test_topics_that_could_lose_records_are_refused(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    (topic,) = stream.sinks.values()
    stream.kafka.ensure_topics([topic], heartbeat=stream.names.heartbeat_topic)
    _set_retention(stream, topic, "60000")
    with pytest.raises(KafkaError, match=r"could lose records: retention.ms=60000"):
        stream.kafka.ensure_topics([topic], heartbeat=stream.names.heartbeat_topic)


def test_validation_names_what_connect_does_not_accept(stream_of: MakeStream) -> None:
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY)", *same_name("t"))
    config = dict(stream.source_settings())
    assert stream.connect.validate(config["connector.class"], {**config, "name": "x"}) == ()
    problems = stream.connect.validate(config["connector.class"], {**config, "name": "x", "slot.name": "Not A Slot"})
    assert any("slot.name" in problem for problem in problems)


def _failed(stream: Stream, connector: str) -> ConnectorReport:
    waiting = Retrying(
        stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_not_result(lambda report: report.failure)
    )
    return waiting(lambda: stream.connect.reports()[connector])


def _offset_keys(stream: Stream) -> set[str]:
    return {row["partition"]["server"] for row in stream.connect._offsets(stream.names.source_connector)}


def _set_retention(stream: Stream, topic: str, value: str) -> None:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # noqa: PLC0415
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        ResourceType,
    )

    entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
    changes = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    for future in stream.kafka._admin.incremental_alter_configs(changes).values():
        future.result()


def test_rows_of_a_table_that_was_empty_at_first_are_found_by_their_key(bench: StreamBench) -> None:
    """Else a stream into a new table gets slower with every row."""
    deleted = 100
    bench.source("CREATE TABLE grows (id int PRIMARY KEY, v text)")
    pipeline = bench.pipeline("grows")
    bench.sync(pipeline)
    # A plan is kept from a statement's fifth use on: this is the moment for one that suits a table of ten rows.
    bench.source("INSERT INTO grows SELECT n, 'x' FROM generate_series(1, 60) n")
    bench.source("DELETE FROM grows WHERE id <= 50")
    bench.until_equal("grows")
    before = _searches(bench, "grows")
    bench.source("INSERT INTO grows SELECT n, 'x' FROM generate_series(1000, 5000) n")
    bench.source(f"DELETE FROM grows WHERE id BETWEEN 1000 AND {999 + deleted}")
    bench.until_equal("grows")

    # A session tells its figures when it rests.
    waiting = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_not_result(bool))
    waiting(lambda: sum(_searches(bench, "grows")) - sum(before) >= deleted)
    through_all = _searches(bench, "grows")[1] - before[1]
    assert through_all < deleted / 2, f"to delete {deleted} rows the whole table was looked through {through_all} times"


def _searches(bench: StreamBench, table: str) -> tuple[int, int]:
    """How often rows of a target table were looked for by its key, and through all of it."""
    ((by_key, of_all),) = bench.target(
        "SELECT sum(i.idx_scan)::int, t.seq_scan::int FROM pg_stat_user_tables t"
        f" JOIN pg_stat_user_indexes i USING (relid) WHERE t.relname = '{table}' GROUP BY t.seq_scan"
    )
    return int(str(by_key)), int(str(of_all))
