"""The target's disk is full: while changes flow, and while a table is loaded."""

import pytest

from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import says, told

pytestmark = pytest.mark.faults


def test_the_disk_of_the_target_is_full(running_scene: Scene, new_row: NewRow) -> None:
    scene, disk = running_scene, running_scene.ground.disk
    stream_row = new_row(f"disk of the target full ({disk.kind}), changes flow")
    load_row = new_row(f"disk of the target full ({disk.kind}), during a load")
    with scene.writing() as writers:
        writers.wait_for(20)
        since = scene.now()
        try:
            disk.fill()
            scene.write_large()
            scene.wait_shown(stream_row, since, says(disk.reason))
        finally:
            disk.free()
        scene.wait_running()
        stream_row.mended_by = "the operator: frees space; the rest by itself"
        scene.remove()
        since = scene.now()
        try:
            disk.fill()
            load_row.state = "start: exit 1"
            load_row.cause = told(scene.ground.installation.cdc("start", scene.name, expect=1))
            load_row.seconds = (scene.now() - since).total_seconds()
        finally:
            disk.free()
        scene.start()
        load_row.mended_by = "the operator: frees space, then ./cdc start"
        writers.wait_for(20)
    for row in (stream_row, load_row):
        scene.check_equal(row)
    assert disk.reason in load_row.cause, load_row.cause
