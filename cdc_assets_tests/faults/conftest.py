"""One installation and one pair of servers for the whole fault matrix, and the table printed at its end."""

import secrets
from collections.abc import Iterator

import pytest

from cdc_assets_tests.faults.gates import install_state_gate
from cdc_assets_tests.faults.matrix import NewRow, Row, as_markdown
from cdc_assets_tests.faults.scene import SOURCE, TARGET, Ground, Scene
from cdc_assets_tests.services.installation import Installation
from cdc_assets_tests.services.proxy import Proxy
from cdc_assets_tests.services.servers import Servers

_ROWS: list[Row] = []


@pytest.fixture(scope="session")
def ground(servers: Servers) -> Iterator[Ground]:
    """A running stack, and the networks to its source and target."""
    installation = Installation.make()
    networks = {major: Proxy(servers.postgres(major).port) for major in (SOURCE, TARGET)}
    try:
        installation.up()
        install_state_gate(installation.state_url)
        yield Ground(installation, servers, networks)
    finally:
        installation.remove()
        for network in networks.values():
            network.close()


def _name() -> str:
    return f"f_{secrets.token_hex(3)}"


@pytest.fixture
def scene(ground: Ground) -> Iterator[Scene]:
    """A pipeline of this test's own, not started."""
    made = Scene.set(ground, _name())
    yield made
    made.strike()


@pytest.fixture(scope="session")
def running_scene(ground: Ground) -> Scene:
    """A pipeline that runs and gets one fault after the other."""
    made = Scene.set(ground, _name())
    made.start()
    return made


@pytest.fixture
def new_row() -> NewRow:
    """Opens lines of the table; what a test does not reach stays visible in it."""

    def opened(fault: str) -> Row:
        made = Row(fault)
        _ROWS.append(made)
        return made

    return opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if _ROWS:
        terminalreporter.section("fault matrix")
        for line in as_markdown(_ROWS):
            terminalreporter.write_line(line)
