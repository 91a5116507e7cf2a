"""What stands beside an asset after a run, and the points of its lag plots."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg

from cdc_assets.model.report import Stage
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.lag_plots import LagFigures
from cdc_assets.settings import Settings
from cdc_assets_tests.orchestration.fake_commands import OUTCOMES, FakeCommands, a_pipeline, a_record
from cdc_assets_tests.orchestration.running import commands_for, location, run_sync
from cdc_assets_tests.orchestration.test_code_location import specs
from cdc_assets_tests.orchestration.test_sensors import tick
from cdc_assets_tests.services.records import NOW

PIPELINE = a_pipeline(tables=("t",))
TARGET = dg.AssetKey(["warehouse", "cdctest", "dbo", "t"])


def shown(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, object]:
    entry = instance.get_latest_materialization_event(key)
    assert entry is not None
    assert entry.asset_materialization is not None
    return {name: value.value for name, value in entry.asset_materialization.metadata.items()}


def test_each_stage_shows_what_it_made_in_figures(settings: Settings, instance: dg.DagsterInstance) -> None:
    run_sync(location(settings, commands_for(PIPELINE)), instance, PIPELINE)
    made = shown(instance, dg.AssetKey(["final_test2", "target_schema"]))
    assert "CREATE TABLE dbo.t (id integer);" in str(made["ddl"])
    loaded = shown(instance, dg.AssetKey(["final_test2", "loaded_table"]))
    figures = ("dagster/row_count", "size_bytes", "seconds", "megabytes_per_second", "lsn")
    assert [loaded[name] for name in figures] == [12345, 5_000_000, 2.5, 2.0, "0/16B3748"]
    for stage, connector in (("source_connector", "source"), ("sink_connector", "sink")):
        flows = shown(instance, dg.AssetKey(["final_test2", stage]))
        assert flows["connector"] == f"cdc_final_test2_1_abcdef_{connector}"
        assert flows["connector_state"] == (
            f"http://127.0.0.1:18083/connectors/cdc_final_test2_1_abcdef_{connector}/status"
        )


def test_the_target_table_shows_rows_columns_and_where_each_comes_from(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    definitions = location(settings, commands_for(PIPELINE))
    run_sync(definitions, instance, PIPELINE)
    told = shown(instance, TARGET)
    schema, lineage = told["dagster/column_schema"], told["dagster/column_lineage"]
    assert told["dagster/row_count"] == 12345
    assert isinstance(schema, dg.TableSchema)
    assert [(each.name, each.type, each.constraints.nullable) for each in schema.columns] == [
        ("id", "integer", False),
        ("note", "text", True),
    ]
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["note"] == [dg.TableColumnDep(dg.AssetKey(["app", "cdctest", "public", "t"]), "note")]
    known = specs(definitions)
    assert known["warehouse/cdctest/dbo/t"].metadata["dagster/table_name"] == "cdctest.dbo.t"
    assert known["warehouse/cdctest/dbo/t"].tags["cdc_assets/role"] == "target"
    assert known["app/cdctest/public/t"].tags["cdc_assets/connection"] == "app"
    assert known["final_test2/loaded_table"].tags["cdc_assets/pipeline"] == "final_test2"


def test_a_table_that_was_loaded_before_is_not_shown_as_written_again(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    commands.outcomes[Stage.LOADED_TABLE] = replace(OUTCOMES[Stage.LOADED_TABLE], seconds=None, note="kept")
    result = run_sync(location(settings, commands), instance, PIPELINE)
    assert result.success
    assert instance.get_latest_materialization_event(TARGET) is None
    assert shown(instance, dg.AssetKey(["final_test2", "loaded_table"]))["note"] == "kept"
    checks = [entry for entry in instance.all_logs(result.run_id) if "CHECK_EVALUATION" in str(entry.dagster_event)]
    assert not checks


def test_a_login_in_the_address_of_connect_is_not_shown(settings: Settings, instance: dg.DagsterInstance) -> None:
    behind_a_login = settings.model_copy(update={"configured_connect_url": "http://admin:hidden@connect:8083"})
    run_sync(location(behind_a_login, commands_for(PIPELINE)), instance, PIPELINE)
    flows = shown(instance, dg.AssetKey(["final_test2", "sink_connector"]))
    assert str(flows["connector_state"]).startswith("http://connect:8083/connectors/")


def test_what_an_operator_reads_says_what_is_true_and_what_to_do(settings: Settings) -> None:
    for name, spec in specs(location(settings, commands_for(PIPELINE))).items():
        if not name.startswith("app/"):
            assert "**After success**" in str(spec.description), name
            assert "**When" in str(spec.description), name
        assert "{" not in str(spec.description), name


def lag_points(result: dg.SensorResult) -> list[dg.AssetObservation]:
    return [event for event in result.asset_events if isinstance(event, dg.AssetObservation)]


def look(commands: FakeCommands, *, minutes: int, bytes_behind: int) -> None:
    """Let the next look find these figures, so many minutes after the first."""
    at = NOW + timedelta(minutes=minutes)
    commands.memory = HealthMemory(lag=LagFigures(at, 4.2, bytes_behind, {"t": 17}))


def test_the_lag_is_drawn_in_bytes_records_and_seconds(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    commands.store.records["final_test2"] = [a_record(PIPELINE)]
    look(commands, minutes=0, bytes_behind=1000)
    (point,) = lag_points(tick("cdc_health", settings, commands, instance))
    assert point.asset_key == TARGET
    figures = {name: point.metadata[name].value for name in ("lag_bytes", "lag_records", "lag_seconds")}
    assert figures == {"lag_bytes": 1000, "lag_records": 17, "lag_seconds": 4.2}


def test_points_are_minutes_apart_and_an_hour_while_nothing_changes(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    commands.store.records["final_test2"] = [a_record(PIPELINE)]
    cursor, told = None, []
    for minutes, bytes_behind in ((0, 1), (1, 2), (4, 3), (5, 3), (11, 3), (64, 3), (65, 3), (70, 4)):
        look(commands, minutes=minutes, bytes_behind=bytes_behind)
        result = tick("cdc_health", settings, commands, instance, cursor)
        cursor = result.cursor
        told += [minutes] * len(lag_points(result))
    assert told == [0, 5, 65, 70]


def test_of_many_tables_only_some_get_a_point_at_a_tick_and_all_in_turn(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    tables = [f"t{number}" for number in range(50)]
    pipeline = a_pipeline(tables=tables)
    commands = commands_for(pipeline)
    commands.store.records["final_test2"] = [a_record(pipeline)]
    commands.memory = HealthMemory(lag=LagFigures(NOW, 1.0, 5, dict.fromkeys(tables, 0)))
    cursor, counts, told = None, [], set()
    for _ in range(4):
        result = tick("cdc_health", settings, commands, instance, cursor)
        cursor = result.cursor
        counts.append(len(lag_points(result)))
        told |= {point.asset_key.path[-1] for point in lag_points(result)}
    assert counts == [20, 20, 10, 0]
    assert told == set(tables)
