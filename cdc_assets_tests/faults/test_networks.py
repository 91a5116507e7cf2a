"""Networks that are cut while changes flow: connections are reset and none is accepted.

Known gap: the silent cut (`Proxy.silence`) and a held broker are not caused here yet.
"""

import pytest

from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import SOURCE, TARGET, Scene, is_error

pytestmark = [pytest.mark.faults, pytest.mark.matrix]

_SIDES = {"source": SOURCE, "target": TARGET}


@pytest.mark.parametrize("side", _SIDES)
def test_a_database_is_cut_off(running_scene: Scene, new_row: NewRow, side: str) -> None:
    row = new_row(f"network to the {side} cut: connections are reset and refused")
    network = running_scene.ground.networks[_SIDES[side]]
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        try:
            network.refuse()
            running_scene.wait_shown(row, since, is_error)
            _says_nothing_untrue(running_scene)
            writers.wait_for(20)
        finally:
            network.restore()
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself when the network is back"
    running_scene.check_equal(row)


def _says_nothing_untrue(scene: Scene) -> None:
    """While it is cut nothing may say RUNNING: not for a moment, not in an event."""
    since = scene.now()
    scene.wait_for_look()
    said = [event for event in scene.events_since(since) if event["new_value"] == "RUNNING"]
    assert not said, f"RUNNING was said while the network was cut: {said}"
