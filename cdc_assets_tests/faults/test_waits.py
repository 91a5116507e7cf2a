"""What makes a start wait: the operator is told for whom, and the start goes on when that is over."""

from contextlib import ExitStack

import pytest

from cdc_assets_tests.faults.gates import row_gate
from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import is_wait

pytestmark = pytest.mark.faults


def test_a_start_waits_for_others(scene: Scene, new_row: NewRow) -> None:
    transaction_row = new_row("a long transaction is open at the start")
    standby_row = new_row("the target's synchronous standby stops during a load")
    with scene.writing() as writers, ExitStack() as gates:
        writers.wait_for(10)
        with scene.open_transaction() as pid:
            since = scene.now()
            starting = scene.ground.installation.start_in_background(scene.name)
            event = scene.wait_shown(transaction_row, since, is_wait, seconds=300)
            assert f"pid {pid}" in event["new_value"]
            # The table is there, nothing of it is loaded yet.
            gate = gates.enter_context(row_gate(scene.target_url, "dbo.order_lines", "NEW.order_no = 700"))
        transaction_row.mended_by = "by itself when the transaction ends"
        gate.wait_reached()
        since = scene.now()
        try:
            scene.on_target("ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'", "SELECT pg_reload_conf()")
            gate.let_through()
            scene.wait_shown(standby_row, since, is_wait)
            assert scene.status == "STARTING"
        finally:
            scene.on_target("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        standby_row.mended_by = "by itself when the standby confirms again, or is taken out of the names"
        output, _ = starting.communicate(timeout=300)
        assert starting.returncode == 0, output
        # The wait was told to who asked for the start, and is over.
        assert "waits for transactions on the source" in " ".join(output.split())
        assert scene.ground.installation.pipeline(scene.name)["last_error"] is None
        writers.wait_for(10)
    for row in (transaction_row, standby_row):
        scene.check_equal(row)
    assert "synchronous_standby_names = 'elsewhere'" in standby_row.cause, standby_row.cause
