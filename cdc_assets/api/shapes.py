"""Shapes of the answers, for the OpenAPI document; the documents themselves come from `model`."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


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


class PipelineShape(BaseModel):
    """One pipeline: the columns of `pipelines`, with its tables. Not yet recorded: `id` is null."""

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
    tables: list[TableShape]


class EventShape(BaseModel):
    """One row of `pipeline_events`."""

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

    pipeline: str
    source_lsn: str
    delivered_lsn: str | None
    bytes_behind: int | None = Field(description="WAL of the source that is not proved to be in Kafka.")
    tables: list[TableLagShape]


class HealthShape(BaseModel):
    """Healthy, or what is away."""

    status: str = Field(examples=["healthy"])
    checks: dict[str, str] | None = None
