"""Columns that the file excludes reach neither the target nor Kafka, and everything else of their rows does."""

from dataclasses import replace

from confluent_kafka import Consumer, TopicPartition
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.table import TableMapping
from cdc_assets.stages import plan as planning
from cdc_assets.stages.preflight import Neighbours, preflight
from cdc_assets_tests.integration.load.bench import mapping
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import PASSWORD

_SECRET = "rather-secret"
_TABLE = f"""
CREATE TABLE people (
    id int PRIMARY KEY, name text, "No,te. $x" text DEFAULT '{_SECRET}', place point, salary int,
    twice int GENERATED ALWAYS AS (salary * 2) STORED, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE INDEX by_salary ON people (salary); CREATE INDEX by_name ON people (name);
INSERT INTO people SELECT g, 'n' || g, '{_SECRET}' || g, point(g, g), g FROM generate_series(1, 50) g;
"""
_EXCLUDED = ("No,te. $x", "place", "salary", "twice")


def test_excluded_columns_are_not_made_not_loaded_and_not_sent(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.source(_TABLE)
    people: TableMapping = replace(mapping("people"), excluded=_EXCLUDED)
    pipeline = bench.pipeline(people)
    bench.sync(pipeline)
    bench.source(
        f"""
        INSERT INTO people VALUES (100, 'new', '{_SECRET}', '(1,2)', 7);
        UPDATE people SET name = name || '!' WHERE id <= 10;
        UPDATE people SET "No,te. $x" = '{_SECRET}', salary = salary + 1 WHERE id > 40;
        UPDATE people SET id = id + 1000 WHERE id = 20;
        DELETE FROM people WHERE id = 30;
        """
    )
    kept = "SELECT id, name, upper_name FROM {}.people ORDER BY id"
    waiting = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.3), retry=retry_if_not_result(bool))
    waiting(lambda: bench.target(kept.format("dbo")) == bench.source(kept.format("public")))

    columns = bench.target(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'dbo.people'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert columns == [("id",), ("name",), ("upper_name",)]
    indexes = bench.target("SELECT indexname FROM pg_indexes WHERE tablename = 'people' ORDER BY 1")
    assert [name for (name,) in indexes if "salary" in str(name)] == []
    records = _records(bench, bench.names(pipeline).topic(people.source))
    assert records
    assert not [record for record in records if _SECRET.encode() in record or b"salary" in record]
    _assert_that_a_changed_list_is_refused(bench, people)
    # Whole rows are published: a column list would break the owner's updates.
    assert bench.source("SELECT bool_or(prattrs IS NOT NULL) FROM pg_publication_rel") == [(False,)]


def _assert_that_a_changed_list_is_refused(bench: StreamBench, people: TableMapping) -> None:
    """Half of a column's values would be of the time before the change."""
    assert _exclude_findings(bench, people) == []
    fewer = _exclude_findings(bench, replace(people, excluded=("No,te. $x", "place")))
    assert [(check.table, check.column) for check in fewer] == [("people", "salary")]
    assert "were loaded without it" in fewer[0].what
    assert "put it back into the list" in fewer[0].fix
    more = _exclude_findings(bench, replace(people, excluded=(*_EXCLUDED, "upper_name", "name")))
    assert [(check.table, check.column) for check in more] == [("people", "name")]
    assert "its values in the target would stand still" in more[0].what


def _exclude_findings(bench: StreamBench, people: TableMapping) -> list[PreflightCheck]:
    pipeline = bench.pipeline(people)
    login = {"password": PASSWORD, "pipeline": pipeline.name, "epoch": 0, "is_read_only": True}
    neighbours = Neighbours(
        source=lambda: PostgresSource(pipeline.source, clock=SystemClock(), **login),  # type: ignore[arg-type]
        target=lambda: PostgresTarget(pipeline.target, **login),  # type: ignore[arg-type]
        connect=bench.connect,
        secrets=bench.secrets,
        is_connect_configured=True,
    )
    checks = preflight(pipeline, neighbours, others=(), record=bench.record())
    return [check for check in checks if check.status is CheckStatus.FAIL]


def test_the_plan_names_what_is_excluded(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.source(_TABLE)
    pipeline = bench.pipeline(replace(mapping("people"), excluded=_EXCLUDED))
    with bench.run(pipeline) as context:
        made = planning.plan(pipeline, source=context.source, target=context.target, secrets=bench.secrets, record=None)
    (table,) = made.tables
    assert {"column salary", "column place", "index by_salary (over a column that is left out)"} <= set(table.left_out)
    assert "salary" not in " ".join(made.ddl)
    source = next(config for name, config in made.connectors.items() if name.endswith("_source"))
    assert r"public\.people\.salary" in source["column.exclude.list"]


def _records(bench: StreamBench, topic: str) -> list[bytes]:
    """Everything the topic holds."""
    consumer = Consumer({"bootstrap.servers": bench.kafka_bootstrap, "group.id": "looks", "enable.auto.commit": False})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(end, timeout=30)
    finally:
        consumer.close()
    assert len(messages) == end
    return [(message.key() or b"") + (message.value() or b"") for message in messages]
