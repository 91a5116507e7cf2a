import dagster as dg
import pytest

from cdc_assets.model.errors import ConnectUnavailableError, FullLoadError, PreflightError, VerificationError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.report import Stage
from cdc_assets.settings import Settings
from cdc_assets_tests.orchestration.fake_commands import a_pipeline
from cdc_assets_tests.orchestration.running import commands_for, failure_text, location, partitions, run_sync

STAGES = ("target_schema", "loaded_table", "source_connector", "sink_connector")
TARGET_B = dg.AssetKey(["warehouse", "cdctest", "dbo", "b"])


def test_a_run_does_all_stages_for_all_tables_and_shows_each_partition(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    result = run_sync(location(settings, commands), instance, pipeline, tags={"cdc_assets/intent_version": "4"})
    assert result.success
    assert len(commands.synced) == 1
    call = commands.synced[0]
    assert call.stages == frozenset(Stage)
    assert call.tables == ("a", "b", "c")
    assert call.serves == 4
    assert call.run_id == result.run_id
    for stage in STAGES:
        assert partitions(instance, pipeline, stage) == {"a", "b", "c"}


def test_a_bad_table_is_red_alone_and_the_run_names_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    commands.bad_tables[Stage.LOADED_TABLE, "b"] = VerificationError(
        "b: chunk 3 has 10 rows, not 9", hint="start again"
    )
    result = run_sync(location(settings, commands), instance, pipeline)
    assert not result.success
    assert "1 of 3 tables failed" in failure_text(result)
    assert "b: FULL_LOAD_DIFFERS: b: chunk 3 has 10 rows, not 9. Fix: start again" in failure_text(result)
    assert partitions(instance, pipeline, "target_schema") == {"a", "b", "c"}
    assert partitions(instance, pipeline, "loaded_table") == {"a", "c"}
    assert partitions(instance, pipeline, "sink_connector") == {"a", "c"}


def test_what_was_reached_stays_visible_when_a_later_stage_fails_for_the_whole_pipeline(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    commands.bad_stages[Stage.SOURCE_CONNECTOR] = ConnectUnavailableError("Connect is away", hint="./cdc up")
    result = run_sync(location(settings, commands), instance, pipeline)
    assert not result.success
    assert failure_text(result) == "CONNECT_UNAVAILABLE: Connect is away. Fix: ./cdc up"
    assert partitions(instance, pipeline, "loaded_table") == {"a", "b", "c"}
    assert partitions(instance, pipeline, "source_connector") == set()


def test_a_load_tells_rows_and_the_verdict_on_the_target_table(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    commands.bad_tables[Stage.LOADED_TABLE, "a"] = FullLoadError("a: the source went away", hint="start again")
    commands.bad_tables[Stage.LOADED_TABLE, "b"] = VerificationError("b differs", hint="start again")
    result = run_sync(location(settings, commands), instance, pipeline)
    told = {
        event.asset_check_evaluation_data.asset_key.path[-1]: event.asset_check_evaluation_data.passed
        for entry in instance.all_logs(result.run_id)
        if (event := entry.dagster_event) and event.event_type_value == "ASSET_CHECK_EVALUATION"
    }
    # Nothing is said of a table whose rows were never compared.
    assert told == {"b": False, "c": True}
    target = instance.get_latest_materialization_event(dg.AssetKey(["warehouse", "cdctest", "dbo", "c"]))
    assert target is not None
    assert target.asset_materialization is not None
    assert target.asset_materialization.metadata["dagster/row_count"].value == 12345
    assert instance.get_latest_materialization_event(TARGET_B) is None


def test_one_stage_of_one_table_can_be_selected(settings: Settings, instance: dg.DagsterInstance) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    only = [dg.AssetKey([pipeline.name, "loaded_table"])]
    result = run_sync(location(settings, commands), instance, pipeline, first="b", last="b", only=only)
    assert result.success
    assert (commands.synced[0].stages, commands.synced[0].tables) == (frozenset({Stage.LOADED_TABLE}), ("b",))
    assert partitions(instance, pipeline, "target_schema") == set()


@pytest.mark.parametrize(
    ("tags", "serves"),
    [
        ({}, None),
        ({"cdc_assets/intent_version": "7"}, 7),
        # Dagster copies the tags when somebody repeats a run: that is a new wish, not the served one.
        ({"cdc_assets/intent_version": "7", "dagster/parent_run_id": "x"}, None),
    ],
)
def test_only_a_run_that_reconcile_launched_serves_its_version(
    settings: Settings, instance: dg.DagsterInstance, tags: dict[str, str], serves: int | None
) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    run_sync(location(settings, commands), instance, pipeline, tags=tags)
    assert commands.synced[0].serves == serves


def test_a_reversed_range_is_refused_instead_of_ending_green_without_work(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    result = run_sync(location(settings, commands), instance, pipeline, first="c", last="a")
    assert not result.success
    assert "the range from 'c' to 'a' is reversed, nothing was done. Fix: select partitions out of a, b, c" in (
        failure_text(result)
    )
    assert commands.synced == []


def test_a_failed_preflight_is_shown_with_its_fix(settings: Settings, instance: dg.DagsterInstance) -> None:
    pipeline = a_pipeline()
    commands = commands_for(pipeline)
    commands.bad_stages[Stage.TARGET_SCHEMA] = PreflightError("wal_level is replica", hint="set it to logical")
    result = run_sync(location(settings, commands), instance, pipeline)
    assert failure_text(result) == "PREFLIGHT_FAILED: wal_level is replica. Fix: set it to logical"


def test_the_log_lines_of_the_work_are_in_the_log_of_the_run(settings: Settings, instance: dg.DagsterInstance) -> None:
    pipeline = a_pipeline()
    result = run_sync(location(settings, commands_for(pipeline)), instance, pipeline)
    lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "Step 0: Auto-creating target schema/tables for pipeline: final_test2" in lines


def test_names_that_are_no_identifiers_load_and_run(settings: Settings, instance: dg.DagsterInstance) -> None:
    tables = ("Größe a$b", "a b", "a_b", "a.b", "x,y", "UPPER", "😀")
    pipeline = a_pipeline(tables=tables)
    result = run_sync(location(settings, commands_for(pipeline)), instance, pipeline)
    assert result.success
    assert partitions(instance, pipeline, "sink_connector") == set(tables)


def test_a_load_only_pipeline_has_no_connectors(settings: Settings, instance: dg.DagsterInstance) -> None:
    pipeline = a_pipeline(mode=Mode.FULL_LOAD_ONLY)
    commands = commands_for(pipeline)
    assert run_sync(location(settings, commands), instance, pipeline).success
    assert commands.synced[0].stages == {Stage.TARGET_SCHEMA, Stage.LOADED_TABLE}
