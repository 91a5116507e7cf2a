"""Shapes of the answers, for the OpenAPI document; the documents themselves come from `model`."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

# In trouble, so that no member is null: nulls are left out of the document.
_ID = "5f0c1c1e-6f0e-4c53-9d8c-6d1f5f3a2b10"
_TABLE: JsonDict = {
    "name": "projects_simple",
    "target_table": "projects_simple",
    "state": "QUARANTINED",
    "intent": "RUNNING",
    "rows_loaded": 100000,
    "rows_estimated": 100000,
    "bytes_loaded": 9437184,
    "load_lsn": "0/16B3748",
    "topic": "cdc.final_test2.1.5f0c1c.public.projects_simple",
    "sink_connector_name": "cdc_final_test2_1_5f0c1c_sink_projects_simple",
    "last_error": "sink connector cdc_final_test2_1_5f0c1c_sink_projects_simple of table projects_simple failed: a"
    " value violates a check constraint. Fix: mend the target table or the row; the sink connector is tried again",
    "last_error_code": "CONNECTOR_FAILED",
    "updated_at": "2026-01-31T08:00:05Z",
}
_FINDING: JsonDict = {
    "level": "DEGRADED",
    "code": "CONNECTOR_FAILED",
    "table": "projects_simple",
    "sentence": "sink connector cdc_final_test2_1_5f0c1c_sink_projects_simple of table projects_simple is starting."
    " Fix: wait for it; when it lasts, see that all workers of Kafka Connect run, and their logs",
    "since": "2026-01-31T08:00:08Z",
    "fails_at": "2026-01-31T08:00:38Z",
}
_PIPELINE: JsonDict = {
    "id": _ID,
    "name": "final_test2",
    "mode": "full_load_and_cdc",
    "status": "ERROR",
    "full_load_status": "COMPLETED",
    "cdc_status": "RUNNING",
    "full_load_completed_at": "2026-01-31T08:00:00Z",
    "full_load_lsn": "0/16B3748",
    "generation": 1,
    "debezium_connector_name": "cdc_final_test2_1_5f0c1c_source",
    "sink_connector_name": "cdc_final_test2_1_5f0c1c_sink",
    "slot_name": "cdc_final_test2_1_5f0c1c",
    "publication_name": "cdc_final_test2_1_5f0c1c",
    "intent": "RUNNING",
    "intent_version": 1,
    "last_error": "table projects_simple is QUARANTINED. Fix: see its own error",
    "last_error_code": "CONNECTOR_FAILED",
    "last_error_at": "2026-01-31T08:00:05Z",
    "failed_step": "cdc_health",
    "created_at": "2026-01-31T07:59:00Z",
    "updated_at": "2026-01-31T08:00:05Z",
    "source": {"connection": "app", "database": "cdctest", "schema": "public"},
    "target": {"connection": "warehouse", "database": "cdctest", "schema": "dbo"},
    "health": {"level": "DEGRADED", "observed_at": "2026-01-31T08:00:10Z", "findings": [_FINDING]},
    "tables": [_TABLE],
}
_EVENT: JsonDict = {
    "id": 17,
    "at": "2026-01-31T08:00:05Z",
    "pipeline_id": _ID,
    "pipeline_name": "final_test2",
    "table_name": "projects_simple",
    "field": "state",
    "old_value": "STREAMING",
    "new_value": "QUARANTINED",
    "cause": "the target refuses a record",
    "run_id": "0a7c3c1e-0c1a-4f55-8a3f-2b1f5f3a2b11",
}
_LAG: JsonDict = {
    "pipeline": "final_test2",
    "source_lsn": "0/16B4000",
    "delivered_lsn": "0/16B3F00",
    "bytes_behind": 256,
    "tables": [{"name": "projects_simple", "records_behind": 0}],
}


class EndpointShape(BaseModel):
    """One side of a pipeline."""

    connection: str = Field(examples=["app"])
    database: str = Field(examples=["cdctest"])
    schema_name: str = Field(alias="schema", examples=["public"])


class TableShape(BaseModel):
    """One table of a pipeline, as `pipeline_tables` has it."""

    name: str = Field(examples=["projects_simple"])
    target_table: str = Field(examples=["projects_simple"])
    state: str = Field(examples=["STREAMING"])
    rows_loaded: int = 0
    rows_estimated: int | None = None
    intent: str | None = None
    bytes_loaded: int | None = None
    load_lsn: str | None = None
    topic: str | None = None
    sink_connector_name: str | None = None
    last_error: str | None = None
    last_error_code: str | None = None
    updated_at: datetime | None = None


class FindingShape(BaseModel):
    """One thing that the last look found. Of what may pass by itself: since when, and when it counts as a failure."""

    level: str = Field(examples=["DEGRADED"])
    code: str = Field(examples=["CONNECTOR_FAILED"])
    table: str | None = None
    sentence: str = Field(examples=["sink connector ... is starting. Fix: wait for it"])
    since: datetime | None = None
    fails_at: datetime | None = None


class HealthOfPipelineShape(BaseModel):
    """What the last look at the stream saw, and when that was: an observation, where `status` is a state."""

    level: str = Field(examples=["HEALTHY"], description="HEALTHY, DEGRADED or FAILED: the worst of the findings.")
    observed_at: datetime = Field(examples=["2026-01-31T08:00:10Z"])
    findings: list[FindingShape] = []


class PipelineShape(BaseModel):
    """One pipeline: the columns of `pipelines`, with its tables. Not yet recorded: `id` is null."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PIPELINE]})

    id: UUID | None
    name: str = Field(examples=["final_test2"])
    mode: str | None = Field(examples=["full_load_and_cdc"])
    status: str = Field(examples=["RUNNING"])
    full_load_status: str | None = Field(examples=["COMPLETED"])
    cdc_status: str | None = Field(examples=["RUNNING"])
    full_load_completed_at: datetime | None
    full_load_lsn: str | None = Field(examples=["0/16B3748"])
    generation: int | None
    debezium_connector_name: str | None
    sink_connector_name: str | None
    slot_name: str | None
    publication_name: str | None
    intent: str | None
    intent_version: int | None
    last_error: str | None
    last_error_code: str | None
    last_error_at: datetime | None
    failed_step: str | None
    created_at: datetime | None
    updated_at: datetime | None
    source: EndpointShape | None
    target: EndpointShape | None
    health: HealthOfPipelineShape | None = Field(description="Null while nobody looks: not started, or stopped.")
    tables: list[TableShape]


