"""What every command needs first: settings, definitions, the state database. Kept apart, because it loads quickly."""

from dataclasses import replace
from functools import cache

from cdc_assets.adapters import definition_files
from cdc_assets.adapters.pipeline_store import PostgresLagHistory, PostgresPipelineStore
from cdc_assets.model.errors import StateDatabaseError
from cdc_assets.model.pipeline import Definitions
from cdc_assets.planning.table_choice import known_tables
from cdc_assets.planning.vanished_files import with_vanished
from cdc_assets.ports.store import LagHistory, PipelineStore
from cdc_assets.settings import Settings


def load_settings() -> Settings:
    """Read the settings in force; SettingsError names what cannot be used."""
    return Settings.load()


def load_definitions(settings: Settings) -> Definitions:
    """Read every pipeline file; bad ones are listed, never raised.

    One with `tables: all` has the tables that are recorded of it: none before they were found, or while there is no
    state database to ask. No other server is asked.
    """
    definitions = definition_files.load(settings.pipelines_dir, settings.connections_file)
    if all(pipeline.all_tables is None for pipeline in definitions.pipelines):
        return definitions
    try:
        records = {record.name: record for record in open_store(settings).list_pipelines()}
    except StateDatabaseError:
        # Whoever needs it says so; the other pipelines are what their files say.
        records = {}
    pipelines = tuple(
        pipeline
        if pipeline.all_tables is None
        else pipeline.with_tables(known_tables(pipeline.all_tables, records.get(pipeline.name)))
        for pipeline in definitions.pipelines
    )
    return replace(definitions, pipelines=pipelines)


def known_definitions(settings: Settings) -> Definitions:
    """Read every pipeline file; one that a started pipeline misses is listed with the bad ones.

    Without a state database nobody knows what was started: the files are all there is then.
    """
    definitions = load_definitions(settings)
    try:
        return with_vanished(definitions, open_store(settings).list_pipelines(), settings.pipelines_dir)
    except StateDatabaseError:
        return definitions


def open_store(settings: Settings) -> PipelineStore:
    """The state database; one pool of sessions a process and URL."""
    return _store(settings.database_url)


@cache
def _store(database_url: str) -> PostgresPipelineStore:
    return PostgresPipelineStore(database_url)


def open_lag_history(settings: Settings) -> LagHistory:
    """How far pipelines were behind; one pool of sessions a process and URL."""
    return _lag_history(settings.database_url)


@cache
def _lag_history(database_url: str) -> PostgresLagHistory:
    return PostgresLagHistory(database_url)
