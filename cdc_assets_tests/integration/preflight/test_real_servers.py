"""The checks find on real servers what they promise, with roles that may no more than the contract asks for."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.embedded.server_process import free_port
from cdc_assets.model.errors import SourceError, TargetError
from cdc_assets.model.pipeline import Mode, Options
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import CreateSchema, CreateTable, TargetColumn
from cdc_assets_tests.integration.preflight.conftest import PASSWORD, Site

_KINDS = "id int PRIMARY KEY, f float8, n numeric, d date, ts timestamp, t time, i int[]"
_ALL_KINDS = f"{_KINDS}, l interval"


def test_with_what_the_contract_asks_for_everything_passes(site: Site) -> None:
    site.make_table()
    assert site.found() == []
    names = {check.name for check in site.checks()}
    assert {
        "source_login",
        "source_wal_level",
        "source_replication",
        "table_key",
        "column_type",
        "target_login",
    } <= names


def test_a_check_changes_nothing(site: Site) -> None:
    site.make_table(_ALL_KINDS)
    before = _traces(site)
    site.checks()
    assert _traces(site) == before


def test_in_a_session_that_only_looks_the_server_refuses_a_change(site_18: Site) -> None:
    site_18.make_table()
    ends = site_18.pipeline
    source = PostgresSource(
        ends.source, password=PASSWORD, pipeline="sales", epoch=0, clock=SystemClock(), is_read_only=True
    )
    with pytest.raises(SourceError, match="read-only transaction"):
        source.ensure_publication("sales", [TableName("public", "orders")])
    target = PostgresTarget(ends.target, password=PASSWORD, pipeline="sales", epoch=0, is_read_only=True)
    with pytest.raises(TargetError, match="read-only transaction"):
        target.apply(
            [CreateSchema("dbo")],
            schema="dbo",
            pipeline_id=UUID(int=5),
            pipeline_name="sales",
            generation=1,
            epoch=1,
        )


def _traces(site: Site) -> list[object]:
    """What every write would move: the next transaction id, objects, slots, settings of roles."""
    traces: list[object] = []
    for url in (site.databases.source_url, site.databases.target_url):
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT pg_snapshot_xmax(pg_current_snapshot()), (SELECT count(*) FROM pg_class),"
                " (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_publication)"
            ).fetchone()
        traces.append(row)
    return traces


def test_the_printed_script_is_all_that_is_missing(bare_site: Site) -> None:
    """What `check` prints, run by an administrator, makes every check pass; the tables belong to somebody else."""
    site = bare_site
    site.on_source("CREATE TABLE public.orders (id int PRIMARY KEY, note text)")
    site.on_source("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    site.publication = "owners"
    rounds = 0
    while failed := [check for check in site.checks() if check.status is CheckStatus.FAIL]:
        rounds += 1
        assert rounds < 4, failed
        scripts = [script for check in failed for script in check.scripts]
        assert scripts, failed
        for script in scripts:
            (site.on_source if script.side == "source" else site.on_target)(script.sql)
    # A schema that may not be used hides the tables in it, so a second look is needed, and no more.
    assert rounds == 2
    assert site.found() == []


_TROUBLES = (
    ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY", "table_readable"),
    ("ALTER TABLE {t} SET UNLOGGED", "table_kind"),
    ("CREATE TABLE child () INHERITS ({t})", "table_kind"),
    ("DROP TABLE {t}", "table_exists"),
    ("DROP TABLE {t}; CREATE VIEW {t} AS SELECT 1 AS id", "table_kind"),
    ("DROP TABLE {t}; CREATE MATERIALIZED VIEW {t} AS SELECT 1 AS id", "table_kind"),
    ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey", "table_key"),
    ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey; ALTER TABLE {t} ADD PRIMARY KEY (id) DEFERRABLE", "table_key"),
    ("ALTER TABLE {t} ADD p regclass", "column_type"),
    ("ALTER TABLE {t} ADD z aclitem", "column_type"),
    ("ALTER TABLE {t} ADD g int GENERATED ALWAYS AS (id) VIRTUAL", "table_virtual_columns"),
    ('ALTER ROLE "{role}" NOREPLICATION', "source_replication"),
    ('ALTER ROLE "{role}" REPLICATION; REVOKE CREATE ON DATABASE "{database}" FROM "{role}"', "source_create"),
)


def test_each_trouble_with_the_source_is_found_alone(site_18: Site, subtests: pytest.Subtests) -> None:
    database = psycopg.conninfo.conninfo_to_dict(site_18.databases.source_url)["dbname"]
    for number, (statement, name) in enumerate(_TROUBLES):
        table = f"t{number}"
        with subtests.test(statement):
            site_18.make_table(name=table)
            site_18.tables = (table,)
            site_18.on_source(statement.format(t=table, role=site_18.source_role, database=database))
            found = site_18.only_fail()
            assert found.name == name
            assert found.table == (table if name.startswith(("table", "column")) else None)


def test_a_table_of_somebody_else_can_be_read_but_not_published(site: Site) -> None:
    site.make_table()
    site.on_source("ALTER TABLE orders OWNER TO CURRENT_USER")
    site.on_source(f'GRANT SELECT ON orders TO "{site.source_role}"')
    assert {(check.name, check.table) for check in site.found()} == {
        ("table_replica_identity", "orders"),
        ("table_ownership", "orders"),
    }
    site.mode = Mode.FULL_LOAD_ONLY
    assert site.found() == []


_INDEXES = (
    ("CREATE UNIQUE INDEX ON {t} (number, tenant)", False),
    ("CREATE UNIQUE INDEX ON {t} (number, tenant) WHERE number > 0", True),
    ("CREATE UNIQUE INDEX ON {t} (number, lower(tenant))", True),
    ("CREATE UNIQUE INDEX ON {t} (number) INCLUDE (tenant)", True),
    ("ALTER TABLE {t} ADD UNIQUE (tenant, number) DEFERRABLE", True),
    ("CREATE INDEX ON {t} (tenant, number)", True),
    ("CREATE UNIQUE INDEX ON {t} (tenant, number); ALTER TABLE {t} ALTER tenant DROP NOT NULL", True),
)


def test_a_named_key_wants_an_index_that_proves_it(site_18: Site, subtests: pytest.Subtests) -> None:
    site_18.key = ("tenant", "number")
    for number, (statement, is_found) in enumerate(_INDEXES):
        table = f"t{number}"
        with subtests.test(statement):
            site_18.make_table("tenant text NOT NULL, number int NOT NULL, note text", name=table)
            site_18.tables = (table,)
            site_18.on_source(statement.format(t=table))
            assert [check.name for check in site_18.found()] == (["table_key"] if is_found else [])


def test_partitions_are_read_with_their_root(site: Site) -> None:
    site.make_table("id int, region text, PRIMARY KEY (region, id)", tail="PARTITION BY LIST (region)")
    site.on_source("CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu')")
    # The leaf still belongs to the administrator.
    found = {check.name for check in site.found()}
    assert found == {"table_readable", "table_replica_identity", "table_ownership"}
    site.on_source(f'ALTER TABLE orders_eu OWNER TO "{site.source_role}"')
    assert site.found() == []


# Arrive as text, through the converter.
_AS_TEXT = (
    ("f", "'NaN'"),
    ("f", "'-Infinity'"),
    ("n", "'Infinity'"),
    ("d", "'infinity'"),
    ("ts", "'-infinity'"),
    ("t", "'24:00'"),
    ("i", "'{{1,2},{3,4}}'"),
    ("i", "'[0:1]={1,2}'"),
)
_VALUES = (("l", "'infinity'"), ("l", "'-infinity'"), ("l", "'2147483648 hours'"))


def test_a_value_that_arrives_as_text_is_no_trouble(site_18: Site) -> None:
    site_18.make_table(_KINDS)
    for number, (column, value) in enumerate(_AS_TEXT):
        site_18.on_source(f"INSERT INTO orders (id, {column}) VALUES ({number}, {value})")
    assert site_18.found() == []


def test_a_value_that_would_arrive_as_another_is_found_by_column(site_18: Site, subtests: pytest.Subtests) -> None:
    site_18.make_table(_ALL_KINDS)
    for column, value in _VALUES:
        with subtests.test(f"{column} = {value}"):
            site_18.on_source("TRUNCATE orders")
            site_18.on_source(f"INSERT INTO orders (id, {column}) VALUES (1, NULL), (2, {value})")
            site_18.options, site_18.mode = Options(), Mode.FULL_LOAD_AND_CDC
            failed = [check for check in site_18.found() if check.status is CheckStatus.FAIL]
            assert [(check.name, check.table, check.column) for check in failed] == [("column_type", "orders", column)]
            assert "1 row holds one" in failed[0].what
            site_18.options = Options(accept_inexact=(f"orders.{column}",))
            assert all(check.status is CheckStatus.WARN for check in site_18.found())
            site_18.options, site_18.mode = Options(), Mode.FULL_LOAD_ONLY
            assert site_18.found() == []


def test_a_target_table_with_rows_of_others_is_refused_or_replaced_by_wish(site: Site) -> None:
    site.make_table()
    site.on_target(f'CREATE SCHEMA dbo AUTHORIZATION "{site.target_role}"')
    site.on_target("CREATE TABLE dbo.orders (id int)")
    site.on_target("INSERT INTO dbo.orders VALUES (1)")
    # Not ours to read either: what we may not see counts as filled.
    assert site.only_fail().name == "target_table"
    site.on_target(f'ALTER TABLE dbo.orders OWNER TO "{site.target_role}"')
    assert "was not made by this pipeline" in site.only_fail().what
    site.options = Options(if_target_not_empty="replace")
    (found,) = site.found()
    assert (found.name, found.status) == ("target_table", CheckStatus.WARN)
    site.on_target("CREATE VIEW dbo.report AS SELECT * FROM dbo.orders")
    assert "view dbo.report depend on it" in site.only_fail().what


def test_what_the_target_role_may_not_is_printed(bare_site: Site) -> None:
    site = bare_site
    site.grant_all()
    site.make_table()
    database = psycopg.conninfo.conninfo_to_dict(site.databases.target_url)["dbname"]
    site.on_target(f'REVOKE CREATE ON DATABASE "{database}" FROM "{site.target_role}"')
    found = site.only_fail()
    assert found.name == "target_create"
    assert [script.sql for script in found.scripts] == [f'CREATE SCHEMA "dbo" AUTHORIZATION "{site.target_role}";']


def test_a_refused_login_names_the_place_and_never_the_password(site: Site) -> None:
    site.make_table()
    site.password = "wrong-" + PASSWORD
    found = {check.name: check for check in site.found()}
    assert set(found) == {"source_login", "target_login"}
    text = json.dumps([check.as_json() for check in found.values()])
    assert site.source_role in text
    assert PASSWORD not in text


def test_an_earlier_life_is_told_by_the_slot_it_left(site: Site) -> None:
    site.make_table()
    site.on_source("SELECT pg_create_logical_replication_slot('cdc_sales_1_0a1b2c', 'pgoutput')")
    site.on_source("SELECT pg_create_logical_replication_slot('cdc_sales_eu_1_0a1b2c', 'pgoutput')")
    (found,) = site.found()
    assert (found.name, found.status) == ("source_orphan_slot", CheckStatus.WARN)
    assert "cdc_sales_1_0a1b2c" in found.what


def test_connect_resolves_the_config_providers_and_logs_in(
    site: Site, connect_url: str, connect_secrets_dir: Path
) -> None:
    site.make_table()
    site.connect_url, site.secrets_dir = connect_url, connect_secrets_dir
    assert site.found() == []
    asked = {"connect_reachable", "connect_plugins", "connect_accepts", "connect_target"}
    assert asked <= {check.name for check in site.checks()}


def test_a_target_that_connect_sees_at_another_address_is_found_before_the_start(
    site_18: Site, connect_url: str, connect_secrets_dir: Path
) -> None:
    """We reach it, and its sinks would not: without this check the start would tell, after the whole load."""
    site_18.make_table()
    site_18.connect_url, site_18.secrets_dir = connect_url, connect_secrets_dir
    site_18.target_connect_port = free_port()
    found = site_18.failed()
    assert set(found) == {"connect_target"}
    assert f"cannot log in to the target at 127.0.0.1:{site_18.target_connect_port}" in found["connect_target"].what
    assert PASSWORD not in json.dumps(found["connect_target"].as_json())


def test_a_secret_that_connect_may_not_read_is_found(site_18: Site, connect_url: str, tmp_path: Path) -> None:
    site_18.make_table()
    site_18.connect_url, site_18.secrets_dir = connect_url, tmp_path / "elsewhere"
    found = site_18.found()
    assert {check.name for check in found} == {"connect_accepts", "connect_target"}
    assert PASSWORD not in json.dumps([check.as_json() for check in found])


@pytest.mark.parametrize(("is_configured", "status"), [(True, CheckStatus.FAIL), (False, CheckStatus.WARN)])
def test_a_connect_that_does_not_answer(site_18: Site, *, is_configured: bool, status: CheckStatus) -> None:
    site_18.make_table()
    site_18.connect_url = f"http://127.0.0.1:{free_port()}"
    site_18.is_connect_configured = is_configured
    (found,) = site_18.found()
    assert (found.name, found.status) == ("connect_reachable", status)


def test_a_table_is_its_own_target_under_whatever_name_the_server_is_called(site: Site) -> None:
    """With `replace` the rows of the source itself would be dropped."""
    site.make_table()
    site.on_source(f'GRANT ALL ON SCHEMA public TO "{site.target_role}"')
    url = site.databases.source_url
    site.databases = replace(site.databases, target_url=url.replace("127.0.0.1", "127.1"))
    site.target_schema = "public"
    site.options = Options(if_target_not_empty="replace")
    found = site.failed()["target_is_source"]
    assert (found.table, found.what) == ("orders", "table public.orders would be its own target")
    assert found.fix == "name another schema or table as target"


def test_ours_is_known_by_the_bookkeeping(site_18: Site) -> None:
    """A table that the target's bookkeeping has for another pipeline is refused by that pipeline's name."""
    site_18.make_table()
    target = PostgresTarget(site_18.pipeline.target, password=PASSWORD, pipeline="other", epoch=1)
    columns = (TargetColumn("id", "integer", nullable=False),)
    table = TableName("dbo", "orders")
    target.apply(
        [CreateSchema("dbo"), CreateTable(table, columns)],
        schema="dbo",
        pipeline_id=UUID(int=5),
        pipeline_name="other",
        generation=1,
        epoch=1,
    )
    assert "belongs to pipeline other" in site_18.only_fail().what
