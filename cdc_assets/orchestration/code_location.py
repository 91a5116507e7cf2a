"""Everything Dagster is to know, made from the definitions; no source or target is asked, so one away hides nothing."""

import dagster as dg

from cdc_assets.model.pipeline import Definitions
from cdc_assets.orchestration.alerts import alert_sensor
from cdc_assets.orchestration.assets import sync_assets
from cdc_assets.orchestration.checks import definition_checks, invalid_assets, table_checks
from cdc_assets.orchestration.commands import Commands
from cdc_assets.orchestration.jobs import start_job, stop_job, sync_job
from cdc_assets.orchestration.lineage import table_assets
from cdc_assets.orchestration.sensors import health_sensor, reconcile_sensor
from cdc_assets.settings import Settings
from cdc_assets.wiring.orchestrator import CurrentStack


def code_location(
    settings: Settings, definitions: Definitions, commands: Commands, *, stack: CurrentStack
) -> dg.Definitions:
    """Return assets, checks, jobs and sensors of all pipelines, and what shows the files that cannot be used."""
    pipelines = definitions.pipelines
    sync_jobs = [sync_job(pipeline) for pipeline in pipelines]
    return dg.Definitions(
        assets=[
            *(sync_assets(settings, pipeline, commands) for pipeline in pipelines),
            *table_assets(pipelines),
            *invalid_assets(definitions.invalid),
        ],
        asset_checks=[
            *table_checks(settings, pipelines, commands),
            *definition_checks(settings, definitions.invalid, commands),
        ],
        jobs=[
            *sync_jobs,
            *(start_job(settings, pipeline, commands) for pipeline in pipelines),
            *(stop_job(settings, pipeline, commands) for pipeline in pipelines),
        ],
        sensors=[
            reconcile_sensor(settings, definitions, commands, jobs=sync_jobs, stack=stack),
            health_sensor(settings, definitions, commands),
            alert_sensor(settings, commands),
        ],
        executor=dg.in_process_executor,
    )
