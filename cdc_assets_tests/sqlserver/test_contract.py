"""What the target keeps to: tables as the registry says, nothing of others touched, all or none, one load at a time."""

from dataclasses import replace
from secrets import token_hex
from uuid import uuid4

import pytest

from cdc_assets.adapters.sqlserver import SqlServerTarget
from cdc_assets.adapters.sqlserver.session import SqlServerSessions
from cdc_assets.dialects.sqlserver import quote
from cdc_assets.model.errors import CdcAssetsError, LeaseLostError, TargetError, TargetNotOursError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import CreateSchema, CreateTable, TargetColumn
from cdc_assets_tests.integration.load.bench import mapping
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.sqlserver.bench import SqlServerBench
from cdc_assets_tests.sqlserver.server import SqlServer

_REPLACE = {"if_target_not_empty": "replace"}
_COLUMNS = """
SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable FROM sys.columns c
JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID('{table}') ORDER BY c.column_id
"""
_INDEXES = """
SELECT i.name, i.is_primary_key, i.is_unique, c.name FROM sys.indexes i
JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
WHERE i.object_id = OBJECT_ID('{table}') AND i.index_id > 0 ORDER BY i.is_primary_key DESC, i.name, k.key_ordinal
"""


def test_a_table_is_made_as_the_registry_says(bench: SqlServerBench) -> None:
    bench.source(
        "CREATE TABLE t (id int, code varchar(20), amount numeric(12,2) NOT NULL, note text DEFAULT 'none',"
        " at timestamptz, day timestamp(3), ok bool, data bytea, ratio real, PRIMARY KEY (code, id));"
        "CREATE UNIQUE INDEX by_amount ON t (amount); CREATE INDEX by_note ON t (note);"
        "INSERT INTO t (id, code, amount) VALUES (1, 'a', 1.5)"
    )

    assert bench.start(bench.pipeline("t"))["t"].error is None

    table = bench.server.table("t")
    made = bench.target(_COLUMNS.format(table=table))
    assert [(name, kind, bool(nullable)) for name, kind, _, _, _, nullable in made] == [
        ("id", "int", False),
        ("code", "nvarchar", False),
        ("amount", "decimal", False),
        ("note", "nvarchar", True),
        ("at", "datetimeoffset", True),
        ("day", "datetime2", True),
        ("ok", "bit", True),
        ("data", "varbinary", True),
        ("ratio", "real", True),
    ]
    facts = {name: (length, precision, scale) for name, _, length, precision, scale, _ in made}
    assert facts["code"][0] == 80, "two UTF-16 units for a character, two bytes each"
    assert facts["amount"][1:] == (12, 2)
    assert facts["note"][0] == facts["data"][0] == -1
    assert (facts["at"][2], facts["day"][2]) == (6, 3)
    indexes = bench.target(_INDEXES.format(table=table))
    assert [(bool(primary), bool(unique), column) for _, primary, unique, column in indexes] == [
        (True, True, "code"),
        (True, True, "id"),
        # The source's unique index is a plain one here, and what is too wide is left out.
        (False, False, "amount"),
    ]


def test_log_lines_and_a_second_start_that_leaves_all_alone(bench: SqlServerBench) -> None:
    bench.source(
        "CREATE TABLE projects_simple (id int PRIMARY KEY, v text); INSERT INTO projects_simple VALUES (1, 'a')"
    )
    pipeline = bench.pipeline("projects_simple")

    bench.start(pipeline)
    bench.source("INSERT INTO projects_simple VALUES (2, 'b')")
    bench.start(pipeline)

    schema, database = bench.server.schema, bench.server.database
    for line in (
        f"Creating target schema: {schema} in database: {database}",
        "Creating target table: projects_simple (from source: projects_simple)",
        "Schema creation completed: 1 tables ready, 0 failed",
        f"Step 1: Target: {database}.{schema}",
        "Step 1: Full load already completed, skipped",
    ):
        assert line in bench.log
    assert bench.target(f"SELECT COUNT(*) FROM {bench.server.table('projects_simple')}") == [(1,)]