class EventShape(BaseModel):
    """One row of `pipeline_events`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})

    id: int
    at: datetime
    pipeline_id: UUID
    pipeline_name: str
    table_name: str | None
    field: str = Field(examples=["cdc_status"])
    old_value: str | None
    new_value: str | None
    cause: str | None
    run_id: str | None


class TableLagShape(BaseModel):
    """Records of a table's topic that its sink has not applied; null while no sink reads it."""

    name: str
    records_behind: int | None


class LagShape(BaseModel):
    """How far the stream is behind now; null where nothing streams."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LAG]})

    pipeline: str
    source_lsn: str
    delivered_lsn: str | None
    bytes_behind: int | None = Field(description="WAL of the source that is not proved to be in Kafka.")
    tables: list[TableLagShape]


class LagSampleShape(BaseModel):
    """How far a pipeline was behind at a moment; null where nothing was captured or applied."""

    at: datetime = Field(examples=["2026-01-31T08:00:10Z"])
    bytes_behind: int | None = Field(description="WAL of the source not proved to be in Kafka.", examples=[256])
    records_behind: int | None = Field(description="Records not yet in the target.", examples=[12])


class HealthShape(BaseModel):
    """Healthy, or what is away."""

    status: str = Field(examples=["healthy"])
    checks: dict[str, str] | None = Field(
        default=None, examples=[{"state_database": "ok", "kafka_connect": "ok", "dagster_daemon": "none was ever seen"}]
    )
