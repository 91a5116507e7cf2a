"""Source and target tables as external assets, one for each distinct table, so that lineage crosses pipelines.

Source table -> load and source connector -> target table -> whatever reads it downstream.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import dagster as dg

from cdc_assets.model.pipeline import Endpoint, Pipeline
from cdc_assets.orchestration.keys import (
    OWNERS,
    SOURCE_TABLES,
    TARGET_TABLES,
    pipeline_stages,
    source_key,
    stage_key,
    table_tags,
    target_key,
)

_COPY = """

**After success** it holds what the source table held at the load and every change since; `rows_match` says how the load
ended, `cdc_healthy` whether changes arrive, the plots of `lag_seconds`, `lag_records` and `lag_bytes` how far behind
they are. The row count is that of the load, not of now. What reads this table depends on this asset.

**When a check is red** its description has the cause and the fix; `./cdc status {writer}` has the same. Nothing but the
pipeline should write to this table."""
_ORIGINAL = """

Nothing is materialized here: the table is read, first whole, then through its log. When it is altered or dropped, see
the check `cdc_healthy` of its copies."""


@dataclass(slots=True)
class _Table:
    side: Endpoint
    name: str
    readers: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    deps: set[dg.AssetKey] = field(default_factory=set)


def table_assets(pipelines: Sequence[Pipeline]) -> list[dg.AssetSpec]:
    """Return one external asset for every table that a pipeline reads or writes."""
    tables: dict[dg.AssetKey, _Table] = {}
    drawn = _drawable(pipelines)
    for pipeline in pipelines:
        for mapping in pipeline.tables:
            _table(tables, pipeline, source_key(pipeline, mapping), is_source=True).readers.append(pipeline.name)
            target = _table(tables, pipeline, target_key(pipeline, mapping), is_source=False)
            target.writers.append(pipeline.name)
            if pipeline.name in drawn:
                target.deps |= {
                    stage_key(pipeline, stage)
                    for stage in pipeline_stages(pipeline)
                    if stage.value in {"loaded_table", "sink_connector"}
                }
    return [
        dg.AssetSpec(
            key,
            deps=sorted(table.deps),
            description=_describe(table),
            group_name=TARGET_TABLES if table.writers else SOURCE_TABLES,
            owners=OWNERS,
            kinds={table.side.connection.kind, "table"},
            tags=table_tags(table.side, is_target=bool(table.writers)),
            metadata={"dagster/table_name": f"{table.side}.{table.name}"},
        )
        for key, table in tables.items()
    ]


def _table(tables: dict[dg.AssetKey, _Table], pipeline: Pipeline, key: dg.AssetKey, *, is_source: bool) -> _Table:
    side = pipeline.source if is_source else pipeline.target
    return tables.setdefault(key, _Table(side, key.path[-1]))


def _drawable(pipelines: Sequence[Pipeline]) -> set[str]:
    """Return the pipelines whose lineage can be drawn: Dagster has no cycles, two databases may well have one.

    A table that is its own target is such a cycle too; `check` refuses it, and the other pipelines must still load.
    """
    edges: dict[dg.AssetKey, set[dg.AssetKey]] = {}
    drawn: set[str] = set()
    for pipeline in pipelines:
        sources = {source_key(pipeline, mapping) for mapping in pipeline.tables}
        more = {key: set(before) for key, before in edges.items()}
        for mapping in pipeline.tables:
            more.setdefault(target_key(pipeline, mapping), set()).update(sources)
        try:
            TopologicalSorter(more).prepare()
        except CycleError:
            continue
        edges = more
        drawn.add(pipeline.name)
    return drawn


def _describe(table: _Table) -> str:
    lines = [f"Table `{table.name}` in `{table.side}` on connection {table.side.connection.name}."]
    if table.writers:
        lines.append(f"Written by pipeline {', '.join(table.writers)}.")
    if table.readers:
        lines.append(f"Read by pipeline {', '.join(table.readers)}.")
    shown = " ".join(lines)
    for writer in table.writers[:1]:
        shown += _COPY.format(writer=writer)
    return shown if table.writers else shown + _ORIGINAL
