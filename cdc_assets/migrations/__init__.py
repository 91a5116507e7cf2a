"""The state tables' history: Alembic revisions, run under an advisory lock by `migrate`.

Called by the composition root before the first use of the state database; several processes may call it at once.
"""

from cdc_assets.migrations.upgrade import migrate

__all__ = ["migrate"]
