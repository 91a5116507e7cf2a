"""The product on servers that are there already: a state database, a broker and a Connect worker of somebody's own."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cdc_assets_tests.services import workload
from cdc_assets_tests.services.installation import PASSWORD, Installation, database_name, prepare_roles, wait_until
from cdc_assets_tests.services.servers import Databases

TABLES = ("orders", "scratch")


@pytest.fixture
def own(databases: Databases, kafka_bootstrap: str, connect_url: str) -> Iterator[Installation]:
    """A stack of which nothing is embedded but Dagster and the API."""
    made = Installation.make()
    made.environment |= {
        "CDC_DATABASE_URL": databases.state_url,
        "CDC_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "CDC_CONNECT_URL": connect_url,
    }
    try:
        made.up()
        yield made
    finally:
        made.remove()


def test_it_runs_on_servers_that_are_there(own: Installation, databases: Databases, connect_secrets_dir: Path) -> None:
    workload.create_tables(databases.source_url, rows=1000)
    source_role, target_role = prepare_roles(databases)
    # As the page says: on the workers, without a line end.
    connect_secrets_dir.mkdir(parents=True, exist_ok=True)
    (connect_secrets_dir / "own").write_text(PASSWORD)
    entries = ""
    for name, url, role in (("app", databases.source_url, source_role), ("dw", databases.target_url, target_role)):
        parts = urlsplit(url)
        (own.directory / f"{name}.password").write_text(PASSWORD)
        entries += (
            f"{name}: {{kind: postgres, host: {parts.hostname}, port: {parts.port}, user: {role},"
            f" password: {{file: {name}.password}},"
            f' connect_password: "${{directory:{connect_secrets_dir}:own}}"}}\n'
        )
    (own.directory / "connections.yaml").write_text(entries)
    own.write_pipeline(
        "own",
        "mode: full_load_and_cdc\n"
        f"source: {{connection: app, database: {database_name(databases.source_url)}, schema: public}}\n"
        f"target: {{connection: dw, database: {database_name(databases.target_url)}, schema: dbo}}\n"
        f"tables: [{', '.join(TABLES)}]\n",
    )
    own.cdc("check", "own")
    own.cdc("start", "own")
    with psycopg.connect(databases.source_url, autocommit=True) as session:
        session.execute("DELETE FROM orders WHERE id <= 10")
    wait_until(
        lambda: workload.differences(databases.source_url, databases.target_url, schema="dbo", tables=TABLES) == {},
        what="equal tables",
        seconds=180,
    )
    homes = {path.name for path in (own.directory / "home").iterdir()}
    assert not {"kafka", "connect", "postgres"} & homes, "nothing is embedded"
    own.cdc("stop", "own")
    own.cdc("drop", "own")
