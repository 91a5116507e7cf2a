"""What sessions of ours wait for on a server although it answers: a lock, or a standby that has to confirm a commit."""

from cdc_assets.adapters.postgres.session import Connection, fetch_all
from cdc_assets.model.errors import WaitingError

_HELD = """
SELECT wait_event = 'SyncRep' AS is_standby, current_setting('synchronous_standby_names') AS standbys,
    array_to_string(pg_blocking_pids(pid), ', ') AS blockers
FROM pg_stat_activity
WHERE application_name = %(application)s AND usename = current_user AND datname = current_database()
    AND pid <> pg_backend_pid() AND state = 'active' AND query_start < clock_timestamp() - interval '3 s'
    AND (wait_event = 'SyncRep' OR wait_event_type = 'Lock')
ORDER BY 1 DESC, pid LIMIT 1
"""


def held_session(connection: Connection, application: str, *, where: str) -> WaitingError | None:
    """What the sessions of that name wait for, None when none does for longer than a few seconds."""
    for row in fetch_all(connection, _HELD, {"application": application}):
        if row["is_standby"]:
            return WaitingError(
                f"{where} holds commits back: it waits for a synchronous standby to confirm them "
                f"(synchronous_standby_names = '{row['standbys']}')",
                hint="bring the standby back, or take it out of synchronous_standby_names on the target and reload",
            )
        return WaitingError(
            f"{where}: a lock is waited for that pid {row['blockers'] or 'of nobody named'} holds",
            hint="let its transaction end (pg_stat_activity shows it), or SELECT pg_terminate_backend of it",
        )
    return None
