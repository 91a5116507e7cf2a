"""The target's database itself, made for who asked for it: neither a start nor a check does that by themselves."""

from dataclasses import replace

from cdc_assets.adapters.postgres.session import Sessions, fetch_one, statement
from cdc_assets.dialects.postgres import quote

_MAINTENANCE = "postgres"


def make_database(sessions: Sessions) -> bool:
    """Make the database of these sessions with the server's defaults; False when it is there already."""
    name = sessions.endpoint.database
    administration = replace(sessions, endpoint=replace(sessions.endpoint, database=_MAINTENANCE))
    create = f"CREATE DATABASE {quote(name)}"
    purpose = f"database {name} cannot be made"
    hint = f"let an administrator run: {create};"
    with administration.session(purpose) as connection, administration.translated(purpose, hint=hint):
        row = fetch_one(
            connection,
            "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = %(name)s) AS is_there",
            {"name": name},
        )
        if not row["is_there"]:
            connection.execute(statement(create))
    return not row["is_there"]
