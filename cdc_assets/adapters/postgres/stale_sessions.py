"""Ends the sessions that a dead or replaced run left on a server."""

from cdc_assets.adapters.postgres.session import Connection, fetch_all


def end_stale_sessions(connection: Connection, prefix: str, *, before_epoch: int) -> int:
    """End our role's sessions of this database whose application name is the prefix and an older epoch.

    Returns how many.
    """
    rows = fetch_all(
        connection,
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE starts_with(application_name, %(prefix)s) AND usename = current_user AND datname = current_database()
            AND pid <> pg_backend_pid()
            AND CASE WHEN substr(application_name, %(length)s + 1) ~ '^[0-9]{1,18}$'
                THEN substr(application_name, %(length)s + 1)::int8 < %(epoch)s ELSE false END
        """,
        {"prefix": prefix, "length": len(prefix), "epoch": before_epoch},
    )
    return len(rows)
