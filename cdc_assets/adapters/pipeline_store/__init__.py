"""The state database: the only module that writes pipelines, tables, leases and events."""

from cdc_assets.adapters.pipeline_store.alert_book import PostgresAlertBook
from cdc_assets.adapters.pipeline_store.lag_history import PostgresLagHistory
from cdc_assets.adapters.pipeline_store.looks import PostgresLooks
from cdc_assets.adapters.pipeline_store.store import PostgresPipelineStore

__all__ = ["PostgresAlertBook", "PostgresLagHistory", "PostgresLooks", "PostgresPipelineStore"]