def test_a_table_of_somebody_else_is_left_alone_and_named(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)")
    _theirs(bench, "id int NOT NULL PRIMARY KEY", "42")

    outcomes = bench.start(bench.pipeline("t", "u"))

    error = outcomes["t"].error
    assert isinstance(error, TargetNotOursError)
    assert "exists and was not made by this pipeline" in error.message
    assert "if_target_not_empty: replace" in error.hint
    assert bench.target(f"SELECT id FROM {bench.server.table('t')}") == [(42,)]
    assert outcomes["u"].error is None
    assert bench.record().table("t").state is TableState.FAILED
    assert bench.record().table("u").state is TableState.LOADED
    assert bench.record().full_load_status is FullLoadStatus.FAILED


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("id int NOT NULL PRIMARY KEY, v nvarchar(5)", "column v is nvarchar(5), needed is nvarchar(max)"),
        ("id int NOT NULL PRIMARY KEY", "column v is missing"),
        ("id int NOT NULL PRIMARY KEY, v nvarchar(max), w int", "column w is not in the source"),
        ("id int NOT NULL PRIMARY KEY, v nvarchar(max) NOT NULL", "column v is NOT NULL"),
        ("id bigint NOT NULL PRIMARY KEY, v nvarchar(max)", "column id is bigint, needed is int"),
        ("id int NOT NULL, v nvarchar(max), n int NOT NULL PRIMARY KEY", "its key is another"),
    ],
)
def test_an_empty_table_that_is_not_as_wanted_is_refused_with_the_difference(
    bench: SqlServerBench, columns: str, words: str
) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    _theirs(bench, columns)

    error = bench.start(bench.pipeline("t"))["t"].error

    assert isinstance(error, TargetNotOursError)
    assert words in error.message


