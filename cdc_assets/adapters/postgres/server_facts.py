"""What source and target servers are asked alike: encoding, connections that are left, what a session begins with."""

from typing import Any

from cdc_assets.adapters.postgres.session import Connection, fetch_all, fetch_one

_TIME_LIMITS = (
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "tcp_user_timeout",
)
# An ordinary role is not shown what kind of backend another role's is; database and role it sees of all.
_ROOM = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - COALESCE(current_setting('reserved_connections', true)::int, 0) - count(*),
    CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - count(*) FILTER (WHERE a.usename = r.rolname) END,
    CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - count(*) FILTER (WHERE a.datname = d.datname) END)::int
    AS free_connections, pg_encoding_to_char(d.encoding) AS encoding
FROM pg_roles r JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_stat_activity a ON a.datid IS NOT NULL AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()
WHERE r.rolname = current_user GROUP BY r.rolconnlimit, r.rolname, d.datconnlimit, d.datname, d.encoding
"""


def read_common_facts(connection: Connection) -> dict[str, Any]:
    """Read `encoding`, `free_connections` and `session_limits`, named as in the ports."""
    limits = fetch_all(
        connection,
        # What a session begins with: ours set these aside, those of the connectors do not.
        "SELECT name, reset_val || COALESCE(unit, '') AS value FROM pg_settings"
        " WHERE name = ANY(%(names)s) AND reset_val <> '0' ORDER BY name",
        {"names": list(_TIME_LIMITS)},
    )
    return {**fetch_one(connection, _ROOM), "session_limits": {row["name"]: row["value"] for row in limits}}


def is_pooled(connection: Connection, backend: int) -> bool:
    """Whether a pooler stands between: it hands out a process number of its own."""
    return backend != connection.info.backend_pid
