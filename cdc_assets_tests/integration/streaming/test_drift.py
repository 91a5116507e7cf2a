"""Somebody changes source, slot or target behind the stream's back: seen by the next look, and only what it touches."""

from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.pipeline import Mode, Pipeline
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import CdcStatus, TableState
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets_tests.integration.streaming.bench import StreamBench

FULL = "ALTER TABLE {t} REPLICA IDENTITY FULL"
MADE = "CREATE TABLE {t} (id int PRIMARY KEY, v text)"
# Table -> what is done to it, and what its last error says then.
IN_SOURCE = {
    "gone": ("DROP TABLE {t}", "is gone"),
    "renamed": ("ALTER TABLE {t} RENAME TO elsewhere", "is gone or was renamed"),
    "remade": (f"DROP TABLE {{t}}; {MADE}; {FULL}; ALTER PUBLICATION {{p}} ADD TABLE {{t}}", "dropped and made anew"),
    "unpublished": ("ALTER PUBLICATION {p} DROP TABLE {t}", "out of the publication"),
    "filtered": (
        "ALTER PUBLICATION {p} DROP TABLE {t}; ALTER PUBLICATION {p} ADD TABLE {t} WHERE (id < 9)",
        "no longer",
    ),
    "thinned": ("ALTER TABLE {t} REPLICA IDENTITY DEFAULT", "no longer FULL"),
}
IN_TARGET = {
    "t_gone": ("DROP TABLE dbo.{t}", "was dropped or renamed"),
    "t_remade": ("DROP TABLE dbo.{t}; CREATE TABLE dbo.{t} (id int PRIMARY KEY, v text)", "made anew by someone"),
    "t_taken": (
        "UPDATE dbo.cdc_assets_state SET pipeline_id = gen_random_uuid() WHERE target_table = '{t}'",
        "belongs to another pipeline",
    ),
}


def _running(bench: StreamBench, *tables: str) -> Pipeline:
    """A pipeline that streams and has been looked at."""
    for table in tables:
        bench.source(f"CREATE TABLE {table} (id int PRIMARY KEY, v text); INSERT INTO {table} VALUES (1, 'one')")
    pipeline = bench.pipeline(*tables)
    bench.sync(pipeline)
    bench.look_until(pipeline, lambda _: set(bench.states().values()) == {TableState.STREAMING})
    return pipeline


def _decoded(bench: StreamBench) -> int:
    counters = bench.memory.baseline.counters
    return 0 if counters is None else counters.transactions


def test_a_table_that_is_not_what_it_was_has_to_be_loaded_anew_and_no_other(bench: StreamBench) -> None:
    drifting = IN_SOURCE | IN_TARGET
    pipeline = _running(bench, "kept", *drifting)
    names = bench.names(pipeline)
    for table, (by, _) in IN_SOURCE.items():
        bench.source(by.format(t=table, p=names.publication))
    for table, (by, _) in IN_TARGET.items():
        bench.target(by.format(t=table))
    bench.look(pipeline)
    assert bench.states() == dict.fromkeys(drifting, TableState.RESYNC_REQUIRED) | {"kept": TableState.STREAMING}
    reports = bench.connect.reports()
    for position, mapping in enumerate(pipeline.tables[1:], start=1):
        error = bench.record().table(mapping.source.name).last_error or ""
        assert drifting[mapping.source.name][1] in error
        assert "Fix: the table has to be loaded again" in error
        assert "./cdc drop the pipeline with --drop-target" in error
        # What its sink would still write could damage good rows.
        assert reports[names.sink_connector(position, mapping)].is_stopped
    bench.source("INSERT INTO kept VALUES (1000, 'goes on')")
    bench.until_equal("kept")
    events = len(bench.store.events("bench", limit=1000))
    bench.look(pipeline)
    assert len(bench.store.events("bench", limit=1000)) == events, "it is recorded once"


def test_what_loses_nothing_is_told_and_costs_no_load(bench: StreamBench) -> None:
    bench.source("CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)")
    bench.source("CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100)")
    bench.source("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'one')")
    pipeline = bench.pipeline("p", "a")
    bench.sync(pipeline)
    streaming = dict.fromkeys("ap", TableState.STREAMING)
    bench.look_until(pipeline, lambda _: _decoded(bench) > 0 and bench.states() == streaming)
    bench.source("CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (100) TO (200)")
    # Statistics that begin anew are no new slot.
    bench.source(f"SELECT pg_stat_reset_replication_slot('{bench.names(pipeline).slot}')")
    bench.target("DROP TABLE dbo.cdc_assets_state")
    verdict = str(bench.look(pipeline).verdict)
    assert "ALTER TABLE public.p_2 REPLICA IDENTITY FULL" in verdict
    assert "cdc_assets_state" in verdict
    assert bench.states() == streaming
    bench.source("INSERT INTO a VALUES (1000, 'goes on')")
    bench.until_equal("a")


