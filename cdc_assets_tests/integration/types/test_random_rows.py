"""Random tables and rows arrive through a load, with PostgreSQL as the oracle of what a value is."""

from hypothesis import HealthCheck, given, settings

from cdc_assets.model.pipeline import Mode
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.randoms import VALUES, fill, tables


def test_any_rows_of_any_columns_arrive(load_bench: LoadBench) -> None:
    zoo.create(load_bench.databases.source_url, {})
    numbers = iter(range(1_000_000))

    @settings(
        max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(tables(VALUES))
    def arrive(table: tuple[list[str], list[list[str | None]]]) -> None:
        types, rows = table
        name = f"random_{next(numbers)}"
        kept = fill(load_bench, name, types, rows)
        load_bench.name = name

        outcome = load_bench.start(load_bench.pipeline(name, mode=Mode.FULL_LOAD_ONLY))[name]

        assert outcome.error is None
        loaded = zoo.rows(load_bench.databases.target_url, "dbo", name)
        assert loaded == zoo.rows(load_bench.databases.source_url, "public", name)
        assert len(loaded) == kept

    arrive()
