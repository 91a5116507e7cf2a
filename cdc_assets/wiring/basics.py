"""What every command needs first: settings, definitions, the state database. Kept apart, because it loads quickly."""

from functools import cache

from cdc_assets.adapters import definition_files
from cdc_assets.adapters.pipeline_store import PostgresLagHistory, PostgresPipelineStore
from cdc_assets.model.pipeline import Definitions
from cdc_assets.ports.store import LagHistory, PipelineStore
from cdc_assets.settings import Settings


def load_settings() -> Settings:
    """Read the settings in force; SettingsError names what cannot be used."""
    return Settings.load()


def load_definitions(settings: Settings) -> Definitions:
    """Read every pipeline file; bad ones are listed, never raised."""
    return definition_files.load(settings.pipelines_dir, settings.connections_file)


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
