"""What Step 0 makes, keeps, replaces and refuses in the target."""

from dataclasses import replace
from secrets import token_hex
from uuid import uuid4

import pytest

from cdc_assets.adapters.postgres import PostgresTarget
from cdc_assets.model.errors import SchemaCreationError, TargetError, TargetNotOursError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import TakeUpTable
from cdc_assets_tests.integration.load.bench import LoadBench, mapping
from cdc_assets_tests.services.servers import PASSWORD

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attgenerated::text,
        pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = 'dbo.t'::regclass AND a.attnum > 0 ORDER BY a.attnum
"""
_REPLACE = {"if_target_not_empty": "replace"}


def test_columns_as_the_stream_can_write_them(bench: LoadBench) -> None:
    bench.source("""
        CREATE DOMAIN price AS numeric(10,2); CREATE DOMAIN fine_price AS price NOT NULL;
        CREATE TYPE mood AS ENUM ('b', 'a');
        CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, no serial, price fine_price DEFAULT 1.50,
            mood mood DEFAULT 'a', name varchar(20) DEFAULT 'it''s', made timestamptz DEFAULT now(),
            flag bool DEFAULT true, upper text GENERATED ALWAYS AS (upper(name)) STORED, tags text[] DEFAULT '{}',
            CHECK (no > 0));
        CREATE TABLE parent (id int PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (no) REFERENCES parent;
        INSERT INTO parent VALUES (1); INSERT INTO t (name) VALUES ('Name');
    """)

    assert bench.start(bench.pipeline("t"))["t"].error is None

    assert bench.target(_COLUMNS) == [
        ("id", "integer", True, "", "", None),
        ("no", "integer", True, "", "", None),
        ("price", "numeric(10,2)", False, "", "", "1.50"),
        ("mood", "dbo.mood", False, "", "", "'a'::dbo.mood"),
        ("name", "character varying(20)", False, "", "", "'it''s'::character varying"),
        ("made", "timestamp with time zone", False, "", "", None),
        ("flag", "boolean", False, "", "", "true"),
        ("upper", "text", False, "", "s", "upper((name)::text)"),
        ("tags", "text[]", False, "", "", "'{}'::text[]"),
    ]
    assert bench.target("SELECT enumlabel::text FROM pg_enum ORDER BY enumsortorder") == [("b",), ("a",)]
    assert bench.target(
        "SELECT contype::text FROM pg_constraint WHERE conrelid = 'dbo.t'::regclass AND contype <> 'n'"
    ) == [("p",)]
    assert bench.target("SELECT upper FROM dbo.t") == [("NAME",)]


def test_a_virtual_column_is_computed_by_the_target_of_a_load_alone(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (a int, twice int GENERATED ALWAYS AS (2 * a) VIRTUAL); INSERT INTO t VALUES (21)")

    assert bench.start(bench.pipeline("t", mode=Mode.FULL_LOAD_ONLY))["t"].error is None
    assert bench.target("SELECT a, twice FROM dbo.t") == [(21, 42)]


def test_a_table_of_somebody_else_is_left_alone_and_named(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int PRIMARY KEY); INSERT INTO dbo.t VALUES (42)")

    outcomes = bench.start(bench.pipeline("t", "u"))

    error = outcomes["t"].error
    assert isinstance(error, TargetNotOursError)
    assert "dbo.t exists and was not made by this pipeline" in error.message
    assert "if_target_not_empty: replace" in error.hint
    assert bench.target("SELECT id FROM dbo.t") == [(42,)]
    assert outcomes["u"].error is None
    record = bench.record()
    assert record.table("t").state is TableState.FAILED
    assert record.table("u").state is TableState.LOADED
    assert record.full_load_status is FullLoadStatus.FAILED
    assert "Schema creation completed: 1 tables ready, 1 failed" in bench.log
    assert "Step 0: Target schema/tables created successfully" not in bench.log


def test_an_empty_table_as_wanted_is_taken_up_and_keeps_what_its_owner_gave_it(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int PRIMARY KEY, v text); COMMENT ON TABLE dbo.t IS 'kept'")
    oid = bench.target("SELECT 'dbo.t'::regclass::oid::int8")

    assert bench.start(bench.pipeline("t"))["t"].error is None
    assert bench.target("SELECT 'dbo.t'::regclass::oid::int8") == oid
    assert bench.target("SELECT obj_description('dbo.t'::regclass)") == [("kept",)]
    assert bench.target("SELECT id, v FROM dbo.t ORDER BY id") == [(1, "a"), (2, "b")]
    assert bench.target("SELECT count(*) FROM pg_index WHERE indrelid = 'dbo.t'::regclass AND indisprimary") == [(1,)]


def test_an_empty_table_that_is_filled_before_it_is_ours_keeps_its_rows(bench: LoadBench) -> None:
    """Its rows would be gone with the load's TRUNCATE."""
    bench.source("CREATE TABLE t (id int PRIMARY KEY)")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int PRIMARY KEY)")
    (oid,) = bench.target("SELECT 'dbo.t'::regclass::oid::int8")[0]
    bench.target("INSERT INTO dbo.t VALUES (42)")
    target = PostgresTarget(bench.pipeline("t").target, password=PASSWORD, pipeline="p", epoch=1)
    with pytest.raises(TargetNotOursError, match="filled by someone meanwhile"):
        target.apply(
            [TakeUpTable(TableName("dbo", "t"), int(str(oid)))],
            schema="dbo",
            pipeline_id=uuid4(),
            pipeline_name="p",
            generation=1,
            epoch=1,
        )
    assert bench.target("SELECT id FROM dbo.t") == [(42,)]


