"""Networks that are cut while changes flow, in both ways, between the product and each of its three neighbours."""

import re

import pytest

from cdc_assets_tests.faults.ground import SIDES, Side
from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import is_error
from cdc_assets_tests.services.proxy import Proxy

pytestmark = pytest.mark.faults

_CUTS = {
    "connections are reset and refused": Proxy.refuse,
    "nothing passes, nothing is closed": Proxy.silence,
}
# The cause names who is away: by us who asked, or by the connector that needs it.
_NAMED = {
    "source": re.compile(r"^source (connector )?"),
    "target": re.compile(r"^target |^sink connector "),
    "broker": re.compile(r"Kafka (?!Connect)|broker"),
}


@pytest.mark.parametrize("cut", _CUTS)
@pytest.mark.parametrize("side", SIDES)
def test_a_network_is_cut(running_scene: Scene, new_row: NewRow, side: Side, cut: str) -> None:
    row = new_row(f"network to the {side} cut: {cut}")
    network = running_scene.ground.networks[side]
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        try:
            _CUTS[cut](network)
            running_scene.wait_shown(row, since, is_error)
            _says_nothing_untrue(running_scene)
            writers.wait_for(20)
        finally:
            network.restore()
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself when the network is back"
    running_scene.check_equal(row)
    assert _NAMED[side].search(row.cause), row.cause


def _says_nothing_untrue(scene: Scene) -> None:
    """While it is cut nothing may say RUNNING: not for a moment, not in an event."""
    since = scene.now()
    scene.wait_for_look()
    said = [event for event in scene.events_since(since) if event["new_value"] == "RUNNING"]
    assert not said, f"RUNNING was said while the network was cut: {said}"
