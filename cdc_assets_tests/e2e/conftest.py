"""The installation that the end-to-end tests share, and a pipeline of each test's own in it."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cdc_assets_tests.services import workload
from cdc_assets_tests.services.installation import Installation, database_name, prepare_roles
from cdc_assets_tests.services.servers import Databases, Servers, make_databases
from cdc_assets_tests.services.stillness import make_still


@pytest.fixture(scope="package")
def installation() -> Iterator[Installation]:
    """A running stack, driven by `./cdc` only."""
    made = Installation.make()
    try:
        made.up()
        yield made
    finally:
        made.remove()


@dataclass
class Case:
    """A pipeline of one test over the workload's tables."""

    installation: Installation
    name: str
    source_url: str
    target_url: str
    target_schema: str = "dbo"

    def write(
        self, *, mode: str = "full_load_and_cdc", tables: tuple[str, ...] = workload.TABLES, options: str = ""
    ) -> None:
        """Write the pipeline file."""
        listed = "".join(f'  - "{table}"\n' for table in tables)
        self.installation.write_pipeline(
            self.name,
            f"mode: {mode}\n"
            f"source: {{connection: {self.name}_source, database: {database_name(self.source_url)}, schema: public}}\n"
            f"target: {{connection: {self.name}_target, database: {database_name(self.target_url)}, schema: "
            f"{self.target_schema}}}\n"
            f"tables:\n{listed}{options}",
        )

    def differences(self, tables: tuple[str, ...] = workload.TABLES) -> dict[str, str]:
        """What differs between source and target now."""
        return workload.differences(self.source_url, self.target_url, schema=self.target_schema, tables=tables)


def _case(installation: Installation, databases: Databases, rows: int) -> Iterator[Case]:
    workload.create_tables(databases.source_url, rows=rows)
    source_role, target_role = prepare_roles(databases)
    name = f"p_{secrets.token_hex(3)}"
    installation.connect_to(f"{name}_source", databases.source_url, user=source_role)
    installation.connect_to(f"{name}_target", databases.target_url, user=target_role)
    case = Case(installation, name, databases.source_url, databases.target_url)
    case.write()
    yield case
    installation.cdc("stop", name, expect=None)
    installation.cdc("drop", name, expect=None)
    (installation.directory / "pipelines" / f"{name}.yaml").unlink()


@pytest.fixture
def case(installation: Installation, databases: Databases) -> Iterator[Case]:
    """A pipeline between two databases on PostgreSQL 18."""
    yield from _case(installation, databases, rows=20_000)


@pytest.fixture
def case_each(installation: Installation, databases_each: Databases) -> Iterator[Case]:
    """The same, on PostgreSQL 18 and 15 in turn."""
    yield from _case(installation, databases_each, rows=20_000)


@pytest.fixture
def still_databases(own_servers: Servers) -> Databases:
    """Databases on a server of this test's own that takes no transaction id by itself."""
    url = own_servers.postgres(18).url("postgres")
    make_still(url)
    return make_databases(url)


@pytest.fixture
def still_case(installation: Installation, still_databases: Databases) -> Iterator[Case]:
    """A pipeline between them."""
    yield from _case(installation, still_databases, rows=1000)
