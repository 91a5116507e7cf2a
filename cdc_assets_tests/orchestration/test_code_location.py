import subprocess
import sys
from pathlib import Path
from types import FrameType

import dagster as dg

from cdc_assets.model.pipeline import Endpoint, InvalidDefinition, Mode
from cdc_assets.settings import Settings, checkout, inherited_environment
from cdc_assets_tests.orchestration.fake_commands import APP, WAREHOUSE, a_pipeline
from cdc_assets_tests.orchestration.running import commands_for, location


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def checks(definitions: dg.Definitions) -> set[str]:
    keys = definitions.resolve_asset_graph().asset_check_keys
    return {f"{key.asset_key.to_user_string()}:{key.name}" for key in keys}


def test_names_are_those_that_history_hangs_on(settings: Settings) -> None:
    definitions = location(settings, commands_for(a_pipeline(tables=("projects_simple",))))
    dg.Definitions.validate_loadable(definitions)
    assert set(specs(definitions)) == {
        "final_test2/target_schema",
        "final_test2/loaded_table",
        "final_test2/source_connector",
        "final_test2/sink_connector",
        "app/cdctest/public/projects_simple",
        "warehouse/cdctest/dbo/projects_simple",
    }
    assert checks(definitions) == {
        "warehouse/cdctest/dbo/projects_simple:rows_match",
        "warehouse/cdctest/dbo/projects_simple:cdc_healthy",
    }
    jobs = {job.name for job in definitions.resolve_all_job_defs()} - {"__ASSET_JOB"}
    assert jobs == {"final_test2__start", "final_test2__stop", "final_test2__sync"}
    sensors = definitions.sensors or ()
    assert {sensor.name for sensor in sensors} == {"reconcile", "cdc_health", "run_failure_alert"}
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors)


def test_lineage_runs_from_the_source_table_through_load_and_connectors_to_the_target_table(settings: Settings) -> None:
    known = specs(location(settings, commands_for(a_pipeline(tables=("t",)))))
    deps = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in known.items()}
    source, target = "app/cdctest/public/t", "warehouse/cdctest/dbo/t"
    assert deps["final_test2/loaded_table"] == {"final_test2/target_schema", source}
    assert deps["final_test2/source_connector"] == {"final_test2/loaded_table", source}
    assert deps["final_test2/sink_connector"] == {"final_test2/source_connector"}
    assert deps[target] == {"final_test2/loaded_table", "final_test2/sink_connector"}
    assert deps[source] == set()


def test_everything_shown_says_what_it_is_and_whose(settings: Settings) -> None:
    invalid = InvalidDefinition("bad", Path("bad.yaml"), ("bad.yaml:3: unknown key tabels",))
    definitions = location(settings, commands_for(a_pipeline(), invalid=(invalid,)))
    for spec in specs(definitions).values():
        assert spec.description
        assert spec.owners
        assert spec.kinds
        assert spec.group_name not in {None, "default"}
        # Kinds are tags too; ours are what one searches by.
        assert [tag for tag in spec.tags if tag.startswith("cdc_assets/")], spec.key
    graph = definitions.resolve_asset_graph()
    assert all(graph.get_check_spec(key).description for key in graph.asset_check_keys)
    jobs = [job for job in definitions.resolve_all_job_defs() if job.name != "__ASSET_JOB"]
    assert all(job.description for job in jobs)
    assert all(sensor.description for sensor in definitions.sensors or ())


