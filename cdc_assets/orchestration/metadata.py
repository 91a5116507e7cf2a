"""What is shown beside an asset: Dagster's own keys where it has them, ours beside; no row value, no secret.

Static parts hang on the asset, figures on the event of the stage or of the health sensor that measured them.
"""

from urllib.parse import quote, urlsplit, urlunsplit

import dagster as dg

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import Stage, TableOutcome
from cdc_assets.model.table import TableMapping
from cdc_assets.orchestration.keys import source_key
from cdc_assets.planning.lag_plots import LagFigures
from cdc_assets.settings import Settings

Metadata = dict[str, dg.MetadataValue]
_MEGABYTE = 1_000_000


def stage_metadata(
    settings: Settings, pipeline: Pipeline, mapping: TableMapping, stage: Stage, outcome: TableOutcome
) -> Metadata:
    """Return the figures of one table as a stage left it; only what the stage knows."""
    shown = _table_metadata(pipeline, mapping, outcome) if stage is Stage.LOADED_TABLE else {}
    if stage is Stage.TARGET_SCHEMA:
        shown |= _shape(pipeline, mapping, outcome)
    if outcome.connector is not None:
        shown["connector"] = dg.MetadataValue.text(outcome.connector)
        shown["connector_state"] = dg.MetadataValue.url(connector_state_url(settings, outcome.connector))
    if outcome.lsn is not None and stage is not Stage.LOADED_TABLE:
        shown["lsn"] = dg.MetadataValue.text(str(outcome.lsn))
    if outcome.note:
        shown["note"] = dg.MetadataValue.text(outcome.note)
    return shown


def target_metadata(pipeline: Pipeline, mapping: TableMapping, outcome: TableOutcome) -> Metadata:
    """Return what a load says of the target table itself."""
    return _table_metadata(pipeline, mapping, outcome)


def lag_metadata(pipeline: Pipeline, figures: LagFigures, table: str) -> Metadata:
    """Return a sample of how far a target table is behind, as numbers that Dagster draws over time."""
    shown: Metadata = {
        "pipeline": dg.MetadataValue.text(pipeline.name),
        "measured_at": dg.MetadataValue.timestamp(figures.at),
    }
    if figures.seconds is not None:
        shown["lag_seconds"] = dg.MetadataValue.float(round(figures.seconds, 1))
    if figures.bytes_behind is not None:
        shown["lag_bytes"] = dg.MetadataValue.int(figures.bytes_behind)
    if table in figures.records_behind:
        shown["lag_records"] = dg.MetadataValue.int(figures.records_behind[table])
    return shown


def connector_state_url(settings: Settings, connector: str) -> str:
    """Return where Kafka Connect shows the connector's state; a login in its configured address is left out."""
    parts = urlsplit(settings.connect_url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return f"{urlunsplit(bare).rstrip('/')}/connectors/{quote(connector, safe='')}/status"


def _table_metadata(pipeline: Pipeline, mapping: TableMapping, outcome: TableOutcome) -> Metadata:
    shown = _shape(pipeline, mapping, outcome)
    if outcome.rows is not None:
        shown["dagster/row_count"] = dg.MetadataValue.int(outcome.rows)
    if outcome.size_bytes is not None:
        shown["size_bytes"] = dg.MetadataValue.int(outcome.size_bytes)
    if outcome.seconds is not None:
        shown["seconds"] = dg.MetadataValue.float(round(outcome.seconds, 3))
        if outcome.size_bytes is not None and outcome.seconds > 0:
            rate = outcome.size_bytes / outcome.seconds / _MEGABYTE
            shown["megabytes_per_second"] = dg.MetadataValue.float(round(rate, 3))
    if outcome.lsn is not None:
        shown["lsn"] = dg.MetadataValue.text(str(outcome.lsn))
    return shown


def _shape(pipeline: Pipeline, mapping: TableMapping, outcome: TableOutcome) -> Metadata:
    """Columns, where each comes from, and the statements that make the table."""
    shown: Metadata = {}
    if outcome.columns:
        shown["dagster/column_schema"] = dg.MetadataValue.table_schema(
            dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name, column.type, constraints=dg.TableColumnConstraints(nullable=column.is_nullable)
                    )
                    for column in outcome.columns
                ]
            )
        )
        source = source_key(pipeline, mapping)
        shown["dagster/column_lineage"] = dg.MetadataValue.column_lineage(
            dg.TableColumnLineage({column.name: [dg.TableColumnDep(source, column.name)] for column in outcome.columns})
        )
    if outcome.statements:
        # Longer than any fence in it: a name may hold back quotes.
        shown["ddl"] = dg.MetadataValue.md(
            "````sql\n" + "\n".join(f"{each};" for each in outcome.statements) + "\n````"
        )
    return shown
