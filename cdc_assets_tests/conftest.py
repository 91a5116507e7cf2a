"""Fixtures that hand out real servers; each server starts once a session, when a test first asks for it.

`databases` (PostgreSQL 18) and `databases_15` give source, target and state database of a test's own;
`kafka_bootstrap`, `connect_url` and `connect_secrets_dir` the stream side. Connectors are deleted after each test.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc_assets.settings import inherited_environment
from cdc_assets_tests.faults.matrix import FAULT, HEAD
from cdc_assets_tests.services.servers import (
    Addresses,
    Databases,
    Servers,
    delete_connectors,
    drop_databases,
    make_databases,
)

_FAULTS: list[str] = []


def pytest_configure() -> None:
    """Take Ctrl-C: a suite started in the background inherits it as ignored, and so would every program it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test has seen of its fault; a worker's report arrives here too."""
    if report.when == "teardown":
        _FAULTS.extend(str(line) for name, line in report.user_properties if name == FAULT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the fault matrix."""
    if _FAULTS:
        terminalreporter.section("fault matrix")
        for line in (*HEAD, *_FAULTS):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def running_servers() -> Addresses | None:
    """Servers that run already, see services/servers.py."""
    file = inherited_environment().get("CDC_TEST_SERVERS")
    return Addresses.read(Path(file)) if file else None


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """This session's own servers, started on demand; for tests that kill them take `own_servers`."""
    started = Servers.make()
    yield started
    started.stop()


@pytest.fixture
def own_servers() -> Iterator[Servers]:
    """Servers of this test alone, which it may kill and start again."""
    started = Servers.make()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def postgres_url(running_servers: Addresses | None, request: pytest.FixtureRequest) -> str:
    """Superuser address of database `postgres` on a PostgreSQL 18."""
    if running_servers:
        return running_servers.postgres_18
    servers: Servers = request.getfixturevalue("servers")
    return servers.postgres(18).url("postgres")


@pytest.fixture(scope="session")
def postgres_15_url(running_servers: Addresses | None, request: pytest.FixtureRequest) -> str:
    """Superuser address of database `postgres` on a PostgreSQL 15."""
    if running_servers:
        return running_servers.postgres_15
    servers: Servers = request.getfixturevalue("servers")
    return servers.postgres(15).url("postgres")


@pytest.fixture(scope="session")
def kafka_bootstrap(running_servers: Addresses | None, request: pytest.FixtureRequest) -> str:
    """Address of a broker."""
    if running_servers:
        return running_servers.kafka_bootstrap
    servers: Servers = request.getfixturevalue("servers")
    return servers.kafka()


@pytest.fixture(scope="session")
def connect_secrets_dir(running_servers: Addresses | None, request: pytest.FixtureRequest) -> Path:
    """Directory below which the worker's `file` and `directory` config providers may read."""
    if running_servers:
        return running_servers.secrets_dir / "connect"
    servers: Servers = request.getfixturevalue("servers")
    return servers.home / "secrets" / "connect"


@pytest.fixture(scope="session")
def _connect_url(running_servers: Addresses | None, request: pytest.FixtureRequest) -> str:
    if running_servers:
        return running_servers.connect_url
    servers: Servers = request.getfixturevalue("servers")
    return servers.connect().url


@pytest.fixture
def connect_url(_connect_url: str) -> Iterator[str]:
    """REST address of a Connect worker; its connectors are deleted when the test ends."""
    yield _connect_url
    delete_connectors(_connect_url)


@pytest.fixture
def databases(postgres_url: str) -> Iterator[Databases]:
    """Empty source, target and state database on PostgreSQL 18."""
    made = make_databases(postgres_url)
    yield made
    drop_databases(postgres_url, made)


@pytest.fixture
def databases_15(postgres_15_url: str) -> Iterator[Databases]:
    """Empty source, target and state database on PostgreSQL 15."""
    made = make_databases(postgres_15_url)
    yield made
    drop_databases(postgres_15_url, made)


@pytest.fixture(params=[18, 15], ids=["pg18", "pg15"])
def databases_each(request: pytest.FixtureRequest) -> Databases:
    """The same on both versions in turn."""
    return request.getfixturevalue("databases" if request.param == 18 else "databases_15")  # type: ignore[no-any-return]
