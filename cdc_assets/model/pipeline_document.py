"""Pipelines as JSON documents, under the names of the state tables: what CLI and HTTP API print."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cdc_assets.model.errors import UnknownTableError
from cdc_assets.model.lag_sample import LagSample
from cdc_assets.model.pipeline import Definitions, Endpoint, InvalidDefinition, Pipeline
from cdc_assets.model.record import Event, PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState

Json = dict[str, Any]


def pipeline_documents(definitions: Definitions, records: Iterable[PipelineRecord]) -> list[Json]:
    """Every pipeline that a file defines or the state database records, by name."""
    recorded = {record.name: record for record in records}
    invalid = {each.name: each for each in definitions.invalid}
    known = recorded.keys() | invalid.keys() | {each.name for each in definitions.pipelines}
    return [_document(recorded.get(name), definitions.find(name), invalid.get(name)) for name in sorted(known)]


def record_document(record: PipelineRecord, definition: Pipeline | None) -> Json:
    """A recorded pipeline; source and target are those of its file, None when that is gone."""
    return {
        "id": str(record.id),
        "name": record.name,
        "mode": record.mode,
        "status": record.status,
        "full_load_status": record.full_load_status,
        "cdc_status": record.cdc_status,
        "full_load_completed_at": _time(record.full_load_completed_at),
        "full_load_lsn": None if record.full_load_lsn is None else str(record.full_load_lsn),
        "generation": record.generation,
        "debezium_connector_name": record.debezium_connector_name,
        "sink_connector_name": record.sink_connector_name,
        "slot_name": record.slot_name,
        "publication_name": record.publication_name,
        "intent": record.intent,
        "intent_version": record.intent_version,
        "last_error": record.last_error,
        "last_error_code": record.last_error_code,
        "last_error_at": _time(record.last_error_at),
        "failed_step": record.failed_step,
        "created_at": _time(record.created_at),
        "updated_at": _time(record.updated_at),
        "source": None if definition is None else _endpoint(definition.source),
        "target": None if definition is None else _endpoint(definition.target),
        "health": _health(record),
        "tables": [_table(table) | _left_file(table, definition) for table in record.tables],
    }


def event_document(event: Event) -> Json:
    """An event under the names of `pipeline_events`."""
    return {
        "id": event.id,
        "at": _time(event.at),
        "pipeline_id": str(event.pipeline_id),
        "pipeline_name": event.pipeline_name,
        "table_name": event.table_name,
        "field": event.field,
        "old_value": event.old_value,
        "new_value": event.new_value,
        "cause": event.cause,
        "run_id": event.run_id,
    }


def lag_sample_document(sample: LagSample) -> Json:
    """A sample under the names of `pipeline_lag`."""
    return {
        "at": _time(sample.at),
        "bytes_behind": sample.bytes_behind,
        "records_behind": sample.records_behind,
    }


def _document(record: PipelineRecord | None, definition: Pipeline | None, invalid: InvalidDefinition | None) -> Json:
    if record is not None:
        document = record_document(record, definition)
    elif definition is not None:
        document = _unrecorded(definition)
    else:
        document = _EMPTY | {"name": "" if invalid is None else invalid.name}
    # A bad file changes the word and the error of a recorded pipeline; the rest is still true.
    return document if definition is not None or invalid is None else document | _trouble(invalid)


def _trouble(invalid: InvalidDefinition) -> Json:
    return {
        "status": PipelineStatus.INVALID,
        "last_error": "; ".join(invalid.problems),
        "last_error_code": "DEFINITION_INVALID",
    }


def _unrecorded(definition: Pipeline) -> Json:
    """A pipeline that no tick has recorded yet."""
    return _EMPTY | {
        "name": definition.name,
        "mode": definition.mode,
        "status": PipelineStatus.NOT_STARTED,
        "full_load_status": FullLoadStatus.NOT_STARTED,
        "cdc_status": CdcStatus.NOT_STARTED,
        "intent": Intent.STOPPED,
        "source": _endpoint(definition.source),
        "target": _endpoint(definition.target),
        "tables": [
            {
                "name": mapping.partition_key,
                "target_table": mapping.target.name,
                "state": TableState.NOT_STARTED,
                "rows_loaded": 0,
                "rows_estimated": None,
            }
            for mapping in definition.tables
        ],
    }


def _table(table: TableRecord) -> Json:
    return {
        "name": table.source_table,
        "target_table": table.target_table,
        "state": table.state,
        "intent": table.intent,
        "rows_loaded": table.rows_loaded,
        "rows_estimated": table.rows_estimated,
        "bytes_loaded": table.bytes_loaded,
        "load_lsn": None if table.load_lsn is None else str(table.load_lsn),
        "topic": table.topic,
        "sink_connector_name": table.sink_connector_name,
        "last_error": table.last_error,
        "last_error_code": table.last_error_code,
        "updated_at": _time(table.updated_at),
    }


def _health(record: PipelineRecord) -> Json | None:
    """What the last look saw; nobody looks at a pipeline that shall not run."""
    look = record.last_look
    if look is None or record.intent is Intent.STOPPED:
        return None
    return {
        "level": look.level,
        "observed_at": _time(look.observed_at),
        "findings": [
            {
                "level": finding.level,
                "code": finding.code,
                "table": finding.table,
                "sentence": finding.sentence,
                "since": _time(finding.since),
                "fails_at": _time(finding.fails_at),
            }
            for finding in look.findings
        ],
    }


def _left_file(table: TableRecord, definition: Pipeline | None) -> Json:
    """What is told of a table with rows that the file names no longer; its own error comes first."""
    if definition is None or table.last_error is not None or table.state is TableState.NOT_STARTED:
        return {}
    if any(mapping.partition_key == table.source_table for mapping in definition.tables):
        return {}
    what = f"table {table.source_table} is not in the pipeline's file any more: from the next start on its changes end"
    return {
        "last_error": f"{what}. Fix: put it back into the file, or take the target table for a copy of that moment",
        "last_error_code": UnknownTableError.code,
    }


def _endpoint(endpoint: Endpoint) -> Json:
    return {"connection": endpoint.connection.name, "database": endpoint.database, "schema": endpoint.schema}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


_EMPTY: Json = dict.fromkeys(
    (
        "id",
        "name",
        "mode",
        "status",
        "full_load_status",
        "cdc_status",
        "full_load_completed_at",
        "full_load_lsn",
        "generation",
        "debezium_connector_name",
        "sink_connector_name",
        "slot_name",
        "publication_name",
        "intent",
        "intent_version",
        "last_error",
        "last_error_code",
        "last_error_at",
        "failed_step",
        "created_at",
        "updated_at",
        "source",
        "target",
        "health",
    )
) | {"tables": []}
