"""Bring the state database to the newest revision.

One transaction holds the advisory lock and every revision: after a crash nothing or everything is there. Alembic's
command line is not used, so there is no alembic.ini and no env.py.
"""

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from cdc_assets.model.errors import StateDatabaseError

VERSION_TABLE = "cdc_alembic_version"
# Any fixed number that nobody else uses in this database.
ADVISORY_LOCK = 0x6364635F6173
_LOCK_SECONDS = 60
_CONNECT_SECONDS = 5


def migrate(database_url: str) -> None:
    """Make every table of ours exist in its newest form, and the schema for Dagster's storage.

    Idempotent; processes that call it at the same time wait for each other. Raises StateDatabaseError when the database
    does not answer, refuses the rights, or was written by a newer version of the product.
    """
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": _CONNECT_SECONDS}
    )
    address = f"{url.host}:{url.port or 5432}/{url.database}"
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except (OperationalError, InterfaceError) as error:
        raise StateDatabaseError(
            f"the state database {address} does not answer: {_first_line(error)}",
            hint="start it with ./cdc up, or correct CDC_DATABASE_URL",
        ) from error
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise StateDatabaseError(
            f"the state tables cannot be made in {address}: {_first_line(error)}",
            hint=f"GRANT CREATE ON DATABASE and CREATE ON SCHEMA public to the role {url.username}",
        ) from error
    except (ResolutionError, CommandError) as error:
        raise StateDatabaseError(
            f"the state database {address} was written by another version of the product",
            hint="use the version that wrote it or a newer one",
        ) from error
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
    connection.execute(
        text("SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'")
    )
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def to_head(revision: Any, context: MigrationContext) -> Any:  # noqa: ANN401  Alembic's own type is private
        del context
        return script._upgrade_revs("head", revision)  # noqa: SLF001  what alembic.command.upgrade itself calls

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema="public")
        environment.run_migrations()


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
