"""Rights that are revoked and passwords that are altered under a running pipeline.

Sessions outlive both; the test ends them, as a network or a restart does some day.
"""

import pytest

from cdc_assets_tests.faults.ground import Side
from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import plain, says, told

pytestmark = pytest.mark.faults


def test_select_is_revoked_on_the_source(running_scene: Scene, new_row: NewRow) -> None:
    """The stream reads the log and goes on; the next start, which reads the tables, does not begin."""
    row = new_row("SELECT on a source table revoked, then a start")
    installation, role = running_scene.ground.installation, running_scene.source_role
    with running_scene.writing() as writers:
        installation.cdc("stop", running_scene.name)
        running_scene.on_source(f"REVOKE SELECT ON orders FROM {role}")
        since = running_scene.now()
        row.state = "start: exit 1"
        row.cause = told(installation.cdc("start", running_scene.name, expect=1))
        row.seconds = (running_scene.now() - since).total_seconds()
        running_scene.on_source(f"GRANT SELECT ON orders TO {role}")
        running_scene.start()
        writers.wait_for(20)
    row.mended_by = "the operator: the GRANT that is shown, then ./cdc start; nothing had been changed"
    running_scene.check_equal(row)
    assert f"GRANT SELECT ON TABLE public.orders TO {plain(role)};" in row.cause.replace('"', ""), row.cause


def test_replication_is_revoked_on_the_source(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("REPLICATION of the source role revoked, its sessions ended")
    role = running_scene.source_role
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        running_scene.on_source(f"ALTER ROLE {role} NOREPLICATION")
        running_scene.end_sessions("source")
        running_scene.wait_shown(row, since, says("permission denied to start WAL sender"))
        running_scene.on_source(f"ALTER ROLE {role} REPLICATION")
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "the operator: ALTER ROLE .. REPLICATION; the rest by itself"
    running_scene.check_equal(row)


def test_insert_is_revoked_on_the_target(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("INSERT on a target table revoked")
    role = running_scene.target_role
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        running_scene.on_target(f"REVOKE INSERT ON dbo.orders FROM {role}")
        running_scene.wait_shown(row, since, says("permission denied for table orders"))
        running_scene.on_target(f"GRANT INSERT ON dbo.orders TO {role}")
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "the operator: the GRANT; the rest by itself"
    running_scene.check_equal(row)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_password_is_altered(running_scene: Scene, new_row: NewRow, side: Side) -> None:
    row = new_row(f"password of the {side} role altered, its sessions ended")
    new = f"an0ther-{side}"
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        running_scene.alter_password(side, new)
        running_scene.end_sessions(side)
        running_scene.wait_shown(row, since, says("password authentication failed"))
        running_scene.write_password(side, new)
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "the operator: the new password into the file that the connection names; the rest by itself"
    running_scene.check_equal(row)
    assert new not in row.cause
