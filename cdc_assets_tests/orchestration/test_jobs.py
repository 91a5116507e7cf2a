import dagster as dg

from cdc_assets.model.errors import StateDatabaseError
from cdc_assets.model.status import CdcStatus, Intent, PipelineStatus
from cdc_assets.settings import Settings
from cdc_assets_tests.orchestration.fake_commands import FakeCommands, a_pipeline, a_record
from cdc_assets_tests.orchestration.running import commands_for, failure_text, location

PIPELINE = a_pipeline()
ASKED = a_record(PIPELINE, intent_version=2, served_version=1, status=PipelineStatus.STARTING)


def run(
    settings: Settings, commands: FakeCommands, instance: dg.DagsterInstance, verb: str
) -> dg.ExecuteInProcessResult:
    job = location(settings, commands).resolve_job_def(f"final_test2__{verb}")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_start_needs_no_config_and_ends_when_the_pipeline_runs(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    commands = commands_for(PIPELINE)
    commands.store.records["final_test2"] = [
        ASKED,
        ASKED,
        ASKED,
        a_record(PIPELINE, intent_version=2, served_version=2),
    ]
    result = run(settings, commands, instance, "start")
    assert result.success
    lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "final_test2 is STARTING (full load COMPLETED, cdc RUNNING)" in lines
    assert "final_test2 is RUNNING (full load COMPLETED, cdc RUNNING)" in lines


def test_start_fails_with_the_cause_the_pipeline_records(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    bad = a_record(
        PIPELINE,
        intent_version=2,
        served_version=2,
        status=PipelineStatus.ERROR,
        cdc_status=CdcStatus.ERROR,
        last_error="the slot is gone",
        last_error_code="SLOT_UNUSABLE",
    )
    commands.store.records["final_test2"] = [ASKED, bad]
    result = run(settings, commands, instance, "start")
    assert not result.success
    assert failure_text(result) == "final_test2 is ERROR after its start. SLOT_UNUSABLE: the slot is gone"


def test_stop_ends_when_nothing_streams(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    asked = a_record(PIPELINE, intent=Intent.STOPPED, intent_version=2, status=PipelineStatus.STOPPING)
    done = a_record(PIPELINE, intent=Intent.STOPPED, intent_version=2, served_version=2, status=PipelineStatus.STOPPED)
    commands.store.records["final_test2"] = [asked, asked, done]
    assert run(settings, commands, instance, "stop").success


def test_a_stop_that_comes_between_ends_the_start(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    stopped = a_record(PIPELINE, intent=Intent.STOPPED, intent_version=3)
    commands.store.records["final_test2"] = [ASKED, ASKED, stopped]
    result = run(settings, commands, instance, "start")
    assert failure_text(result).startswith("INTENT_CHANGED: pipeline final_test2 was asked to be STOPPED meanwhile")


def test_without_a_state_database_the_run_says_so(settings: Settings, instance: dg.DagsterInstance) -> None:
    commands = commands_for(PIPELINE)
    commands.error = StateDatabaseError("the state database does not answer", hint="./cdc up")
    result = run(settings, commands, instance, "start")
    assert failure_text(result) == "STATE_DATABASE_UNAVAILABLE: the state database does not answer. Fix: ./cdc up"


def test_runs_that_only_wait_are_marked_so_that_they_cannot_fill_the_queue(settings: Settings) -> None:
    definitions = location(settings, commands_for(PIPELINE))
    for verb in ("start", "stop"):
        assert definitions.resolve_job_def(f"final_test2__{verb}").tags["cdc_assets/follows"] == verb
