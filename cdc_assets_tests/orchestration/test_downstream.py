"""The example of an asset downstream: its place in the lineage, and when it runs."""

import importlib.util
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from cdc_assets.model.pipeline import Connection, Endpoint, SecretReference
from cdc_assets.settings import Settings, checkout
from cdc_assets_tests.orchestration.fake_commands import APP, a_pipeline
from cdc_assets_tests.orchestration.running import commands_for, location

WAREHOUSE = Endpoint(Connection("warehouse", "postgres", "h", 5432, "u", SecretReference(env="X")), "dw", "sales")


@pytest.fixture
def example() -> ModuleType:
    path = checkout() / "examples" / "downstream.py"
    spec = importlib.util.spec_from_file_location("downstream", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lag(delivered: str | None, *, source: str, behind: int | None) -> dict[str, Any]:
    tables = [{"name": "customers", "records_behind": 99}, {"name": "orders", "records_behind": behind}]
    return {"pipeline": "sales", "source_lsn": source, "delivered_lsn": delivered, "tables": tables}


def test_the_lineage_runs_on_from_the_target_table(settings: Settings, example: ModuleType) -> None:
    pipeline = a_pipeline("sales", ("orders",), source=Endpoint(APP, "shop", "public"), target=WAREHOUSE)
    both = dg.Definitions.merge(location(settings, commands_for(pipeline)), example.defs)
    dg.Definitions.validate_loadable(both)
    graph = both.resolve_asset_graph()
    downstream = dg.AssetKey(["orders_by_customer"])
    assert dg.AssetKey(["sales", "sink_connector"]) in graph.get_ancestor_asset_keys(downstream)


@pytest.mark.parametrize(
    ("delivered", "behind", "is_caught_up"),
    [
        ("0/16B3748", 0, True),
        ("1/0", 0, True),
        ("0/16B3747", 0, False),
        ("0/16B3748", 1, False),
        ("0/16B3748", None, False),
        (None, 0, False),
    ],
)
def test_a_table_is_caught_up_when_all_before_the_position_is_delivered_and_applied(
    example: ModuleType, delivered: str | None, behind: int | None, *, is_caught_up: bool
) -> None:
    found = example.is_caught_up(lag(delivered, source="2/0", behind=behind), "orders", past="0/16B3748")
    assert found is is_caught_up


def test_one_run_for_each_goal(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(
        [
            lag("0/10", source="0/20", behind=0),
            lag("0/1F", source="0/30", behind=0),
            lag("0/28", source="0/40", behind=0),
            lag("0/3F", source="0/50", behind=0),
        ]
    )
    monkeypatch.setattr(example, "read_lag", lambda: next(told))
    cursor, runs = None, []
    for _ in range(4):
        context = dg.build_sensor_context(cursor=cursor, definitions=example.defs)
        result = example.orders_are_caught_up(context)
        if isinstance(result, dg.SensorResult):
            cursor = result.cursor
            runs += [request.run_key for request in result.run_requests or ()]
    assert runs == ["0/20"]
    assert cursor == "0/40"
