"""How far each pipeline was behind: a sample every few seconds, kept for a day."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE public.pipeline_lag (
            pipeline_id uuid NOT NULL CONSTRAINT pipeline_lag_pipeline_id_fkey
                REFERENCES public.pipelines (id) ON DELETE CASCADE,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            bytes_behind bigint,
            records_behind bigint,
            CONSTRAINT pipeline_lag_pkey PRIMARY KEY (pipeline_id, at)
        )
        """
    )
