"""Mode `cdc_only`: what somebody's target table does to changes is found before they come."""

import pytest

from cdc_assets.model.pipeline import Mode
from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import Site


@pytest.fixture
def taken_over(site: Site) -> Site:
    """A target table of the administrator, which the target's role may write."""
    site.mode = Mode.CDC_ONLY
    site.make_table()
    site.on_target(
        f"""
        CREATE SCHEMA dbo; GRANT USAGE, CREATE ON SCHEMA dbo TO "{site.target_role}";
        CREATE TABLE dbo.orders (id int PRIMARY KEY, note text);
        GRANT ALL ON dbo.orders TO "{site.target_role}";
        CREATE FUNCTION dbo.changes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
        """
    )
    return site


def test_a_plain_table_is_taken(taken_over: Site) -> None:
    assert taken_over.found() == []


def test_row_security_that_hides_rows_is_refused(taken_over: Site) -> None:
    """A change of a hidden row would be lost without a word."""
    taken_over.on_target("ALTER TABLE dbo.orders ENABLE ROW LEVEL SECURITY")
    taken_over.on_target("CREATE POLICY half ON dbo.orders USING (id > 100)")
    found = taken_over.only_fail()
    assert (found.name, found.table) == ("target_row_security", "orders")
    for script in found.scripts:
        taken_over.on_target(script.sql)
    assert taken_over.found() == []


def test_a_table_that_may_not_be_written_is_refused(taken_over: Site) -> None:
    for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        taken_over.on_target(f'REVOKE {right} ON dbo.orders FROM "{taken_over.target_role}"')
        found = taken_over.only_fail()
        assert (found.name, found.table) == ("target_write", "orders"), right
        for script in found.scripts:
            taken_over.on_target(script.sql)
        assert taken_over.found() == [], right


def test_triggers_that_fire_and_foreign_keys_are_told(taken_over: Site) -> None:
    taken_over.on_target("CREATE TRIGGER audit BEFORE INSERT ON dbo.orders FOR EACH ROW EXECUTE FUNCTION dbo.changes()")
    (found,) = taken_over.found()
    assert (found.name, found.status, found.table) == ("target_triggers", CheckStatus.WARN, "orders")
    assert "trigger audit of target table dbo.orders fires" in found.what
    # Sinks are no replicas: what fires in replicas only is not met.
    for state in ("DISABLE", "ENABLE REPLICA"):
        taken_over.on_target(f"ALTER TABLE dbo.orders {state} TRIGGER audit")
        assert taken_over.found() == []
    taken_over.on_target("ALTER TABLE dbo.orders ENABLE ALWAYS TRIGGER audit")
    assert [check.name for check in taken_over.found()] == ["target_triggers"]
    taken_over.on_target(
        "DROP TRIGGER audit ON dbo.orders; ALTER TABLE dbo.orders ADD FOREIGN KEY (id) REFERENCES dbo.orders"
    )
    (found,) = taken_over.found()
    assert "foreign key orders_id_fkey" in found.what
    taken_over.on_target(found.fix)
    assert taken_over.found() == []
