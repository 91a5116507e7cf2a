from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from cdc_assets.model.pipeline import Definitions, InvalidDefinition
from cdc_assets.model.status import CdcStatus, Intent, TableState
from cdc_assets.settings import Settings
from cdc_assets.wiring.control import RunWish
from cdc_assets.wiring.orchestrator import CurrentStack
from cdc_assets_tests.orchestration.fake_commands import FakeCommands, a_pipeline, a_record, a_table
from cdc_assets_tests.orchestration.running import NO_STACK, commands_for, location

PIPELINE = a_pipeline()
WISH = RunWish("final_test2", 3, 1, "final_test2:3:1", ("a", "b", "c"))


def tick(
    sensor: str,
    settings: Settings,
    commands: FakeCommands,
    instance: dg.DagsterInstance,
    cursor: str | None = None,
    *,
    loaded: Definitions | None = None,
    stack: CurrentStack = NO_STACK,
) -> dg.SensorResult:
    definitions = location(settings, commands, loaded, stack)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
    result = definitions.resolve_sensor_def(sensor)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None) -> str:
    @dg.job
    def any_job() -> None:
        pass

    run = instance.create_run_for_job(any_job, tags=tags or {}, status=status)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_reconcile_asks_for_one_run_over_all_tables(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    commands.wishes = (WISH,)
    commands.store.records["final_test2"] = [a_record(PIPELINE)]
    (request,) = tick("reconcile", settings, commands, instance).run_requests or []
    assert request.job_name == "final_test2__sync"
    assert request.tags["dagster/asset_partition_range_start"] == "a"
    assert request.tags["dagster/asset_partition_range_end"] == "c"
    assert request.tags["cdc_assets/intent_version"] == "3"


def test_a_pipeline_that_was_dropped_and_made_again_gets_its_run_although_versions_begin_anew(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    commands.wishes = (WISH,)
    keys = set()
    for life in (1, 2):
        commands.store.records["final_test2"] = [a_record(PIPELINE, id=life)]
        (request,) = tick("reconcile", settings, commands, instance).run_requests or []
        assert str(request.run_key).startswith("final_test2:3:1:")
        keys.add(request.run_key)
    assert len(keys) == 2


def test_reconcile_tells_running_and_ended_runs_apart(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    tick("reconcile", settings, commands, instance)
    (runs,) = commands.lookups
    running = a_run(instance, dg.DagsterRunStatus.STARTED, {"cdc_assets/run_key": "p:1:1"})
    ended = a_run(instance, dg.DagsterRunStatus.FAILURE, {"cdc_assets/run_key": "p:1:2"})
    assert runs.is_pending("p:1:1")
    assert not runs.is_pending("p:1:2")
    assert runs.is_alive(running)
    assert not runs.is_alive(ended)
    assert runs.is_alive("cdc_health")


def test_a_new_attempt_frees_the_place_of_the_one_that_died(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    commands.store.records["final_test2"] = [a_record(PIPELINE)]
    mine = {"cdc_assets/pipeline": "final_test2"}
    dead = a_run(instance, dg.DagsterRunStatus.STARTED, mine | {"cdc_assets/run_key": "final_test2:3:1"})
    follower = a_run(instance, dg.DagsterRunStatus.STARTED, mine)
    other = a_run(
        instance, dg.DagsterRunStatus.STARTED, {"cdc_assets/pipeline": "other", "cdc_assets/run_key": "other:1:1"}
    )
    commands.wishes = (RunWish("final_test2", 3, 2, "final_test2:3:2", ("a", "b", "c")),)
    tick("reconcile", settings, commands, instance)
    assert status(instance, dead) is dg.DagsterRunStatus.FAILURE
    assert status(instance, follower) is dg.DagsterRunStatus.STARTED
    assert status(instance, other) is dg.DagsterRunStatus.STARTED


def test_runs_of_an_earlier_stack_are_ended_once_and_give_their_places_back(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    left = a_run(instance, dg.DagsterRunStatus.STARTED)
    stack = CurrentStack("stack-2", datetime.now(UTC) + timedelta(seconds=1))  # noqa: TID251  Dagster stamped the runs
    result = tick("reconcile", settings, commands, instance, stack=stack)
    assert status(instance, left) is dg.DagsterRunStatus.FAILURE
    later = a_run(instance, dg.DagsterRunStatus.STARTED)
    tick("reconcile", settings, commands, instance, result.cursor, stack=stack)
    assert status(instance, later) is dg.DagsterRunStatus.STARTED


def test_runs_of_this_stack_are_not_ended(settings: Settings, instance: dg.DagsterInstance) -> None:
    begun = CurrentStack("stack-2", datetime.now(UTC) - timedelta(seconds=1))  # noqa: TID251  Dagster stamped the runs
    running = a_run(instance, dg.DagsterRunStatus.STARTED)
    tick("reconcile", settings, commands_for(PIPELINE), instance, stack=begun)
    assert status(instance, running) is dg.DagsterRunStatus.STARTED


def test_changed_files_are_read_again_before_anything_is_asked_for(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE, a_pipeline("new_one"))
    commands.wishes = (WISH,)
    stack = CurrentStack("stack-2", datetime.now(UTC))  # noqa: TID251  Dagster stamped the runs
    result = tick("reconcile", settings, commands, instance, loaded=Definitions((PIPELINE,)), stack=stack)
    assert commands.reloads == 1
    assert "stack-2" in str(result.cursor)
    assert not result.run_requests
    assert commands.lookups == []


def test_a_bad_file_is_told_once_and_again_when_its_problems_change(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    def commands(problem: str) -> FakeCommands:
        return commands_for(PIPELINE, invalid=(InvalidDefinition("bad", Path("bad.yaml"), (problem,)),))

    first = tick("reconcile", settings, commands("bad.yaml:1: x"), instance)
    (event,) = first.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert (event.asset_key, event.check_name, event.passed) == (dg.AssetKey(["bad"]), "definition_valid", False)
    second = tick("reconcile", settings, commands("bad.yaml:1: x"), instance, first.cursor)
    assert not second.asset_events
    third = tick("reconcile", settings, commands("bad.yaml:2: y"), instance, second.cursor)
    assert len(third.asset_events) == 1


def test_alerts_are_looked_for_at_each_tick(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    definitions = location(settings, commands)
    context = dg.build_sensor_context(instance=instance, definitions=definitions)
    for _ in range(2):
        assert isinstance(definitions.resolve_sensor_def("run_failure_alert")(context), dg.SkipReason)
    assert commands.tellings == 2


def test_cdc_healthy_is_written_when_a_verdict_changes_and_only_then(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    good = a_record(PIPELINE)
    commands.store.records["final_test2"] = [good]
    first = tick("cdc_health", settings, commands, instance)
    assert [(event.asset_key.path[-1], event.passed) for event in _evaluations(first)] == [
        ("a", True),
        ("b", True),
        ("c", True),
    ]
    second = tick("cdc_health", settings, commands, instance, first.cursor)
    assert not second.asset_events
    b_held = (a_table("a"), a_table("b", TableState.QUARANTINED, "value too long"), a_table("c"))
    commands.store.records["final_test2"] = [a_record(PIPELINE, tables=b_held)]
    third = tick("cdc_health", settings, commands, instance, second.cursor)
    (event,) = _evaluations(third)
    assert (event.asset_key.path[-1], event.passed, event.description) == ("b", False, "value too long")
    commands.store.records["final_test2"] = [good]
    assert [event.passed for event in _evaluations(tick("cdc_health", settings, commands, instance, third.cursor))] == [
        True
    ]


def test_a_look_gets_what_the_last_one_left(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    commands.store.records["final_test2"] = [a_record(PIPELINE)]
    first = tick("cdc_health", settings, commands, instance)
    tick("cdc_health", settings, commands, instance, first.cursor)
    assert commands.looks == [{}, {"final_test2": "look 1"}]


def test_a_failed_stream_is_red_for_each_of_its_tables_and_a_stopped_one_says_nothing(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    failed = a_record(PIPELINE, cdc_status=CdcStatus.ERROR, last_error="Connect is away", last_error_code="X")
    commands.store.records["final_test2"] = [failed]
    events = _evaluations(tick("cdc_health", settings, commands, instance))
    assert {event.description for event in events} == {"Connect is away"}
    assert len(events) == 3
    commands.store.records["final_test2"] = [a_record(PIPELINE, intent=Intent.STOPPED, cdc_status=CdcStatus.STOPPED)]
    assert not tick("cdc_health", settings, commands, instance).asset_events


def test_a_cursor_of_another_version_is_no_reason_to_stand_still(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert tick("reconcile", settings, commands_for(PIPELINE), instance, '{"told": 3}').cursor


def _evaluations(result: dg.SensorResult) -> list[dg.AssetCheckEvaluation]:
    return [event for event in result.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
