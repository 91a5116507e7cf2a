"""Which tables a pipeline has whose file says `tables: all`: found in the source, then recorded with the pipeline.

What is recorded is what every part of the product goes by, Dagster's partitions too. A pipeline that was never started
follows its source; later only `add_new_tables` brings a table in.
"""

from collections.abc import Callable
from dataclasses import replace

from cdc_assets.adapters import definition_files
from cdc_assets.model.errors import DefinitionError, SecretMissingError, SourceError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.planning.table_choice import Choice, choose_tables
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.stages.observation import HealthContext
from cdc_assets.wiring.basics import load_definitions, open_store
from cdc_assets.wiring.parts import open_source

# Asked beside other pipelines that wait.
_PATIENCE_SECONDS = 4
Log = Callable[[str], None]


def chosen_tables(
    pipeline: Pipeline, record: PipelineRecord | None, *, source: Callable[[], SourceDatabase] | None = None
) -> tuple[Pipeline, Choice | None]:
    """Return the pipeline over the tables that a start now would take, and how they were chosen.

    Asks the source for `tables: all` only, None for others. SourceError or SecretMissingError when it does not tell;
    DefinitionError when there is no table, or one whose name cannot be carried.
    """
    if pipeline.all_tables is None:
        return pipeline, None
    asked = (
        source() if source is not None else open_source(pipeline, is_read_only=True, patience_seconds=_PATIENCE_SECONDS)
    )
    found = [table.name for table in asked.tables_in(pipeline.source.schema)]
    found = [name for name in found if name not in pipeline.all_tables.excluded]
    problems = {name: problem for name in found if (problem := definition_files.unusable_table(name)) is not None}
    is_started = record is not None and record.suffix is not None
    if problems and not is_started:
        name, problem = next(iter(problems.items()))
        raise DefinitionError(
            f"pipeline {pipeline.name} has `tables: all`, and table {name!r} of {pipeline.source} {problem}",
            hint=f"put it under `except` in {pipeline.name}.yaml",
        )
    choice = choose_tables(pipeline.all_tables, [name for name in found if name not in problems], record)
    choice = replace(choice, left_out=tuple(sorted((*choice.left_out, *problems))))
    if not choice.tables:
        raise DefinitionError(
            f"pipeline {pipeline.name} has `tables: all`, and {pipeline.source} has no table for it",
            hint="look at the schema's name and at `except`",
        )
    return pipeline.with_tables(choice.tables), choice


def record_tables(settings: Settings, pipeline: Pipeline) -> Pipeline:
    """Find and record the tables of `tables: all` as a start does; errors as of `chosen_tables`."""
    store = open_store(settings)
    found, _ = chosen_tables(pipeline, store.find(pipeline.name))
    store.ensure_pipeline(found, is_choice=found.all_tables is not None)
    return found


def record_first_tables(settings: Settings, store: PipelineStore, *, log: Log) -> None:
    """Record every pipeline of the files; one with `tables: all` gets its tables when it has none yet.

    A source that does not tell is asked again at the next tick.
    """
    for pipeline in load_definitions(settings).pipelines:
        store.ensure_pipeline(pipeline)
        if pipeline.all_tables is None or pipeline.tables:
            continue
        try:
            record_tables(settings, pipeline)
        except (SourceError, SecretMissingError, DefinitionError) as error:
            log(f"Tables of {pipeline.name} are not known yet: {error}")


def follow_source(context: HealthContext, record: PipelineRecord, known: tuple[str, ...]) -> tuple[str, ...]:
    """Look for tables that came to the source of a running pipeline: record them, or note once that they are there.

    `known`: what the last look found that is not copied; returns what this one did.
    """
    pipeline = context.pipeline
    try:
        found, choice = chosen_tables(pipeline, record, source=context.source)
    except DefinitionError as error:
        context.log(str(error))
        return known
    if choice is None:
        return ()
    if choice.added:
        context.log(f"New in the source of {pipeline.name}, to be copied: {', '.join(choice.added)}")
        context.store.ensure_pipeline(found)
    if choice.left_out != known:
        context.store.note(
            pipeline.name,
            "new_tables",
            ", ".join(known) or None,
            ", ".join(choice.left_out) or None,
            cause="tables of the source that are not copied",
        )
    return choice.left_out
