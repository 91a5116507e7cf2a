"""The example of an asset downstream on a running stream: it runs when the table is caught up, not before."""

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.orchestration.test_downstream import example as example_fixture
from cdc_assets_tests.services.installation import wait_until

example = example_fixture
_TABLES = ("orders", "scratch")


def test_it_runs_once_the_table_is_caught_up_past_the_position(
    case: Case, example: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: dict[str, object] = vars(example)
    case.write(tables=_TABLES)
    case.installation.cdc("start", case.name)
    # As the target's role would be told to: the example names no schema.
    target = f"{case.target_url}?options=-csearch_path%3D{case.target_schema}"
    monkeypatch.setenv("DOWNSTREAM_PIPELINE", case.name)
    monkeypatch.setenv("DOWNSTREAM_API_URL", f"http://127.0.0.1:{case.installation.environment['CDC_API_PORT']}")
    monkeypatch.setenv("DOWNSTREAM_WAREHOUSE_URL", target)
    definitions, sensor = module["defs"], module["orders_are_caught_up"]
    assert isinstance(definitions, dg.Definitions)
    assert isinstance(sensor, dg.SensorDefinition)

    def look(cursor: str | None) -> tuple[str | None, list[dg.RunRequest]]:
        result = sensor(dg.build_sensor_context(cursor=cursor, definitions=definitions))
        if isinstance(result, dg.SensorResult):
            return result.cursor, list(result.run_requests or ())
        return cursor, []

    case.installation.cdc("pause", case.name, "-t", "orders")
    with psycopg.connect(case.source_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DELETE FROM orders WHERE id > 100"))
    goal, runs = look(None)
    assert not runs
    # The source connector delivers beyond the goal; the table's own sink is held.
    wait_until(lambda: _delivered(module) >= _position(module, goal), what="the goal in Kafka", seconds=150)
    assert look(goal) == (goal, [])
    case.installation.cdc("resume", case.name, "-t", "orders")
    (request,) = wait_until(lambda: look(goal)[1], what="a run asked for", seconds=150)
    assert request.run_key == goal
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([module["orders_by_customer"]], instance=instance, tags=dict(request.tags))  # type: ignore[list-item]
    (made,) = result.get_asset_materialization_events()
    figures = {name: value.value for name, value in made.materialization.metadata.items()}
    assert (figures["orders"], figures["caught_up_to"]) == (100, goal)


def _delivered(module: dict[str, object]) -> int:
    return _position(module, module["read_lag"]()["delivered_lsn"])  # type: ignore[operator]


def _position(module: dict[str, object], lsn: str | None) -> int:
    return int(module["_position"](lsn))  # type: ignore[operator]
