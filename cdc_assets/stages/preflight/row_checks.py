"""Does the largest row fit into a Kafka message? A change of one that does not stops the whole stream."""

from collections.abc import Mapping

from cdc_assets.dialects.postgres_row_size import row_size
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.planning.connector_configs import LARGEST_MESSAGE_BYTES
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.stages.preflight.facts import PreflightFacts, SourceFacts, loaded_tables
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "row_size"
_MEBIBYTE = 1024 * 1024
_KAFKA_DEFAULT_BYTES = _MEBIBYTE
# Under REPLICA IDENTITY FULL an event holds the row before and after the change.
_COPIES = 2


def read_largest_rows(
    pipeline: Pipeline,
    source: SourceDatabase,
    tables: Mapping[TableName, TableDefinition],
    record: PipelineRecord | None,
) -> Mapping[TableName, int | None]:
    """Measure the largest row of each captured table that is not loaded yet; None where that took too long."""
    if not pipeline.mode.captures:
        return {}
    loaded = loaded_tables(record)
    found: dict[TableName, int | None] = {}
    for mapping in pipeline.tables:
        table = tables.get(mapping.source)
        if table is None or mapping.partition_key in loaded or table.kind not in {"r", "p"}:
            continue
        size = row_size(table.copied_columns(mapping))
        if size is not None and table.is_selectable and not table.has_row_security:
            found[table.name] = source.largest_row(table, size)
    return found


def check_rows(facts: PreflightFacts, source: SourceFacts, findings: Findings) -> None:
    """Add the check of the largest rows; none for a pipeline without capture."""
    if not facts.pipeline.mode.captures:
        return
    limit = LARGEST_MESSAGE_BYTES / _MEBIBYTE
    for table, row_bytes in source.largest_rows.items():
        if row_bytes is None:
            what = f"the largest row of {table} could not be found within a minute"
            findings.warn(_CHECK, what, f"keep its rows below {limit / _COPIES:g} MiB", table=table.name)
            continue
        event = row_bytes * _COPIES
        what = (
            f"the largest row of {table} has {row_bytes / _MEBIBYTE:.1f} MiB, and an event of it (before and after the "
            f"change) {event / _MEBIBYTE:.1f} MiB"
        )
        if event > LARGEST_MESSAGE_BYTES:
            what += f": a Kafka message holds {limit:g} MiB, the stream of every table here would stop at it"
            findings.fail(_CHECK, what, "shorten the row, or leave the table out", table=table.name)
        elif event > LARGEST_MESSAGE_BYTES / 2:
            what += f", near to the {limit:g} MiB of a Kafka message"
            findings.warn(_CHECK, what, "keep such rows from growing", table=table.name)
        elif event > _KAFKA_DEFAULT_BYTES and facts.is_connect_configured:
            what += ": more than the 1 MiB that Kafka allows unless told"
            fix = (
                f"give brokers message.max.bytes and workers producer.max.request.size of {LARGEST_MESSAGE_BYTES} or so"
            )
            findings.warn(_CHECK, what, fix, table=table.name)
    largest = max((size or 0 for size in source.largest_rows.values()), default=0)
    findings.pass_unless_found(
        _CHECK, f"every row fits into a Kafka message ({limit:g} MiB); the largest has {largest / _MEBIBYTE:.1f} MiB"
    )
