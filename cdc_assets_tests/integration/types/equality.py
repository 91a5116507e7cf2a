"""Source and target compared value by value, as the server prints them."""

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.postgres import PostgresSource
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.stages.preflight.facts import ColumnFact
from cdc_assets.stages.preflight.type_checks import read_columns
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.services.servers import PASSWORD


def judged_columns(pipeline: Pipeline, *, has_converter: bool = True) -> tuple[ColumnFact, ...]:
    """What the preflight knows of every copied column."""
    source = PostgresSource(pipeline.source, password=PASSWORD, pipeline=pipeline.name, epoch=0, clock=SystemClock())
    tables = source.describe([mapping.source for mapping in pipeline.tables])
    return read_columns(pipeline, source, tables, None, has_converter=has_converter)


def assert_nothing_inexact(pipeline: Pipeline, *, has_converter: bool = True) -> None:
    """Every column is let into the stream with the values that are there."""
    for fact in judged_columns(pipeline, has_converter=has_converter):
        assert fact.verdict.verdict is not Verdict.REFUSED, fact
        assert fact.inexact_rows == 0, fact


def differences(bench: StreamBench, table: str) -> list[str]:
    """Each value that differs, by type; rows are told by their `id`."""
    names = zoo.column_types(bench.databases.source_url, table)
    wanted = zoo.rows(bench.databases.source_url, "public", table)
    present = zoo.rows(bench.databases.target_url, "dbo", table)
    found = [f"row {row} of {table} is in one side only" for row in wanted.keys() ^ present.keys()]
    columns = [name for name in names if name != "id"]
    for row in sorted(wanted.keys() & present.keys()):
        for column, value, arrived in zip(columns, wanted[row], present[row], strict=True):
            if value != arrived:
                found.append(f"{names[column]} in row {row} of {table}: {value[:60]} arrived as {arrived[:60]}")
    return found


def wait_until_equal(bench: StreamBench, *tables: str) -> None:
    """Wait until nothing differs; what still differs, or why a connector stopped, is the failure.

    Nobody may write meanwhile: a table that is equal is not looked at again.
    """
    left = set(tables)

    def look() -> list[str]:
        failures = [f"{name}: {report.failure}" for name, report in bench.connect.reports().items() if report.failure]
        assert failures == [], failures
        found = {table: differences(bench, table) for table in sorted(left)}
        left.difference_update(table for table, some in found.items() if not some)
        return [difference for some in found.values() for difference in some]

    waiting = Retrying(
        stop=stop_after_delay(120),
        wait=wait_fixed(0.5),
        retry=retry_if_result(bool),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    found = waiting(look)
    assert found == [], found
