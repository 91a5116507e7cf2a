"""What a user finds after Step 0 and Step 1: every row, verified, and a state that says so."""

from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets_tests.integration.load.bench import LoadBench, mapping

SLOTS = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()"
TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"\\');
CREATE DOMAIN price AS numeric(10,2) CHECK (value >= 0);
CREATE TABLE projects_simple (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'none', mood mood DEFAULT 'ok',
    price price, made timestamptz DEFAULT now(), no int GENERATED ALWAYS AS IDENTITY,
    twice int GENERATED ALWAYS AS (2 * id) STORED);
INSERT INTO projects_simple (id, name, mood, price)
    SELECT g, 'name ' || g, 'it''s "fine"\\', g / 7.0 FROM generate_series(1, 3000) g;
CREATE INDEX by_name ON projects_simple (name);
CREATE UNIQUE INDEX by_number ON projects_simple (no);
CREATE TABLE documents (id uuid PRIMARY KEY, body text, meta jsonb);
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
INSERT INTO documents
    SELECT md5(g::text)::uuid, repeat(md5(g::text), 300), jsonb_build_object('n', g) FROM generate_series(1, 100) g;
CREATE TABLE readings (sensor int, at timestamptz, value float8, PRIMARY KEY (sensor, at)) PARTITION BY RANGE (at);
CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY LIST (sensor);
CREATE TABLE readings_2025_0 PARTITION OF readings_2025 FOR VALUES IN (0);
CREATE TABLE readings_2025_rest PARTITION OF readings_2025 DEFAULT;
CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO readings
    SELECT g % 5, '2025-06-01'::timestamptz + g * interval '6 hours', g / 3.0 FROM generate_series(1, 1500) g;
CREATE TABLE "We ird Größe" ("Schlüssel" int PRIMARY KEY, "Wert %s" text, "order" date, "a""b" int[]);
INSERT INTO "We ird Größe"
    SELECT g, 'Wert ' || g, '2020-01-01'::date + g, ARRAY[g, NULL] FROM generate_series(1, 500) g;
CREATE TABLE "select" (id int PRIMARY KEY);
CREATE TABLE pairs (a int NOT NULL, b text NOT NULL, c numeric);
CREATE UNIQUE INDEX pairs_key ON pairs (a, b);
INSERT INTO pairs SELECT g, g % 3, g * 1.10 FROM generate_series(1, 1000) g;
"""


def test_every_row_arrives_and_the_state_says_so(bench_each: LoadBench) -> None:
    bench = bench_each
    bench.source(TABLES)
    pipeline = bench.pipeline(
        "projects_simple",
        "documents",
        "readings",
        mapping("We ird Größe", target='q"t %s'),
        "select",
        mapping("pairs", key=("a", "b")),
    )

    outcomes = bench.start(pipeline)

    assert [table for table, outcome in outcomes.items() if outcome.error] == []
    pairs = [(table.source.name, table.target.name) for table in pipeline.tables]
    assert bench.differences(pairs) == {}
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.COMPLETED
    assert {table.state for table in record.tables} == {TableState.LOADED}
    rows = {table.source_table: table.rows_loaded for table in record.tables}
    assert rows["projects_simple"] == 3000
    assert rows["select"] == 0
    assert all(table.captured_from_lsn == table.load_lsn == record.full_load_lsn for table in record.tables)
    slot = bench.source(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()"
    )
    assert slot == [(str(record.full_load_lsn),)]


def test_log_lines_of_a_start(bench: LoadBench) -> None:
    bench.source("CREATE TABLE projects_simple (id int PRIMARY KEY); INSERT INTO projects_simple VALUES (1), (2)")

    bench.start(bench.pipeline("projects_simple"))

    record = bench.record()
    source, target = (url.rpartition("/")[2] for url in (bench.databases.source_url, bench.databases.target_url))
    wanted = f"""\
Step 0: Auto-creating target schema/tables for pipeline: bench
Creating target schema: dbo in database: {target}
Creating target table: projects_simple (from source: projects_simple)
Schema creation completed: 1 tables ready, 0 failed
Step 0: Target schema/tables created successfully
Step 1: Starting full load for pipeline: bench (mode: full_load_and_cdc)
Step 1: Source: {source}.public, Tables: ['projects_simple']
Step 1: Target: {target}.dbo
Step 1: Full load status set to IN_PROGRESS and persisted to database
Step 1: Full load completed successfully!
Step 1: Tables transferred: 1, Total rows: 2, LSN: {record.full_load_lsn}
Step 1: Full load status set to COMPLETED and persisted to database""".splitlines()
    assert [line for line in bench.log if line in wanted] == wanted


def test_a_second_start_leaves_loaded_tables_alone(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    pipeline = bench.pipeline("t")
    bench.start(pipeline)
    bench.source("INSERT INTO t VALUES (3)")

    outcomes = bench.start(pipeline)

    assert outcomes["t"].error is None
    assert bench.target("SELECT count(*) FROM dbo.t") == [(2,)]
    assert "Step 1: Full load already completed, skipped" in bench.log


def test_key_and_plain_indexes_are_there_and_no_unique_one(bench: LoadBench) -> None:
    bench.source(TABLES)
    bench.start(bench.pipeline("projects_simple", mapping("pairs", key=("a", "b"))))

    found = bench.target(
        "SELECT indexrelid::regclass::text, indisunique, indisprimary FROM pg_index"
        " WHERE indrelid IN ('dbo.projects_simple'::regclass, 'dbo.pairs'::regclass) ORDER BY 1"
    )
    assert found == [
        ("dbo.by_name", False, False),
        ("dbo.by_number", False, False),
        ("dbo.pairs_pkey", True, True),
        ("dbo.projects_simple_pkey", True, True),
    ]


def test_full_load_only_needs_no_key_and_makes_nothing_in_the_source(bench_each: LoadBench) -> None:
    bench = bench_each
    bench.source(
        "CREATE TABLE log (at timestamptz, point point, bits varbit, zoned timetz, many int[], f float8);"
        "INSERT INTO log SELECT now(), point(g, 1), B'101', '12:00+03', '{{1,2},{3,4}}', 'NaN'"
        " FROM generate_series(1, 500) g"
    )

    outcomes = bench.start(bench.pipeline("log", mode=Mode.FULL_LOAD_ONLY))

    assert outcomes["log"].error is None
    assert bench.differences([("log", "log")]) == {}
    assert bench.source(SLOTS) == []
    assert bench.source("SELECT count(*) FROM pg_publication") == [(0,)]
    assert bench.source("SELECT relreplident::text FROM pg_class WHERE relname = 'log'") == [("d",)]


def test_progress_rows_are_gone_when_the_load_is_over(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)")
    during: list[int] = []

    def look(_: object) -> None:
        during.append(int(str(bench.target("SELECT count(*) FROM dbo.cdc_load_chunk_1")[0][0])))

    bench.start(bench.pipeline("t"), progress=look)

    assert max(during) > 10
    assert bench.target("SELECT to_regclass('dbo.cdc_load_chunk_1')::text") == [(None,)]
