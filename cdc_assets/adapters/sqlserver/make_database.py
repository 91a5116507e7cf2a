"""The target's database itself, made for who asked for it: neither a start nor a check does that by themselves."""

from dataclasses import replace

from cdc_assets.adapters.sqlserver.session import SqlServerSessions
from cdc_assets.dialects.sqlserver import quote

_MASTER = "master"


def make_database(sessions: SqlServerSessions) -> bool:
    """Make the database of these sessions with the server's defaults; False when it is there already."""
    name = sessions.endpoint.database
    endpoint = replace(sessions.endpoint, database=_MASTER)
    administration = SqlServerSessions(endpoint, sessions.password, sessions.application)
    # By the driver itself: no transaction may be open.
    with administration.bulk(f"database {name} cannot be made") as connection, connection.cursor() as cursor:
        found = cursor.execute("SELECT DB_ID(?)", (name,)).fetchone()
        is_missing = found is None or found[0] is None
        if is_missing:
            cursor.execute(f"CREATE DATABASE {quote(name)}")
    return is_missing
