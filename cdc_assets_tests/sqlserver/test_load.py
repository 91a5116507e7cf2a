"""A load into SQL Server: every row verified, killed at any point and resumed, a planted difference found."""

import pytest

from cdc_assets.model.errors import VerificationError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets_tests.integration.load.bench import ONE_STREAM, after_chunks, mapping
from cdc_assets_tests.sqlserver.bench import SqlServerBench

_TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"\\');
CREATE TABLE projects_simple (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'none', mood mood DEFAULT 'ok',
    price numeric(10,2), made timestamptz DEFAULT now());
INSERT INTO projects_simple (id, name, mood, price)
    SELECT g, CASE WHEN g % 9 = 0 THEN '' ELSE 'name ' || g || ' 😀' END, 'it''s "fine"\\', g / 7.0
    FROM generate_series(1, 3000) g;
CREATE TABLE documents (id uuid PRIMARY KEY, body text, meta jsonb, raw bytea);
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
INSERT INTO documents SELECT md5(g::text)::uuid, repeat(md5(g::text), 300), jsonb_build_object('n', g),
    decode(repeat(md5(g::text), 300), 'hex') FROM generate_series(1, 100) g;
CREATE TABLE readings (sensor int, at timestamptz, value float8, PRIMARY KEY (sensor, at)) PARTITION BY RANGE (at);
CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO readings SELECT g % 5, '2025-06-01'::timestamptz + g * interval '6 hours', g / 3.0
    FROM generate_series(1, 1500) g;
CREATE TABLE "select" (id int PRIMARY KEY);
CREATE TABLE pairs (a int NOT NULL, b varchar(20) NOT NULL, c numeric);
CREATE UNIQUE INDEX pairs_key ON pairs (a, b);
INSERT INTO pairs SELECT g, g % 3, g * 1.10 FROM generate_series(1, 1000) g;
"""
_TWO = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'value ' || g FROM generate_series(1, 800) g;
CREATE TABLE small (id int PRIMARY KEY);
INSERT INTO small VALUES (1), (2), (3);
"""
_POINTS = [
    ("target.apply after", 1),
    ("target.begin_load after", 1),
    # Inside a chunk: its rows are on their way, and they are all sent and not yet where they belong.
    ("reader.rows yields", 3),
    ("reader.rows ends", 3),
    ("writer.write after", 3),
    ("lease.set_progress after", 3),
    ("target.verify_load after", 1),
    ("target.finish_load after", 1),
    ("target.begin_load after", 2),
]


def test_every_row_arrives_and_the_state_says_so(bench: SqlServerBench) -> None:
    bench.source(_TABLES)
    pipeline = bench.pipeline(
        "projects_simple",
        "documents",
        "readings",
        "select",
        mapping("pairs", key=("a", "b"), schema=bench.server.schema),
        chunk_mb=1,
    )

    outcomes = bench.start(pipeline)

    assert {table: outcome.error for table, outcome in outcomes.items() if outcome.error} == {}
    assert bench.differences([(table.source.name, table.target.name) for table in pipeline.tables]) == {}
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.COMPLETED
    assert {table.state for table in record.tables} == {TableState.LOADED}
    rows = {table.source_table: table.rows_loaded for table in record.tables}
    assert rows == {"projects_simple": 3000, "documents": 100, "readings": 1500, "select": 0, "pairs": 1000}
    kept = [name for name in bench.server.tables() if name not in rows]
    assert kept == ["cdc_assets_state"], "progress and staging tables are gone"


def test_a_load_alone_needs_no_key(bench: SqlServerBench) -> None:
    bench.source(
        "CREATE TABLE log (at timestamptz, v text); INSERT INTO log SELECT now(), g FROM generate_series(1, 500) g"
    )

    outcomes = bench.start(bench.pipeline("log", mode=Mode.FULL_LOAD_ONLY))

    assert outcomes["log"].error is None
    assert bench.differences([("log", "log")]) == {}


@pytest.mark.parametrize(("point", "times"), _POINTS, ids=[f"{point} {times}" for point, times in _POINTS])
def test_a_run_killed_there_is_finished_by_the_next(bench: SqlServerBench, point: str, times: int) -> None:
    bench.source(_TWO)
    pipeline = bench.pipeline("t", "small", options=ONE_STREAM)

    bench.run_until_killed(pipeline, point, times)
    bench.source("INSERT INTO t VALUES (5000, 'meanwhile')")
    bench.let_lease_run_out()
    outcomes = bench.start(pipeline)

    assert {table: outcome.error for table, outcome in outcomes.items() if outcome.error} == {}
    # A view opened by the second run holds the new row, one that the first run ended with does not.
    bench.source("DELETE FROM t WHERE id = 5000")
    bench.target(f"DELETE FROM {bench.server.table('t')} WHERE id = 5000")
    assert bench.differences([("t", "t"), ("small", "small")]) == {}
    assert bench.record().full_load_status is FullLoadStatus.COMPLETED
    assert bench.server.tables() == ["cdc_assets_state", "small", "t"], "no progress and no staging table is left"


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        ("DELETE FROM {t} WHERE id = 5", "1 rows are missing"),
        ("INSERT INTO {t} VALUES (7000, N'x')", "1 rows are there that were not sent"),
        ("UPDATE {t} SET v = N'x' WHERE id = 5", "1 rows differ, in v"),
        ("UPDATE {t} SET v = NULL WHERE id = 5", "1 rows differ, in v"),
        ("UPDATE {t} SET v = v + N' ' WHERE id = 5", "1 rows differ, in v"),
    ],
    ids=["missing", "surplus", "changed", "nullified", "blank"],
)
def test_a_planted_difference_is_found_and_named(bench: SqlServerBench, tamper: str, words: str) -> None:
    bench.source(_TWO)
    pipeline = bench.pipeline("t", "small", options=ONE_STREAM)
    statement = tamper.format(t=bench.server.table("t"))

    outcomes = bench.start(pipeline, progress=after_chunks(3, lambda: bench.target(statement)))

    error = outcomes["t"].error
    # A table that began again, because its view was lost, holds nothing of what was planted before.
    assert isinstance(error, VerificationError), "\n".join(bench.log)
    assert "table public.t" in error.message
    assert words in error.message
    assert "value" not in error.message
    record = bench.record()
    assert record.table("t").state is TableState.FAILED
    assert record.full_load_status is FullLoadStatus.FAILED
    assert record.table("small").state is TableState.LOADED

    assert bench.start(pipeline)["t"].error is None
    assert bench.differences([("t", "t"), ("small", "small")]) == {}
    assert bench.record().full_load_status is FullLoadStatus.COMPLETED
