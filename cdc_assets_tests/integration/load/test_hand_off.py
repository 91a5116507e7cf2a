"""What the load leaves in the source for the stream, and that it never breaks its owner's writes."""

from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka import Producer

from cdc_assets.adapters.kafka import Kafka
from cdc_assets.model.errors import SlotError, SourceError
from cdc_assets.model.status import TableState
from cdc_assets.model.table import TableName
from cdc_assets_tests.integration.load.bench import ONE_STREAM, LoadBench, after_chunks
from cdc_assets_tests.services.servers import PASSWORD, Databases

_IDENTITIES = """
SELECT relname::text, relreplident::text FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
_PARTITIONED = """
CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (id int NOT NULL, v text NOT NULL);
CREATE UNIQUE INDEX "by, value=" ON p2 (v);
ALTER TABLE p2 REPLICA IDENTITY USING INDEX "by, value=";
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT g, g FROM generate_series(0, 19) g;
"""


def test_identities_are_full_and_can_be_put_back(bench_each: LoadBench) -> None:
    bench = bench_each
    bench.source(_PARTITIONED)
    pipeline = bench.pipeline("p")

    bench.start(pipeline)

    assert bench.source(_IDENTITIES) == [("p", "f"), ("p1", "f"), ("p2", "f")]
    recorded = bench.record().table("p").original_identities
    assert set(recorded) == {"public.p", "public.p1", "public.p2"}
    with bench.run(pipeline) as context:
        context.source.restore_replica_identity(
            {TableName(*leaf.split(".")): identity for leaf, identity in recorded.items()}
            | {TableName("public", "dropped"): "d"}
        )
    assert bench.source(_IDENTITIES) == [("p", "d"), ("p1", "d"), ("p2", "i")]


def test_the_publication_sends_all_tables_of_the_file_through_the_root(bench_each: LoadBench) -> None:
    bench = bench_each
    bench.source(_PARTITIONED + "CREATE TABLE refused (id int PRIMARY KEY, at regclass)")

    bench.start(bench.pipeline("p", "refused"))

    record = bench.record()
    assert bench.source("SELECT pubname::text, pubviaroot, pubtruncate FROM pg_publication") == [
        (record.publication_name, True, True)
    ]
    published = "SELECT tablename::text FROM pg_publication_tables ORDER BY 1"
    assert bench.source(published) == [("p",), ("refused",)]
    # Its changes are kept from now on, for the day it can be loaded.
    assert record.table("refused").state is TableState.FAILED
    assert record.table("refused").captured_from_lsn == record.table("p").captured_from_lsn


_GENERATED = """
CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (2 * id) STORED); INSERT INTO t VALUES (1);
"""


def test_the_owner_of_a_generated_column_can_still_write(bench_each: LoadBench) -> None:
    bench = bench_each
    bench.source(_GENERATED)

    assert bench.start(bench.pipeline("t"))["t"].error is None

    bench.source("UPDATE t SET id = 2; DELETE FROM t")
    assert bench.source("SELECT relreplident::text FROM pg_class WHERE relname = 't'") == [("f",)]


def test_a_publication_of_somebody_else_that_would_break_writes_is_named_and_nothing_breaks(bench: LoadBench) -> None:
    bench.source(_GENERATED + "CREATE PUBLICATION theirs FOR TABLE t")

    with pytest.raises(SourceError, match=r"the owner of public\.t could no longer UPDATE it"):
        bench.start(bench.pipeline("t"))

    bench.source("UPDATE t SET id = 2")
    assert bench.source("SELECT relreplident::text FROM pg_class WHERE relname = 't'") == [("d",)]


def test_a_virtual_generated_column_never_breaks_writes(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (2 * id) VIRTUAL)")

    with pytest.raises(SourceError, match="could no longer UPDATE"):
        bench.start(bench.pipeline("t"))

    bench.source("INSERT INTO t VALUES (1); UPDATE t SET id = 2")


def test_a_slot_that_is_gone_is_never_made_again_under_loaded_tables(bench: LoadBench) -> None:
    bench.source(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g FROM generate_series(1, 2000) g;"
        "CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)"
    )
    pipeline = bench.pipeline("t", "u", options=ONE_STREAM)
    bench.start(pipeline, progress=after_chunks(3, lambda: bench.target("DELETE FROM dbo.t")))
    assert bench.record().table("u").state is TableState.LOADED
    bench.source(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
    )

    with pytest.raises(SlotError, match="is gone"):
        bench.start(pipeline)

    assert bench.source("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []
    record = bench.record()
    assert record.table("u").state is TableState.RESYNC_REQUIRED
    assert record.table("u").last_error_code == "SLOT_UNUSABLE"


def test_a_table_loaded_later_begins_in_its_topic_where_the_topic_ended_before_its_view(
    bench: LoadBench, kafka_bootstrap: str
) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 2000)")
    pipeline = bench.pipeline("t", options=ONE_STREAM)
    bench.start(pipeline, progress=after_chunks(3, lambda: bench.target("DELETE FROM dbo.t")))
    assert bench.record().table("t").start_offset == 0
    root = bench.record().slot_name
    topic = f"{root}.public.t"
    Kafka(kafka_bootstrap).ensure_topics([topic], heartbeat=f"__debezium-heartbeat.{root}")
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for _ in range(7):
        producer.produce(topic, b"x")
    producer.flush(30)

    bench.start(pipeline)

    table = bench.record().table("t")
    assert table.state is TableState.LOADED
    assert table.start_offset == 7
    assert table.load_lsn is not None
    assert table.captured_from_lsn is not None
    assert table.load_lsn > table.captured_from_lsn
    Kafka(kafka_bootstrap).delete_topics([topic, f"__debezium-heartbeat.{root}"])


def test_a_publication_of_the_owner_is_used_and_must_have_every_table(bench: LoadBench) -> None:
    bench.source(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); CREATE PUBLICATION own FOR TABLE t"
    )
    pipeline = bench.pipeline("t", "u", publication="own")

    with pytest.raises(SourceError, match=r"publication own lacks public\.u"):
        bench.start(pipeline)
    bench.source("ALTER PUBLICATION own ADD TABLE u")

    assert [outcome.error for outcome in bench.start(pipeline).values()] == [None, None]
    assert bench.source("SELECT pubname::text FROM pg_publication") == [("own",)]


def test_an_ordinary_role_is_enough(bench_each: LoadBench) -> None:
    bench = bench_each
    role = urlsplit(bench.databases.source_url).path.strip("/") + "_role"
    for url in (bench.databases.source_url, bench.databases.target_url):
        database = url.rpartition("/")[2]
        with psycopg.connect(url, autocommit=True) as session:
            if url == bench.databases.source_url:
                session.execute(f"CREATE ROLE {role} LOGIN REPLICATION PASSWORD '{PASSWORD}'".encode())
            session.execute(f"GRANT CREATE ON DATABASE {database} TO {role}".encode())
    bench.source(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role};" + _PARTITIONED)
    admin = bench.databases
    bench.databases = Databases(
        source_url=admin.source_url.replace("//cdc:", f"//{role}:"),
        target_url=admin.target_url.replace("//cdc:", f"//{role}:"),
        state_url=admin.state_url,
    )
    pipeline = bench.pipeline("p")

    assert bench.start(pipeline)["p"].error is None

    with bench.run(pipeline) as context:
        server = context.source.server()
        assert (server.role, server.is_superuser, server.may_replicate, server.is_pooled) == (role, False, True, False)
        assert context.target.server().may_create_schema
        context.source.drop_publication(context.names().publication)
        context.source.drop_slot(context.names().slot)
    bench.databases = admin
    for url in (admin.source_url, admin.target_url):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(f"DROP OWNED BY {role} CASCADE".encode())
    bench.source(f"DROP ROLE {role}")