@pytest.mark.parametrize("obstacle", ["CREATE INDEX by_v ON dbo.t (v)", "ALTER TABLE dbo.t ADD w int"])
def test_an_empty_table_that_a_load_would_spoil_is_refused(bench: LoadBench, obstacle: str) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    bench.target(f"CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int PRIMARY KEY, v text); {obstacle}")
    assert isinstance(bench.start(bench.pipeline("t"))["t"].error, TargetNotOursError)


def test_replace_makes_the_listed_table_again_and_no_other(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")
    bench.target("""
        CREATE SCHEMA dbo; CREATE TABLE dbo.t (other int); INSERT INTO dbo.t VALUES (42);
        CREATE TABLE dbo.u (id int); INSERT INTO dbo.u VALUES (42);
    """)

    assert bench.start(bench.pipeline("t", options=_REPLACE))["t"].error is None

    assert bench.differences([("t", "t")]) == {}
    assert bench.target("SELECT id FROM dbo.u") == [(42,)]


def test_replace_never_drops_a_table_that_others_depend_on(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY)")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int); CREATE VIEW dbo.v AS SELECT id FROM dbo.t")

    error = bench.start(bench.pipeline("t", options=_REPLACE))["t"].error

    assert isinstance(error, TargetNotOursError)
    assert "view dbo.v" in error.message
    assert bench.target("SELECT count(*) FROM dbo.v") == [(0,)]


