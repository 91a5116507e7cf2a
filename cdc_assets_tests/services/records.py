"""Rows of the state tables as a healthy, streaming pipeline has them; a test says what is different."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from cdc_assets.model.pipeline import Mode
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PIPELINE = PipelineRecord(
    id=UUID(int=1),
    name="sales",
    mode=Mode.FULL_LOAD_AND_CDC,
    status=PipelineStatus.RUNNING,
    full_load_status=FullLoadStatus.COMPLETED,
    cdc_status=CdcStatus.RUNNING,
    full_load_completed_at=NOW,
    full_load_lsn=None,
    generation=1,
    suffix="abcdef",
    debezium_connector_name=None,
    sink_connector_name=None,
    slot_name=None,
    publication_name=None,
    intent=Intent.RUNNING,
    intent_version=1,
    served_version=1,
    attempt=0,
    asked_at=None,
    last_error=None,
    last_error_code=None,
    last_error_at=None,
    failed_step=None,
    created_at=NOW,
    updated_at=NOW,
    tables=(),
)
_TABLE = TableRecord(
    source_table="orders",
    target_table="orders",
    state=TableState.STREAMING,
    intent=Intent.RUNNING,
    rows_loaded=7,
    rows_estimated=7,
    bytes_loaded=0,
    bytes_estimated=0,
    load_lsn=None,
    captured_from_lsn=None,
    start_offset=None,
    topic=None,
    sink_connector_name=None,
    original_identity=None,
    target_oid=None,
    last_error=None,
    last_error_code=None,
    updated_at=NOW,
)


def pipeline_row(**changes: object) -> PipelineRecord:
    """A row of `pipelines`, without tables unless they are named."""
    return replace(_PIPELINE, **changes)  # type: ignore[arg-type]  # a test names fields of the record


def table_row(name: str = "orders", **changes: object) -> TableRecord:
    """A row of `pipeline_tables`; its target has the same name."""
    return replace(_TABLE, source_table=name, target_table=name, **changes)  # type: ignore[arg-type]  # as above
