"""What others do to the pipeline's things: target tables are altered, dropped, made anew; the slot is dropped."""

import pytest

from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene
from cdc_assets_tests.faults.signs import is_error, is_table_in
from cdc_assets_tests.services.installation import wait_until

pytestmark = pytest.mark.faults

_ANEW = "the operator: ./cdc drop --drop-target, ./cdc start: everything is loaded again"


def test_target_tables_are_altered_dropped_and_made_anew(running_scene: Scene, new_row: NewRow) -> None:
    """Each concerns its table and no other; what can be altered back heals by itself, the rest is loaded again."""
    type_row = new_row("target table altered: another type of a column")
    column_row = new_row("target table altered: a column more that must not be NULL")
    lost_row = new_row("target table altered: a column dropped")
    dropped_row = new_row("target table dropped")
    anew_row = new_row("target table dropped and made anew by someone")
    scene = running_scene
    with scene.writing() as writers:
        writers.wait_for(20)
        # What is altered is told from how a look saw it before.
        scene.wait_for_look()
        since = scene.now()
        scene.on_target(
            "ALTER TABLE dbo.orders ALTER paid TYPE int USING paid::int",
            "ALTER TABLE dbo.order_lines ADD COLUMN more int NOT NULL DEFAULT 0",
            "ALTER TABLE dbo.order_lines ALTER COLUMN more DROP DEFAULT",
            "ALTER TABLE dbo.documents DROP COLUMN title",
        )
        for row, table in ((type_row, "orders"), (column_row, "order_lines"), (lost_row, "documents")):
            scene.wait_shown(row, since, is_table_in(table, "QUARANTINED", "RESYNC_REQUIRED"))
            row.cause = scene.reason_of(table)
        scene.on_target(
            "ALTER TABLE dbo.orders ALTER paid TYPE boolean USING paid::boolean",
            "ALTER TABLE dbo.order_lines DROP COLUMN more",
        )
        for row, table in ((type_row, "orders"), (column_row, "order_lines")):
            scene.wait_streaming(table)
            row.mended_by = "the operator: alters it back; the table goes on by itself"
        since = scene.now()
        scene.on_target(
            "DROP TABLE dbo.orders",
            "CREATE TABLE dbo.kept (LIKE dbo.order_lines INCLUDING ALL)",
            "DROP TABLE dbo.order_lines",
            "ALTER TABLE dbo.kept RENAME TO order_lines",
            f"ALTER TABLE dbo.order_lines OWNER TO {scene.target_role}",
        )
        for row, table in ((dropped_row, "orders"), (anew_row, "order_lines")):
            scene.wait_shown(row, since, is_table_in(table, "RESYNC_REQUIRED"))
            row.cause = scene.reason_of(table)
        # A drop leaves alone what is not its own.
        scene.on_target("DROP TABLE dbo.order_lines")
        scene.load_anew()
        for row in (lost_row, dropped_row, anew_row):
            row.mended_by = _ANEW
        anew_row.mended_by = f"the operator: drops or renames the foreign table; {_ANEW.partition(': ')[2]}"
        writers.wait_for(20)
    for row in (type_row, column_row, lost_row, dropped_row, anew_row):
        scene.check_equal(row)


def test_the_slot_is_dropped(running_scene: Scene, new_row: NewRow) -> None:
    """Debezium would make a new one at "now": the tables have to say that changes are gone."""
    row = new_row("replication slot dropped on the source")
    scene = running_scene
    with scene.writing() as writers:
        writers.wait_for(20)
        since = scene.now()
        scene.drop_slot()
        scene.wait_shown(row, since, is_error)
        wait_until(
            lambda: {table["state"] for table in scene.tables().values()} == {"RESYNC_REQUIRED"},
            what="every table RESYNC_REQUIRED",
        )
        row.state += ", every table RESYNC_REQUIRED"
        row.cause = scene.reason_of("orders")
        scene.load_anew()
        writers.wait_for(20)
    row.mended_by = _ANEW
    scene.check_equal(row)
