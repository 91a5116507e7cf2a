"""Fixtures of the live tests, and the one line that says that they did not run where there is no SQL Server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc_assets.model.sqlserver_url import EXAMPLE, VARIABLE
from cdc_assets.settings import inherited_environment
from cdc_assets_tests.services.servers import Databases, delete_connectors
from cdc_assets_tests.sqlserver.bench import SqlServerBench
from cdc_assets_tests.sqlserver.server import SqlServer, schema_of_its_own


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a server report one skip that names the variable; all tests are collected, so that they import."""
    live = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if not live or inherited_environment().get(VARIABLE):
        return
    first, *others = live
    reason = f"{len(live)} live tests of SQL Server did not run: {VARIABLE} is not set ({EXAMPLE})"
    first.add_marker(pytest.mark.skip(reason=reason))
    left_out = set(others)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=others)


@pytest.fixture
def server() -> Iterator[SqlServer]:
    """A schema of the test's own on the SQL Server."""
    with schema_of_its_own(SqlServer.parse(inherited_environment()[VARIABLE])) as made:
        yield made


@pytest.fixture
def bench(server: SqlServer, databases: Databases, kafka_bootstrap: str) -> Iterator[SqlServerBench]:
    """A pipeline from PostgreSQL 18 to SQL Server that only loads."""
    made = SqlServerBench(databases, kafka_bootstrap, server=server)
    yield made
    made.close()


@pytest.fixture
def stream_bench(
    server: SqlServer, databases: Databases, connect_url: str, kafka_bootstrap: str, connect_secrets_dir: Path
) -> Iterator[SqlServerBench]:
    """A pipeline from PostgreSQL 18 to SQL Server, with state, Kafka and Connect."""
    made = SqlServerBench(
        databases, kafka_bootstrap, connect_url=connect_url, secrets_dir=connect_secrets_dir, server=server
    )
    yield made
    made.close()
    # Before the target: a sink would hold its tables.
    delete_connectors(connect_url)
