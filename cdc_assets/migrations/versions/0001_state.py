"""Pipelines, their tables, leases and events.

The words are written out: a revision stays as it was when the model's words change.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LSN = "~ '^[0-9A-F]{1,8}/[0-9A-F]{1,8}$'"

_STATEMENTS = (
    # Dagster's storage lives beside ours. IF NOT EXISTS alone asks for the right to create even where the schema is.
    """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'dagster') THEN
            CREATE SCHEMA dagster;
        END IF;
    END $$
    """,
    f"""
    CREATE TABLE public.pipelines (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL CONSTRAINT pipelines_name_key UNIQUE,
        mode text NOT NULL CONSTRAINT pipelines_mode_check
            CHECK (mode IN ('full_load_only', 'full_load_and_cdc', 'cdc_only')),
        status text NOT NULL CONSTRAINT pipelines_status_check
            CHECK (status IN ('NOT_STARTED', 'STARTING', 'RUNNING', 'PAUSED', 'STOPPING', 'STOPPED', 'COMPLETED',
            'ERROR',
                              'INVALID')),
        full_load_status text NOT NULL CONSTRAINT pipelines_full_load_status_check
            CHECK (full_load_status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
        cdc_status text NOT NULL CONSTRAINT pipelines_cdc_status_check
            CHECK (cdc_status IN ('NOT_STARTED', 'STARTING', 'RUNNING', 'PAUSED', 'ERROR', 'STOPPED')),
        full_load_completed_at timestamptz,
        full_load_lsn text CONSTRAINT pipelines_full_load_lsn_check CHECK (full_load_lsn {_LSN}),
        generation integer NOT NULL DEFAULT 1 CONSTRAINT pipelines_generation_check CHECK (generation >= 1),
        suffix text CONSTRAINT pipelines_suffix_check CHECK (suffix ~ '^[0-9a-f]{{6}}$'),
        debezium_connector_name text,
        sink_connector_name text,
        slot_name text,
        publication_name text,
        intent text NOT NULL CONSTRAINT pipelines_intent_check CHECK (intent IN ('RUNNING', 'PAUSED', 'STOPPED')),
        intent_version bigint NOT NULL DEFAULT 0 CONSTRAINT pipelines_intent_version_check CHECK (intent_version >= 0),
        served_version bigint NOT NULL DEFAULT 0,
        attempt integer NOT NULL DEFAULT 0 CONSTRAINT pipelines_attempt_check CHECK (attempt >= 0),
        asked_at timestamptz,
        last_error text,
        last_error_code text,
        last_error_at timestamptz,
        failed_step text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pipelines_served_version_check CHECK (served_version BETWEEN 0 AND intent_version),
        CONSTRAINT pipelines_completed_check CHECK (full_load_status <> 'COMPLETED'
            OR (full_load_completed_at IS NOT NULL AND full_load_lsn IS NOT NULL))
    )
    """,
    f"""
    CREATE TABLE public.pipeline_tables (
        pipeline_id uuid NOT NULL CONSTRAINT pipeline_tables_pipeline_id_fkey
            REFERENCES public.pipelines (id) ON DELETE CASCADE,
        source_table text NOT NULL,
        target_table text NOT NULL,
        state text NOT NULL CONSTRAINT pipeline_tables_state_check
            CHECK (state IN ('NOT_STARTED', 'PREPARED', 'LOADING', 'LOADED', 'CATCHING_UP', 'STREAMING', 'PAUSED',
                             'QUARANTINED', 'RESYNC_REQUIRED', 'FAILED')),
        intent text NOT NULL CONSTRAINT pipeline_tables_intent_check CHECK (intent IN ('RUNNING', 'PAUSED', 'STOPPED')),
        rows_loaded bigint NOT NULL DEFAULT 0,
        rows_estimated bigint NOT NULL DEFAULT 0,
        bytes_loaded bigint NOT NULL DEFAULT 0,
        bytes_estimated bigint NOT NULL DEFAULT 0,
        load_lsn text CONSTRAINT pipeline_tables_load_lsn_check CHECK (load_lsn {_LSN}),
        captured_from_lsn text CONSTRAINT pipeline_tables_captured_from_lsn_check CHECK (captured_from_lsn {_LSN}),
        loaded_at timestamptz,
        start_offset bigint,
        topic text,
        sink_connector_name text,
        original_identity text,
        target_oid bigint,
        last_error text,
        last_error_code text,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pipeline_tables_pkey PRIMARY KEY (pipeline_id, source_table)
    )
    """,
    # Not released and not expired: someone works on the pipeline. Not released and expired: he died. The last holder
    # stays readable.
    """
    CREATE TABLE public.pipeline_leases (
        pipeline_id uuid CONSTRAINT pipeline_leases_pkey PRIMARY KEY CONSTRAINT pipeline_leases_pipeline_id_fkey
            REFERENCES public.pipelines (id) ON DELETE CASCADE,
        epoch bigint NOT NULL DEFAULT 0,
        holder text,
        host text,
        pid integer,
        serves bigint,
        acquired_at timestamptz,
        expires_at timestamptz,
        released_at timestamptz,
        CONSTRAINT pipeline_leases_held_check CHECK ((holder IS NULL) = (expires_at IS NULL))
    )
    """,
    # No foreign key: events outlive their pipeline.
    """
    CREATE TABLE public.pipeline_events (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pipeline_events_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        pipeline_id uuid NOT NULL,
        pipeline_name text NOT NULL,
        table_name text,
        field text NOT NULL,
        old_value text,
        new_value text,
        cause text,
        run_id text
    )
    """,
    "CREATE INDEX pipeline_events_pipeline_name_idx ON public.pipeline_events (pipeline_name, id)",
    """
    CREATE FUNCTION public.cdc_assets_refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'pipeline_events is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER pipeline_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.pipeline_events
        FOR EACH STATEMENT EXECUTE FUNCTION public.cdc_assets_refuse_event_change()
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
