"""kill -9 of the run at every named point; each run continues what the one before had reached.

Up to three points a pipeline: a dead run is tried again three times, and the last one has to end what they have begun.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from cdc_assets_tests.faults.gates import row_gate, state_gate
from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import is_death
from cdc_assets_tests.services.installation import wait_until

pytestmark = pytest.mark.faults

Stand = Callable[[], None]
"""Returns when the run stands at the point."""


@dataclass(frozen=True)
class Point:
    """A place in a run, and what makes a run stand there."""

    name: str
    shut: Callable[[Scene], AbstractContextManager[Stand]]


def _before_state(name: str, field: str, value: str | None = None, *, table: str | None = None) -> Point:
    """In front of a change of the recorded state."""

    @contextmanager
    def shut(scene: Scene) -> Iterator[Stand]:
        with state_gate(scene.ground.installation.state_url, scene.name, field, value, table=table) as gate:
            yield gate.wait_reached

    return Point(name, shut)


@contextmanager
def _slot_waits(scene: Scene) -> Iterator[Stand]:
    """A slot waits for the transactions that are open."""
    with scene.open_transaction():
        yield scene.wait_slot_in_the_making


@contextmanager
def _in_a_chunk(scene: Scene) -> Iterator[Stand]:
    with row_gate(scene.target_url, "dbo.order_lines", "NEW.order_no = 700") as gate:
        yield gate.wait_reached


@contextmanager
def _before_commit(scene: Scene) -> Iterator[Stand]:
    with row_gate(scene.target_url, "dbo.order_lines", "NEW.order_no = 700", at_commit=True) as gate:
        yield gate.wait_reached


@contextmanager
def _before_sinks(scene: Scene) -> Iterator[Stand]:
    """The source connector is made without the target; what comes next asks the target first."""
    installation, network = scene.ground.installation, scene.ground.networks["target"]
    with state_gate(installation.state_url, scene.name, "cdc_status", "STARTING") as gate:

        def stand() -> None:
            gate.wait_reached()
            network.silence()
            gate.let_through()
            name = installation.pipeline(scene.name)["debezium_connector_name"]
            wait_until(lambda: name in installation.connectors(), what="the source connector", seconds=120)

        try:
            yield stand
        finally:
            network.restore()


_POINTS = {
    "load": (
        Point("after the publication, while the slot is made", _slot_waits),
        Point("in a chunk", _in_a_chunk),
        _before_state("after the copy, before verification", "rows_loaded", table="order_lines"),
    ),
    "hand-off": (
        _before_state("after the slot, before it is recorded", "captured_from_lsn"),
        Point("between copy and commit", _before_commit),
        _before_state("after verification", "state", "LOADED", table="order_lines"),
    ),
    "connectors": (
        _before_state("between topics and source connector", "cdc_status", "STARTING"),
        Point("between source connector and sinks", _before_sinks),
        _before_state("between the sinks", "state", "CATCHING_UP", table="orders"),
    ),
    "flow": (_before_state("before RUNNING", "cdc_status", "RUNNING"),),
}


@pytest.mark.parametrize("points", _POINTS.values(), ids=_POINTS.keys())
def test_the_run_is_killed(scene: Scene, new_row: NewRow, points: tuple[Point, ...]) -> None:
    rows = [new_row(f"kill -9 of the run {point.name}") for point in points]
    installation = scene.ground.installation
    with scene.writing() as writers:
        writers.wait_for(10)
        with ExitStack() as gates:
            stand = gates.enter_context(points[0].shut(scene))
            starting = installation.start_in_background(scene.name)
            for number, row in enumerate(rows):
                stand()
                since = scene.now()
                installation.kill_run(scene.name)
                gates.close()
                # Shut before the next run can begin: it has to wait for the dead one's lease.
                if number + 1 < len(points):
                    stand = gates.enter_context(points[number + 1].shut(scene))
                scene.wait_shown(row, since, is_death)
                row.mended_by = "by itself: the next run continues"
        output, _ = starting.communicate(timeout=300)
        assert starting.returncode == 0, output
        assert scene.status == "RUNNING"
        writers.wait_for(10)
    for row in rows:
        scene.check_equal(row)
    assert scene.objects_left() == []
