"""One installation and one pair of servers for the whole fault matrix, and the table printed at its end."""

import secrets
from collections.abc import Iterator

import pytest

from cdc_assets_tests.faults.gates import install_state_gate
from cdc_assets_tests.faults.ground import Ground
from cdc_assets_tests.faults.matrix import FAULT, NewRow, Row
from cdc_assets_tests.faults.scene import Scene


@pytest.fixture(scope="package")
def ground() -> Iterator[Ground]:
    """A running stack, its source, target and broker, and the networks to them; ended with the matrix."""
    with Ground.made() as made:
        install_state_gate(made.installation.state_url)
        yield made


def _name() -> str:
    return f"f_{secrets.token_hex(3)}"


@pytest.fixture
def scene(ground: Ground) -> Iterator[Scene]:
    """A pipeline of this test's own, not started."""
    made = Scene.set(ground, _name())
    yield made
    made.strike()


@pytest.fixture(scope="package")
def _shared_scene(ground: Ground) -> Scene:
    return Scene.set(ground, _name())


@pytest.fixture
def running_scene(_shared_scene: Scene) -> Scene:
    """A pipeline that runs and gets one fault after the other; one that a test left broken is begun anew."""
    _shared_scene.ensure_running()
    return _shared_scene


@pytest.fixture
def new_row(request: pytest.FixtureRequest) -> Iterator[NewRow]:
    """Opens lines of the table; what a test does not reach stays visible in it."""
    rows: list[Row] = []

    def opened(fault: str) -> Row:
        rows.append(Row(fault))
        return rows[-1]

    yield opened
    # With the report they come to the process that prints the table.
    request.node.user_properties.extend((FAULT, row.as_markdown()) for row in rows)
