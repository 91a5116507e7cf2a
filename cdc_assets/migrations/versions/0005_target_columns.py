"""The columns of each target table as it was made, to notice one that is altered later."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE public.pipeline_tables ADD COLUMN target_columns jsonb")
