"""Does the largest row fit into a Kafka message? A change of one that does not stops the whole stream."""

from collections.abc import Mapping

from cdc_assets.dialects.postgres_row_size import row_size
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.planning.connectors import LARGEST_MESSAGE_BYTES
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.stages.preflight.facts import KafkaFacts, PreflightFacts, SourceFacts, loaded_tables
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
    limit = _read_limit(facts)
    is_assumed = limit is None and (facts.is_kafka_configured or facts.is_connect_configured)
    for table, row_bytes in source.largest_rows.items():
        _check_row(table, row_bytes, limit or LARGEST_MESSAGE_BYTES, findings, is_assumed=is_assumed)
    largest = max((size or 0 for size in source.largest_rows.values()), default=0)
    shown = _mebibytes(limit or LARGEST_MESSAGE_BYTES)
    how = f"{shown} are assumed, because the brokers did not tell their limit" if is_assumed else shown
    what = f"every row fits into a Kafka message ({how}); the largest has {largest / _MEBIBYTE:.1f} MiB"
    findings.pass_unless_found(_CHECK, what)


def _read_limit(facts: PreflightFacts) -> int | None:
    """Return what brokers and producer take; None when the brokers told nothing."""
    kafka = facts.kafka
    if not isinstance(kafka, KafkaFacts) or kafka.message_bytes is None:
        return None
    return min(kafka.message_bytes, LARGEST_MESSAGE_BYTES)


def _check_row(table: TableName, row_bytes: int | None, limit: int, findings: Findings, *, is_assumed: bool) -> None:
    if row_bytes is None:
        what = f"the largest row of {table} could not be found within a minute"
        findings.warn(_CHECK, what, f"keep its rows below {_mebibytes(limit // _COPIES)}", table=table.name)
        return
    event = row_bytes * _COPIES
    what = (
        f"the largest row of {table} has {row_bytes / _MEBIBYTE:.1f} MiB, and an event of it (before and after the "
        f"change) {event / _MEBIBYTE:.1f} MiB"
    )
    if event > limit:
        what += f": a Kafka message holds {_mebibytes(limit)}, the stream of every table here would stop at it"
        fix = "shorten the row, exclude the column, or leave the table out"
        if event <= LARGEST_MESSAGE_BYTES:
            fix = f"set message.max.bytes of the Kafka brokers to {LARGEST_MESSAGE_BYTES}; or {fix}"
        findings.fail(_CHECK, what, fix, table=table.name)
    elif event > limit / 2:
        what += f", near to the {_mebibytes(limit)} of a Kafka message"
        findings.warn(_CHECK, what, "keep such rows from growing", table=table.name)
    elif is_assumed and event > _KAFKA_DEFAULT_BYTES:
        what += ": more than the 1 MiB that Kafka allows unless told, and the brokers did not tell their limit"
        findings.warn(
            _CHECK, what, f"see that brokers have message.max.bytes of {LARGEST_MESSAGE_BYTES} or so", table=table.name
        )


def _mebibytes(size: float) -> str:
    return f"{size / _MEBIBYTE:.3g} MiB"