def test_a_slot_made_anew_is_seen_though_it_stands_where_it_should(bench: StreamBench) -> None:
    pipeline = _running(bench, "a", "b")
    names = bench.names(pipeline)
    # Enough that a new slot cannot have caught up with it.
    for number in range(30):
        bench.source(f"INSERT INTO a VALUES ({2000 + number}, 'x')")
    bench.look_until(pipeline, lambda _: _decoded(bench) > 30)
    bench.connect.stop([names.source_connector])
    bench.source(f"SELECT pg_drop_replication_slot('{names.slot}')")
    bench.source("INSERT INTO a VALUES (1000, 'nobody kept this')")
    bench.source(f"SELECT pg_create_logical_replication_slot('{names.slot}', 'pgoutput')")
    # As a worker that restarts does by itself; a change of b then hides the gap in the positions.
    bench.connect.resume(names.source_connector)
    bench.source("INSERT INTO b VALUES (1000, 'after')")
    bench.until_equal("b")
    # By its position it is a good one now.
    ((position,),) = bench.source(
        f"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{names.slot}'"
    )
    made = Lsn.parse(str(position))
    waiting = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_not_result(bool))
    waiting(lambda: (bench.connect.confirmed_lsn(names.source_connector) or Lsn(0)) >= made)
    bench.look(pipeline)
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}
    assert bench.record().cdc_status is CdcStatus.ERROR
    assert "the server has decoded" in (bench.record().last_error or "")
    assert bench.connect.reports()[names.source_connector].is_stopped


def test_a_start_puts_no_table_back_into_the_publication_without_a_word(bench: StreamBench) -> None:
    tables = "CREATE TABLE {s}.a (id int PRIMARY KEY, v text); CREATE TABLE {s}.b (id int PRIMARY KEY, v text)"
    bench.source(tables.format(s="public"))
    bench.target("CREATE SCHEMA dbo; " + tables.format(s="dbo"))
    pipeline = bench.pipeline("a", "b", mode=Mode.CDC_ONLY)
    bench.sync(pipeline)
    bench.stop(pipeline)
    bench.source("DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'nobody saw it')")
    bench.sync(pipeline)
    assert bench.states() == {"a": TableState.RESYNC_REQUIRED, "b": TableState.STREAMING}
    assert "changes since then are lost" in (bench.record().table("a").last_error or "")


def test_a_reset_of_the_sensor_forgets_nothing(bench: StreamBench) -> None:
    """Whoever resets its cursor in the page must not make lost changes look like none."""
    pipeline = _running(bench, "kept", "remade")
    bench.memory = HealthMemory()
    by, sentence = IN_SOURCE["remade"]
    bench.source(by.format(t="remade", p=bench.names(pipeline).publication))
    bench.look(pipeline)
    assert bench.states() == {"kept": TableState.STREAMING, "remade": TableState.RESYNC_REQUIRED}
    assert sentence in (bench.record().table("remade").last_error or "")
    bench.drop(pipeline)
    bench.store.forget("bench")
    assert bench.state("SELECT * FROM pipeline_looks") == []


def test_a_column_that_was_altered_so_that_it_rounds_is_seen(bench: StreamBench) -> None:
    types = {"sums": "numeric(10,2)", "moments": "timestamp", "cut": "text", "widened": "int"}
    values = {"sums": "1.25", "moments": "'2026-01-01 12:00:00.123456'", "cut": "'abc'", "widened": "7"}
    for table, of_type in types.items():
        bench.source(f"CREATE TABLE {table} (id int PRIMARY KEY, v {of_type})")
        bench.source(f"INSERT INTO {table} VALUES (1, {values[table]})")
    pipeline = bench.pipeline(*types)
    bench.sync(pipeline)
    bench.look_until(pipeline, lambda _: set(bench.states().values()) == {TableState.STREAMING})
    bench.target(
        """
        ALTER TABLE dbo.sums ALTER v TYPE numeric(10,0);
        ALTER TABLE dbo.moments ALTER v TYPE timestamp(0);
        ALTER TABLE dbo.cut DROP v;
        ALTER TABLE dbo.widened ALTER v TYPE bigint, ADD theirs int
        """
    )
    bench.look(pipeline)
    bad = dict.fromkeys(("sums", "moments", "cut"), TableState.RESYNC_REQUIRED)
    assert bench.states() == bad | {"widened": TableState.STREAMING}
    errors = {table: bench.record().table(table).last_error or "" for table in types}
    assert (
        "column v of target table dbo.sums was altered by someone from numeric(10,2) to numeric(10,0)"
        in (errors["sums"])
    )
    assert "to timestamp(0) without time zone" in errors["moments"]
    assert "column v of target table dbo.cut was dropped or renamed" in errors["cut"]
    assert "Fix: give the column its type numeric(10,2) back" in errors["sums"]
    reports = bench.connect.reports()
    for position, mapping in enumerate(pipeline.tables):
        sink = bench.names(pipeline).sink_connector(position, mapping)
        assert reports[sink].is_stopped is (mapping.source.name in bad), sink
    bench.source("INSERT INTO widened VALUES (1000, 8)")
    bench.until_equal("widened")
    bench.drop(pipeline, drop_target=True)
    bench.store.forget("bench")
    bench.sync(pipeline)
    bench.until_equal(*types)
