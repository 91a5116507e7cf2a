"""Pipeline, connections and alerts files, read, checked and turned into the model; problems have file, line and fix.

Known gap: connections are PostgreSQL only.
"""

from cdc_assets.adapters.definition_files.alerts import load_alerts
from cdc_assets.adapters.definition_files.fields import unusable_table
from cdc_assets.adapters.definition_files.pipeline_schema import pipeline_schema
from cdc_assets.adapters.definition_files.reader import load
from cdc_assets.adapters.definition_files.writer import delete, write

__all__ = ["delete", "load", "load_alerts", "pipeline_schema", "unusable_table", "write"]