def test_the_workspace_of_the_checkout_is_one_for_dagster(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "dagster"
    (tmp_path / "pipelines").mkdir()
    variables = {"CDC_HOME": tmp_path, "DAGSTER_HOME": tmp_path, "CDC_PIPELINES_DIR": tmp_path / "pipelines"}
    done = subprocess.run(
        [str(program), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=checkout(),
        env={**inherited_environment(), **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful for code location cdc_assets" in done.stdout + done.stderr


def test_a_source_table_of_two_pipelines_is_one_asset(settings: Settings) -> None:
    other = a_pipeline("other", ("a", "z"), target=Endpoint(WAREHOUSE, "cdctest", "other"))
    definitions = location(settings, commands_for(a_pipeline(), other))
    dg.Definitions.validate_loadable(definitions)
    assert "Read by pipeline final_test2, other." in str(specs(definitions)["app/cdctest/public/a"].description)


def test_two_pipelines_on_one_target_table_do_not_take_the_others_down(settings: Settings) -> None:
    definitions = location(settings, commands_for(a_pipeline(), a_pipeline("other")))
    dg.Definitions.validate_loadable(definitions)


def test_pipelines_in_a_circle_and_tables_that_are_their_own_target_still_load(settings: Settings) -> None:
    here, there = Endpoint(APP, "cdctest", "public"), Endpoint(WAREHOUSE, "cdctest", "dbo")
    definitions = location(
        settings,
        commands_for(
            a_pipeline("forth"),
            a_pipeline("back", source=there, target=here),
            a_pipeline("onto_itself", ("q",), target=here),
        ),
    )
    dg.Definitions.validate_loadable(definitions)
    assert len(definitions.resolve_asset_graph().toposorted_asset_keys) == len(specs(definitions))


def test_a_bad_file_is_an_asset_of_its_name_and_the_others_load(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    bad = (
        InvalidDefinition("bad", Path("bad.yaml"), ("bad.yaml:3: unknown key tabels; did you mean tables?",)),
        InvalidDefinition("bad", Path("bad.yml"), ("bad.yml:1: no YAML",)),
        InvalidDefinition("Odd Name", Path("Odd Name.yaml"), ("Odd Name.yaml: the name must be [a-z]",)),
    )
    commands = commands_for(a_pipeline(), invalid=bad)
    definitions = location(settings, commands)
    dg.Definitions.validate_loadable(definitions)
    assert "did you mean tables?" in str(specs(definitions)["bad"].description)
    assert {"bad:definition_valid", "Odd Name:definition_valid"} <= checks(definitions)
    check = dg.AssetCheckKey(dg.AssetKey(["bad"]), "definition_valid")
    job = dg.define_asset_job("look", selection=dg.AssetSelection.checks(check))
    result = (
        dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
        .resolve_job_def("look")
        .execute_in_process(instance=instance)
    )
    assert [evaluation.passed for evaluation in result.get_asset_check_evaluations()] == [False]


def test_without_pipelines_there_are_still_the_sensors(settings: Settings) -> None:
    definitions = location(settings, commands_for())
    dg.Definitions.validate_loadable(definitions)
    assert len(list(definitions.sensors or ())) == 3


def test_a_load_only_pipeline_shows_no_connectors_and_no_check_on_them(settings: Settings) -> None:
    definitions = location(settings, commands_for(a_pipeline(tables=("t",), mode=Mode.FULL_LOAD_ONLY)))
    assert "final_test2/sink_connector" not in specs(definitions)
    assert checks(definitions) == {"warehouse/cdctest/dbo/t:rows_match"}


def _calls_to_load(settings: Settings, pipelines: int, tables: int) -> tuple[int, int]:
    """How many calls of Python functions it takes, ours and all: the work, however slow the machine."""
    made = [
        a_pipeline(f"p{number}", [f"t{n}" for n in range(tables)], target=Endpoint(WAREHOUSE, "cdctest", f"s{number}"))
        for number in range(pipelines)
    ]
    ours = calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal ours, calls
        calls += event == "call"
        ours += event == "call" and "/cdc_assets/" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        dg.Definitions.validate_loadable(location(settings, commands_for(*made)))
    finally:
        sys.setprofile(before)
    return ours, calls


def test_the_work_to_load_grows_with_pipelines_and_tables_and_no_faster(settings: Settings) -> None:
    """Every run loads all definitions anew: with the square of their number a hundred pipelines would not start.

    Dagster looks at every asset once more for every job, which are three a pipeline: its part grows faster than ours.
    """
    _calls_to_load(settings, 1, 1)  # what is made once and kept
    ours, calls = _calls_to_load(settings, 3, 20)
    for pipelines, tables in ((12, 20), (3, 80)):
        ours_more, calls_more = _calls_to_load(settings, pipelines, tables)
        assert ours_more < 4 * ours * 1.1
        assert calls_more < 4 * calls * 2


def test_a_pipeline_whose_tables_are_not_known_yet_takes_nothing_down(settings: Settings) -> None:
    definitions = location(settings, commands_for(a_pipeline("all_of_it", ()), a_pipeline()))
    dg.Definitions.validate_loadable(definitions)
    assert "all_of_it/loaded_table" in specs(definitions)
