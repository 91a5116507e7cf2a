"""The last look at each stream: what it found, and what source, slot and tables were, for the next to compare with."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE public.pipeline_looks (
            pipeline_id uuid NOT NULL CONSTRAINT pipeline_looks_pkey PRIMARY KEY
                CONSTRAINT pipeline_looks_pipeline_id_fkey REFERENCES public.pipelines (id) ON DELETE CASCADE,
            root text NOT NULL,
            baseline text NOT NULL,
            observed_at timestamptz NOT NULL,
            level text NOT NULL CONSTRAINT pipeline_looks_level_check
                CHECK (level IN ('HEALTHY', 'DEGRADED', 'FAILED')),
            findings text NOT NULL
        )
        """
    )
