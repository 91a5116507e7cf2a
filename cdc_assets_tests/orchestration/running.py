"""Builds a code location over fake commands and runs its jobs in this process."""

from datetime import timedelta

import dagster as dg

from cdc_assets.model.pipeline import Definitions, InvalidDefinition, Pipeline
from cdc_assets.orchestration.code_location import code_location
from cdc_assets.settings import Settings
from cdc_assets.wiring.orchestrator import CurrentStack
from cdc_assets_tests.orchestration.fake_commands import FakeCommands
from cdc_assets_tests.services.records import NOW

NO_STACK = CurrentStack("", NOW)
A_STACK = CurrentStack("stack-2", NOW + timedelta(hours=1))


def location(
    settings: Settings, commands: FakeCommands, definitions: Definitions | None = None, stack: CurrentStack = NO_STACK
) -> dg.Definitions:
    return code_location(settings, definitions or commands.definitions, commands, stack=stack)


def commands_for(*pipelines: Pipeline, invalid: tuple[InvalidDefinition, ...] = ()) -> FakeCommands:
    return FakeCommands(Definitions(pipelines, invalid))


def run_sync(
    location: dg.Definitions,
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    *,
    first: str | None = None,
    last: str | None = None,
    tags: dict[str, str] | None = None,
    only: list[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    keys = [mapping.partition_key for mapping in pipeline.tables]
    return location.resolve_job_def(f"{pipeline.name}__sync").execute_in_process(
        instance=instance,
        raise_on_error=False,
        asset_selection=only,
        tags={
            "dagster/asset_partition_range_start": first or keys[0],
            "dagster/asset_partition_range_end": last or keys[-1],
            **(tags or {}),
        },
    )


def partitions(instance: dg.DagsterInstance, pipeline: Pipeline, stage: str) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey([pipeline.name, stage]))


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(
        str(event.step_failure_data.user_failure_data.description)
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    )