def test_replace_never_takes_the_table_of_another_pipeline(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    bench.start(bench.pipeline("t"))
    bench.name = "second"

    error = bench.start(bench.pipeline("t", options=_REPLACE))["t"].error

    assert isinstance(error, TargetNotOursError)
    assert "belongs to pipeline bench" in error.message
    assert bench.target("SELECT id FROM dbo.t") == [(1,)]


def test_a_row_of_the_bookkeeping_whose_table_is_gone_binds_nobody(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    bench.start(bench.pipeline("t"))
    bench.target("DROP TABLE dbo.t")
    bench.name = "second"

    assert bench.start(bench.pipeline("t"))["t"].error is None


def test_a_loaded_table_that_somebody_made_anew_needs_a_resync(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    pipeline = bench.pipeline("t")
    bench.start(pipeline)
    bench.target("DROP TABLE dbo.t; CREATE TABLE dbo.t (id int PRIMARY KEY)")

    error = bench.start(pipeline)["t"].error

    assert isinstance(error, TargetNotOursError)
    assert bench.record().table("t").state is TableState.RESYNC_REQUIRED
    assert bench.target("SELECT count(*) FROM dbo.t") == [(0,)]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("id int PRIMARY KEY, at regclass", "column at of public.t has type regclass"),
        ("id int PRIMARY KEY, many aclitem[]", "column many of public.t has type aclitem[]"),
        ("id int PRIMARY KEY, pair pair", "column pair of public.t has type public.pair"),
        ("id int PRIMARY KEY, moods mood[]", "column moods of public.t has type public.mood[]"),
        ("id int PRIMARY KEY, g int GENERATED ALWAYS AS (public.one()) STORED", "generated column g of public.t"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(bench: LoadBench, columns: str, words: str) -> None:
    bench.source(f"""
        CREATE TYPE pair AS (a int, b int); CREATE TYPE mood AS ENUM ('a');
        CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE TABLE t ({columns});
    """)

    error = bench.start(bench.pipeline("t"))["t"].error

    assert isinstance(error, SchemaCreationError)
    assert words in error.message
    assert error.hint


def test_a_table_without_columns_is_refused(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (); INSERT INTO t DEFAULT VALUES")

    error = bench.start(bench.pipeline("t", mode=Mode.FULL_LOAD_ONLY))["t"].error

    assert isinstance(error, SchemaCreationError)
    assert "no columns" in error.message


def test_an_enum_of_the_target_that_lacks_a_label_is_named(bench: LoadBench) -> None:
    bench.source("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (id int PRIMARY KEY, mood mood)")
    bench.target("CREATE SCHEMA dbo; CREATE TYPE dbo.mood AS ENUM ('a')")

    error = bench.start(bench.pipeline("t"))["t"].error

    assert isinstance(error, SchemaCreationError)
    assert "type dbo.mood in the target lacks labels" in error.message


def test_an_index_name_that_is_taken_gets_another(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE INDEX v ON t (v)")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.v (id int)")

    assert bench.start(bench.pipeline("t"))["t"].error is None

    found = bench.target(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'dbo.t'::regclass ORDER BY 1"
    )
    assert found == [("dbo.t_pkey",), ("dbo.t_v_cdc1",)]


def test_extension_types_are_found_where_the_target_keeps_them(bench: LoadBench) -> None:
    bench.source("CREATE EXTENSION citext; CREATE TABLE t (id citext PRIMARY KEY); INSERT INTO t VALUES ('A')")
    bench.target("CREATE SCHEMA tools; CREATE EXTENSION citext SCHEMA tools")
    pipeline = bench.pipeline("t")

    assert bench.start(pipeline)["t"].error is None
    assert bench.target("SELECT id::text FROM dbo.t") == [("A",)]


def test_cdc_only_takes_a_fitting_table_and_loads_nothing(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.t (id int PRIMARY KEY, v text, extra int)")
    pipeline = bench.pipeline("t", mode=Mode.CDC_ONLY)

    assert bench.start(pipeline)["t"].error is None

    assert bench.target("SELECT count(*) FROM dbo.t") == [(0,)]
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.NOT_STARTED
    assert record.table("t").state is TableState.PREPARED
    slots = bench.source(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database() AND NOT active"
    )
    assert slots == [(str(record.table("t").captured_from_lsn),)]
    assert bench.target("SELECT pipeline_id, target_table FROM dbo.cdc_assets_state") == [(record.id, "t")]
    assert "Step 1: Skipped (mode: cdc_only)" in bench.log
    assert bench.start(pipeline)["t"].error is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "does not exist"),
        ("id int PRIMARY KEY", "column v is missing"),
        ("id int PRIMARY KEY, v varchar(5)", "column v is character varying(5), needed is text"),
        ("id int, v text", "no unique index on exactly (id)"),
        ("id int PRIMARY KEY, v text NOT NULL", "column v is NOT NULL"),
        ("id int PRIMARY KEY, v text, w int NOT NULL", "column w is NOT NULL"),
    ],
)
def test_cdc_only_refuses_a_table_that_cannot_take_the_changes(
    bench: LoadBench, target: str | None, words: str
) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    bench.target("CREATE SCHEMA dbo")
    if target is not None:
        bench.target(f"CREATE TABLE dbo.t ({target})")

    error = bench.start(bench.pipeline("t", mode=Mode.CDC_ONLY))["t"].error

    assert error is not None
    assert words in error.message


def test_a_state_that_was_lost_does_not_make_the_tables_ours(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    pipeline = bench.pipeline("t")
    bench.start(pipeline)
    bench.state(f"UPDATE pipelines SET name = '{uuid4()}'")

    error = bench.start(pipeline)["t"].error

    assert isinstance(error, TargetNotOursError)
    assert bench.target("SELECT id FROM dbo.t") == [(1,)]


def test_a_name_with_percent_quote_and_umlaut(bench: LoadBench) -> None:
    bench.source(
        'CREATE TABLE "We %s ""ird" (id int PRIMARY KEY, "a %(b)s" text); INSERT INTO "We %s ""ird" VALUES (1, \'%\')'
    )
    pipeline = bench.pipeline(mapping('We %s "ird', target='Größe % "x"'))

    assert next(iter(bench.start(pipeline).values())).error is None
    assert bench.differences([('We %s "ird', 'Größe % "x"')]) == {}


def test_a_database_that_the_role_may_not_make_is_told_with_the_statement(
    bench: LoadBench,
) -> None:
    role, missing = f"poor_{token_hex(4)}", f'missing "{token_hex(4)}"'
    bench.target(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    at = bench.target_endpoint()
    target = PostgresTarget(
        replace(at, connection=replace(at.connection, user=role), database=missing),
        password=PASSWORD,
        pipeline="bench",
        epoch=1,
    )

    with pytest.raises(TargetError, match="permission denied to create database") as caught:
        target.make_database()

    quoted = missing.replace('"', '""')
    assert caught.value.hint == f'let an administrator run: CREATE DATABASE "{quoted}";'
    bench.target(f"DROP ROLE {role}")
