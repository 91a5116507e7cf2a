"""Names in Dagster: asset keys, groups, jobs, tags. Each is made in one place; renaming one loses its history."""

import re

import dagster as dg

from cdc_assets.model.pipeline import Endpoint, Mode, Pipeline
from cdc_assets.model.report import Stage
from cdc_assets.model.table import TableMapping

# A pipeline's name, and so its group, never holds capitals: these cannot be taken for one.
SOURCE_TABLES = "Source_tables"
TARGET_TABLES = "Target_tables"
INVALID_FILES = "Invalid_files"
OWNERS = ("team:cdc_assets",)

# Dagster's own tags.
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARENT_RUN_TAG = "dagster/parent_run_id"
# Ours.
PIPELINE_TAG = "cdc_assets/pipeline"
VERSION_TAG = "cdc_assets/intent_version"
ATTEMPT_TAG = "cdc_assets/attempt"
RUN_KEY_TAG = "cdc_assets/run_key"
# On runs that only wait for others; dagster.yaml limits them, so that they cannot take every place in the queue.
FOLLOWS_TAG = "cdc_assets/follows"

# On assets, to search and to filter by.
ROLE_TAG = "cdc_assets/role"
CONNECTION_TAG = "cdc_assets/connection"
MODE_TAG = "cdc_assets/mode"


def pipeline_tags(pipeline: Pipeline) -> dict[str, str]:
    """The tags of a pipeline's own assets."""
    return {PIPELINE_TAG: pipeline.name, MODE_TAG: pipeline.mode.value}


def table_tags(side: Endpoint, *, is_target: bool) -> dict[str, str]:
    """The tags of a table that pipelines read or write."""
    return {ROLE_TAG: "target" if is_target else "source", CONNECTION_TAG: side.connection.name}


def file_tags() -> dict[str, str]:
    """The tags of what stands for a file; its name need not be one that a tag can hold."""
    return {ROLE_TAG: "file"}


def stage_key(pipeline: Pipeline, stage: Stage) -> dg.AssetKey:
    """`[P, stage]`."""
    return dg.AssetKey([pipeline.name, stage.value])


def pipeline_stages(pipeline: Pipeline) -> tuple[Stage, ...]:
    """The stages a pipeline of its mode has, in their order."""
    if pipeline.mode is Mode.FULL_LOAD_ONLY:
        return (Stage.TARGET_SCHEMA, Stage.LOADED_TABLE)
    return tuple(Stage)


def source_key(pipeline: Pipeline, mapping: TableMapping) -> dg.AssetKey:
    """`[connection, database, schema, table]` of the source table."""
    return _table_key(pipeline.source, mapping.source.name)


def target_key(pipeline: Pipeline, mapping: TableMapping) -> dg.AssetKey:
    """`[connection, database, schema, table]` of the target table."""
    return _table_key(pipeline.target, mapping.target.name)


def _table_key(side: Endpoint, table: str) -> dg.AssetKey:
    return dg.AssetKey([side.connection.name, side.database, side.schema, table])


def sync_job_name(pipeline: str) -> str:
    """The asset job that does the work."""
    return f"{pipeline}__sync"


def source_pool(pipeline: Pipeline) -> str:
    """The pool that limits how many runs read from one source connection at once."""
    return "source_" + re.sub(r"[^A-Za-z0-9_]", "_", pipeline.source.connection.name)
