"""What was told to whom: the memory of the alerts, and the messages on their way."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE public.alert_memory (
        only_row boolean CONSTRAINT alert_memory_pkey PRIMARY KEY DEFAULT true
            CONSTRAINT alert_memory_only_row_check CHECK (only_row),
        mark bigint NOT NULL,
        memory text,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    # No foreign key: a message about a pipeline that was dropped meanwhile still arrives.
    """
    CREATE TABLE public.alert_messages (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT alert_messages_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        channel text NOT NULL,
        kind text NOT NULL,
        about text NOT NULL,
        pipeline_name text NOT NULL,
        severity text NOT NULL CONSTRAINT alert_messages_severity_check
            CHECK (severity IN ('failure', 'warning', 'success', 'info')),
        title text NOT NULL,
        body text NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        sent_at timestamptz,
        given_up_at timestamptz,
        last_error text
    )
    """,
    "CREATE INDEX alert_messages_channel_idx ON public.alert_messages (channel, id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
