"""Values that a stream without our converter does not bring, when they come after the start: as docs/types.md says.

With the converter they arrive. And what `check` advises keeps them out: the source itself then refuses them, and takes
every value that arrives.
"""

import psycopg
import pytest
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.model.pipeline import Mode, Pipeline
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.stages.preflight import Neighbours, preflight
from cdc_assets.stages.preflight.facts import ColumnFact, SourceFacts
from cdc_assets.stages.preflight.findings import Findings
from cdc_assets.stages.preflight.type_checks import check_types
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import assert_nothing_inexact, judged_columns, wait_until_equal
from cdc_assets_tests.integration.types.plain_connect import PlainConnect
from cdc_assets_tests.services.servers import PASSWORD

_WITH_A_QUERY = {"tsvector"}


_LATER = "CREATE TABLE later (id int PRIMARY KEY, number float8, list int[], at timetz)"
_COME = "INSERT INTO later VALUES (1, 'NaN', '{{1,2},{3,4}}', '12:00+05')"


def test_they_arrive_as_they_are(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.source(_LATER)
    bench.sync(bench.pipeline("later"))
    bench.source(_COME)
    wait_until_equal(bench, "later")
    assert bench.target("SELECT number::text, list::text, at::text FROM dbo.later") == [
        ("NaN", "{{1,2},{3,4}}", "12:00:00+05")
    ]


def test_without_the_converter_they_arrive_as_the_page_says(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.connect = PlainConnect(bench.connect_url)
    bench.source(_LATER)
    pipeline = bench.pipeline("later")
    assert_nothing_inexact(pipeline, has_converter=False)
    bench.sync(pipeline)
    bench.source(_COME)
    waiting = Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.3), retry=retry_if_not_result(bool))

    arrived = waiting(lambda: bench.target("SELECT number::text, list::text, at::text FROM dbo.later"))

    assert arrived == [("0", "{NULL,NULL}", "07:00:00+00")]


def test_check_sees_whether_the_cluster_has_the_converter(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.source("CREATE TABLE later (id int PRIMARY KEY, words tsquery, number float8)")
    bench.source("INSERT INTO later VALUES (1, 'a', 'NaN')")
    pipeline = bench.pipeline("later")

    assert _refused(bench, pipeline, bench.connect) == {}
    refused = _refused(bench, pipeline, PlainConnect(bench.connect_url))

    assert refused.keys() == {"words", "number"}
    assert all("give Kafka Connect the converter" in fix for fix in refused.values())


def _refused(bench: StreamBench, pipeline: Pipeline, connect: KafkaConnect) -> dict[str | None, str]:
    """The columns that the preflight refuses, with what it advises."""
    neighbours = Neighbours(
        source=lambda: PostgresSource(
            pipeline.source, password=PASSWORD, pipeline=pipeline.name, epoch=0, clock=SystemClock()
        ),
        target=lambda: PostgresTarget(pipeline.target, password=PASSWORD, pipeline=pipeline.name, epoch=0),
        connect=connect,
        secrets=bench.secrets,
        is_connect_configured=True,
    )
    checks = preflight(pipeline, neighbours, others=(), record=None)
    return {check.column: check.fix for check in checks if check.name == "column_type" and check.fix}


def test_the_printed_constraint_keeps_them_out_and_nothing_else(
    load_bench: LoadBench, subtests: pytest.Subtests
) -> None:
    url = load_bench.databases.source_url
    kept = {declared: values for family in zoo.FAMILIES.values() for declared, values in family.items()}
    tables = {f"later_{n}": declared for n, declared in enumerate(name for name, some in zoo.INEXACT.items() if some)}
    zoo.create(url, {table: {declared: kept[declared]} for table, declared in tables.items()})
    pipeline = load_bench.pipeline(*tables, mode=Mode.FULL_LOAD_AND_CDC)
    facts = {
        fact.table.name: fact for fact in judged_columns(pipeline, has_converter=False) if fact.column.name == "c0"
    }
    for table, declared in tables.items():
        with subtests.test(declared):
            fix = _advised(pipeline, facts[table])
            if declared in _WITH_A_QUERY:
                assert fix == "see that no such value comes"
                continue
            load_bench.source(fix.partition(": ")[2])
            zoo.fill(url, {table: {declared: kept[declared]}}, first_id=1)
            for value in zoo.INEXACT[declared]:
                with pytest.raises(psycopg.errors.CheckViolation):
                    zoo.fill(url, {table: {declared: (value,)}}, first_id=1000)


def _advised(pipeline: Pipeline, fact: ColumnFact) -> str:
    """What `check` says is to be done about values of that column that may come."""
    assert fact.verdict.verdict is Verdict.EXACT_IF_VALUES
    findings = Findings("bench")
    server = None
    source = SourceFacts(server, has_schema_usage=True, tables={}, columns=(fact,))  # type: ignore[arg-type]  # not asked
    check_types(pipeline, source, findings)
    (told,) = findings.checks()
    assert told.status is CheckStatus.WARN
    return told.fix