def test_an_empty_table_as_wanted_is_taken_up(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    _theirs(bench, "id int NOT NULL PRIMARY KEY, v nvarchar(max)")
    before = bench.target(f"SELECT OBJECT_ID('{bench.server.table('t')}')")

    assert bench.start(bench.pipeline("t"))["t"].error is None

    assert bench.target(f"SELECT OBJECT_ID('{bench.server.table('t')}')") == before
    assert bench.differences([("t", "t")]) == {}


def test_replace_makes_the_listed_table_again_and_no_other(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")
    _theirs(bench, "other int", "42")
    bench.target(f"CREATE TABLE {bench.server.table('u')} (id int)")
    bench.target(f"INSERT INTO {bench.server.table('u')} VALUES (42)")

    assert bench.start(bench.pipeline("t", options=_REPLACE))["t"].error is None

    assert bench.differences([("t", "t")]) == {}
    assert bench.target(f"SELECT id FROM {bench.server.table('u')}") == [(42,)]


def test_replace_never_drops_a_table_that_others_depend_on(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY)")
    _theirs(bench, "id int NOT NULL PRIMARY KEY", "42")
    bench.target(
        f"CREATE TABLE {bench.server.table('a_child')} (id int, CONSTRAINT to_t FOREIGN KEY (id)"
        f" REFERENCES {bench.server.table('t')} (id))"
    )

    error = bench.start(bench.pipeline("t", options=_REPLACE))["t"].error

    assert isinstance(error, TargetNotOursError)
    assert "to_t" in error.message
    assert bench.target(f"SELECT id FROM {bench.server.table('t')}") == [(42,)]


def test_replace_never_takes_the_table_of_another_pipeline(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    bench.start(bench.pipeline("t"))
    bench.name = "second"

    error = bench.start(bench.pipeline("t", options=_REPLACE))["t"].error

    assert isinstance(error, TargetNotOursError)
    assert "belongs to pipeline bench" in error.message
    assert bench.target(f"SELECT id FROM {bench.server.table('t')}") == [(1,)]


def test_a_loaded_table_that_somebody_made_anew_needs_a_resync(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    pipeline = bench.pipeline("t")
    bench.start(pipeline)
    bench.target(f"DROP TABLE {bench.server.table('t')}")
    bench.target(f"CREATE TABLE {bench.server.table('t')} (id int NOT NULL PRIMARY KEY)")

    error = bench.start(pipeline)["t"].error

    assert isinstance(error, TargetNotOursError)
    assert bench.record().table("t").state is TableState.RESYNC_REQUIRED


def test_changes_are_made_all_or_none(bench: SqlServerBench) -> None:
    schema = bench.server.schema
    good, bad = (
        CreateTable(TableName(schema, name), (TargetColumn("id", kind, nullable=False),))
        for name, kind in (("good", "int"), ("bad", "decimal(39,0)"))
    )
    target = bench.open_target(bench.pipeline("good"), 1)

    with pytest.raises(CdcAssetsError, match="bad"):
        target.apply(
            [CreateSchema(schema), good, bad],
            schema=schema,
            pipeline_id=uuid4(),
            pipeline_name="p",
            generation=1,
            epoch=1,
        )

    assert bench.server.tables() == []
    assert bench.target(f"SELECT name FROM sys.schemas WHERE name = '{schema}'") == []


def test_an_older_run_can_write_nothing(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)")
    pipeline = bench.pipeline("t", options={"load_streams": 1})
    taken: list[int] = []

    def take_over(_: object) -> None:
        if not taken:
            bench.open_target(pipeline, 99).claim(bench.server.schema, bench.record().id, epoch=99)
            taken.append(99)

    with pytest.raises(LeaseLostError):
        bench.start(pipeline, progress=take_over)

    (count,) = bench.target(f"SELECT COUNT(*) FROM {bench.server.table('t')}")[0]
    assert 0 < int(str(count)) < 1000


def test_odd_names_arrive(bench: SqlServerBench) -> None:
    bench.source(
        'CREATE TABLE "We %s ird Größe" ("Schlüssel %(a)s" int PRIMARY KEY, "select" text, "a""b" int, ":colon" int);'
        "INSERT INTO \"We %s ird Größe\" VALUES (1, 'x', 2, 3), (2, NULL, NULL, NULL)"
    )
    pipeline = bench.pipeline(mapping("We %s ird Größe", target="Größe % :x '1", schema=bench.server.schema))

    assert next(iter(bench.start(pipeline).values())).error is None
    assert bench.differences([("We %s ird Größe", "Größe % :x '1")]) == {}


def test_names_that_differ_in_case_alone_are_refused_before_anything_is_made(bench: SqlServerBench) -> None:
    """One table to the server: the rows of both would meet in it."""
    bench.source('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "T" (id int PRIMARY KEY); INSERT INTO t VALUES (1)')

    outcomes = bench.start(bench.pipeline("t", "T"))

    assert any(outcome.error for outcome in outcomes.values())
    loaded = [table for table, outcome in outcomes.items() if not outcome.error]
    assert bench.differences([(table, table) for table in loaded]) == {}


def test_a_wrong_password_is_named_and_not_shown(bench: SqlServerBench) -> None:
    target = SqlServerTarget(bench.server.endpoint, password="not-the-password", pipeline="p", epoch=1)
    with pytest.raises(CdcAssetsError) as raised:
        target.server()
    assert bench.server.connection.host in str(raised.value)
    assert "not-the-password" not in str(raised.value)


def test_facts_of_the_server(bench: SqlServerBench) -> None:
    server = bench.open_target(bench.pipeline("t"), 1).server()
    assert server.product == "sqlserver"
    assert server.version
    assert server.role
    assert not server.is_standby


def test_a_drop_takes_bookkeeping_and_tables_along(bench: SqlServerBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    pipeline = bench.pipeline("t", mode=Mode.FULL_LOAD_ONLY)
    bench.start(pipeline)
    table = TableName(bench.server.schema, "t")
    target = bench.open_target(pipeline, 99)
    target.forget(bench.server.schema, bench.record().id, drop_tables=[table])
    assert target.bookkeeping(bench.server.schema) == ()
    assert "t" not in bench.server.tables()


def _theirs(bench: SqlServerBench, columns: str, *rows: str) -> None:
    """A table `t` that somebody else made."""
    bench.target(f"CREATE SCHEMA {bench.server.schema}")
    bench.target(f"CREATE TABLE {bench.server.table('t')} ({columns})")
    for row in rows:
        bench.target(f"INSERT INTO {bench.server.table('t')} VALUES ({row})")


def test_a_run_keeps_its_session_and_replaces_one_that_was_lost(server: SqlServer) -> None:
    """A login costs more than most requests; and a server that was away for a moment is none of their business."""
    sessions = SqlServerSessions(server.endpoint, server.password, "cdc_assets:test")

    def session() -> int:
        with sessions.transaction("it cannot be read") as connection:
            connection.exec_driver_sql("SET LOCK_TIMEOUT 10")
            return int(connection.exec_driver_sql("SELECT @@SPID").scalar_one())

    def is_there(number: int) -> bool:
        return bool(server.run("SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = ?", [number]))

    with sessions.kept():
        first = session()
        assert session() == first
        with sessions.transaction("it cannot be read") as connection:
            assert connection.exec_driver_sql("SELECT @@LOCK_TIMEOUT").scalar_one() == -1, "as a fresh one"
        server.run(f"KILL {first}")
        second = session()
        assert second != first
        assert is_there(second)
    wait_until(lambda: not is_there(second), what="it ends with the block", seconds=30)
    third = session()
    wait_until(lambda: not is_there(third), what="outside of one it ends with its request", seconds=30)


def test_a_database_is_made_for_who_asks_for_it(server: SqlServer) -> None:
    missing = f"cdc_test_{token_hex(4)} made"
    endpoint = replace(server.endpoint, database=missing)
    target = SqlServerTarget(endpoint, password=server.password, pipeline="bench", epoch=1)
    with pytest.raises(TargetError) as caught:
        target.server()
    assert "--create-database" in caught.value.hint

    assert target.make_database()
    try:
        assert target.server().product == "sqlserver"
        assert not target.make_database()
    finally:
        server.run(f"DROP DATABASE {quote(missing)}")
