"""The state tables as SQLAlchemy sees them; made by `cdc_assets/migrations`, compared with it by a test."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="public")
_Time = DateTime(timezone=True)

pipelines = Table(
    "pipelines",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("full_load_status", Text, nullable=False),
    Column("cdc_status", Text, nullable=False),
    Column("full_load_completed_at", _Time),
    Column("full_load_lsn", Text),
    Column("generation", Integer, nullable=False),
    Column("suffix", Text),
    Column("debezium_connector_name", Text),
    Column("sink_connector_name", Text),
    Column("slot_name", Text),
    Column("publication_name", Text),
    Column("intent", Text, nullable=False),
    Column("intent_version", BigInteger, nullable=False),
    Column("served_version", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("asked_at", _Time),
    Column("last_error", Text),
    Column("last_error_code", Text),
    Column("last_error_at", _Time),
    Column("failed_step", Text),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
)

pipeline_tables = Table(
    "pipeline_tables",
    metadata,
    Column("pipeline_id", Uuid, ForeignKey(pipelines.c.id, ondelete="CASCADE"), primary_key=True),
    Column("source_table", Text, primary_key=True),
    Column("target_table", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("intent", Text, nullable=False),
    Column("rows_loaded", BigInteger, nullable=False),
    Column("rows_estimated", BigInteger, nullable=False),
    Column("bytes_loaded", BigInteger, nullable=False),
    Column("bytes_estimated", BigInteger, nullable=False),
    Column("load_lsn", Text),
    Column("captured_from_lsn", Text),
    Column("loaded_at", _Time),
    Column("start_offset", BigInteger),
    Column("topic", Text),
    Column("sink_connector_name", Text),
    Column("original_identity", Text),
    Column("target_oid", BigInteger),
    Column("target_columns", JSONB),
    Column("last_error", Text),
    Column("last_error_code", Text),
    Column("updated_at", _Time, nullable=False),
)

pipeline_leases = Table(
    "pipeline_leases",
    metadata,
    Column("pipeline_id", Uuid, ForeignKey(pipelines.c.id, ondelete="CASCADE"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text),
    Column("host", Text),
    Column("pid", Integer),
    Column("serves", BigInteger),
    Column("acquired_at", _Time),
    Column("expires_at", _Time),
    Column("released_at", _Time),
)

pipeline_events = Table(
    "pipeline_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _Time, nullable=False),
    Column("pipeline_id", Uuid, nullable=False),
    Column("pipeline_name", Text, nullable=False),
    Column("table_name", Text),
    Column("field", Text, nullable=False),
    Column("old_value", Text),
    Column("new_value", Text),
    Column("cause", Text),
    Column("run_id", Text),
    Index("pipeline_events_pipeline_name_idx", "pipeline_name", "id"),
)

alert_memory = Table(
    "alert_memory",
    metadata,
    Column("only_row", Boolean, primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("memory", Text),
    Column("updated_at", _Time, nullable=False),
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _Time, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("pipeline_name", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("next_try_at", _Time, nullable=False),
    Column("sent_at", _Time),
    Column("given_up_at", _Time),
    Column("last_error", Text),
    Index("alert_messages_channel_idx", "channel", "id"),
)

pipeline_looks = Table(
    "pipeline_looks",
    metadata,
    Column("pipeline_id", Uuid, ForeignKey(pipelines.c.id, ondelete="CASCADE"), primary_key=True),
    Column("root", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("observed_at", _Time, nullable=False),
    Column("level", Text, nullable=False),
    Column("findings", Text, nullable=False),
)

pipeline_lag = Table(
    "pipeline_lag",
    metadata,
    Column("pipeline_id", Uuid, ForeignKey(pipelines.c.id, ondelete="CASCADE"), primary_key=True),
    Column("at", _Time, primary_key=True),
    Column("bytes_behind", BigInteger),
    Column("records_behind", BigInteger),
)
