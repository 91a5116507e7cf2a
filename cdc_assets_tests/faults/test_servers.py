"""Servers that are killed while changes flow: the state shows it, the stream goes on by itself, nothing is lost."""

import pytest

from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene, is_error, kill

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("name", "words"), [("Kafka Connect", "ConnectDistributed"), ("the Kafka broker", "kafka.Kafka")]
)
def test_a_server_of_the_stream_is_killed(running_scene: Scene, new_row: NewRow, name: str, words: str) -> None:
    row = new_row(f"kill -9 of {name}")
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        kill(running_scene.ground.process(words))
        running_scene.wait_shown(row, since, is_error)
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself: the stack starts it again, the connectors resume"
    running_scene.check_equal(row)
