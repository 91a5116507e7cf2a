"""What sessions of ours wait for on a server although it answers: a lock, or a standby that has to confirm a commit.

Known gap: the bulk copy's own connection tells no number, so it is not asked of; it writes to a table that nobody else
knows.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from cdc_assets.adapters.sqlserver.session import rows
from cdc_assets.model.errors import WaitingError

# A login without VIEW SERVER STATE sees none but its own request: then nothing is found.
_HELD = """
SELECT TOP (1) r.session_id AS session, r.wait_type AS wait_type, r.blocking_session_id AS blocker
FROM sys.dm_exec_requests r
WHERE r.session_id IN :sessions AND r.wait_time >= 3000
    AND (r.wait_type = 'HADR_SYNC_COMMIT' OR r.blocking_session_id <> 0)
ORDER BY CASE WHEN r.wait_type = 'HADR_SYNC_COMMIT' THEN 0 ELSE 1 END, r.session_id
"""
_STANDBY = "HADR_SYNC_COMMIT"


def held_session(connection: Connection, sessions: Sequence[int], *, where: str) -> WaitingError | None:
    """What one of these sessions waits for, None when none does for longer than a few seconds."""
    found = rows(connection, _HELD, {"sessions": list(sessions)}) if sessions else []
    if not found:
        return None
    if found[0]["wait_type"] == _STANDBY:
        return WaitingError(
            f"{where} holds commits back: it waits for a synchronous replica of its availability group to confirm them",
            hint="bring the replica back, or make it asynchronous on the target",
        )
    blocker = int(found[0]["blocker"])
    # Below zero the holder is no session but a transaction without one, or is not known.
    holder = f"session {blocker}" if blocker > 0 else "a transaction without a session"
    return WaitingError(
        f"{where}: a lock is waited for that {holder} holds",
        hint="let its transaction end (sys.dm_exec_sessions and sys.dm_tran_locks show it), or KILL the session",
    )
