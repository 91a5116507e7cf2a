"""kill -9 of the run at each step: the next start goes on, repeats only what is missing, and every row is there."""

import pytest

from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets_tests.integration.load.bench import ONE_STREAM, LoadBench
from cdc_assets_tests.integration.load.killed_run import run_until_killed

_TABLES = """
CREATE TABLE large (id int PRIMARY KEY, v text);
INSERT INTO large SELECT g, 'value ' || g FROM generate_series(1, 2000) g;
CREATE INDEX ON large (v);
CREATE TABLE small (id int PRIMARY KEY, v text);
INSERT INTO small SELECT g, 'value ' || g FROM generate_series(1, 300) g;
"""
_POINTS = [
    ("lease.set_names after", 1),
    ("target.apply before", 1),
    ("target.apply after", 1),
    ("lease.set_target after", 1),
    ("lease.set_full_load after", 1),
    ("lease.set_original_identity after", 1),
    ("source.ensure_full_replica_identity after", 1),
    ("source.ensure_publication after", 1),
    ("source.open_slot_snapshot entered", 1),
    ("lease.set_captured_from after", 1),
    ("lease.set_load_position after", 1),
    ("target.begin_load after", 1),
    ("writer.write after", 3),
    ("lease.set_progress after", 3),
    ("target.verify_load after", 1),
    ("target.finish_load after", 1),
    ("lease.clear_table_error after", 1),
    ("target.begin_load after", 2),
    ("target.end_load before", 1),
    ("lease.set_full_load before", 2),
]


@pytest.mark.parametrize(("point", "times"), _POINTS, ids=[f"{point} {times}" for point, times in _POINTS])
def test_the_next_start_goes_on(bench: LoadBench, point: str, times: int) -> None:
    bench.source(_TABLES)
    pipeline = bench.pipeline("large", "small", options=ONE_STREAM)
    run_until_killed(bench, pipeline, point, times)
    before = bench.record()
    loaded = [table.source_table for table in before.tables if table.state is TableState.LOADED]
    for table in {"large", "small"} - set(loaded):
        bench.source(
            f"DELETE FROM {table} WHERE id < 50; UPDATE {table} SET v = v || '!' WHERE id % 3 = 0;"
            f"INSERT INTO {table} SELECT g, 'later' FROM generate_series(10000, 10100) g"
        )
    bench.let_lease_run_out()

    outcomes = bench.start(pipeline)

    assert [outcome.error for outcome in outcomes.values() if outcome.error] == []
    assert bench.differences([("large", "large"), ("small", "small")]) == {}
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.COMPLETED
    assert record.suffix is not None
    assert [record.table(table).load_lsn for table in loaded] == [before.table(table).load_lsn for table in loaded]
    slots = bench.source(
        "SELECT slot_name, confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()"
    )
    assert slots == [(record.slot_name, str(record.table("large").captured_from_lsn))]
    assert record.table("large").original_identities == {"public.large": "d"}
    assert bench.target("SELECT count(*) FROM pg_index WHERE indrelid = 'dbo.large'::regclass") == [(2,)]
    assert bench.target("SELECT to_regclass('dbo.cdc_load_chunk_1')::text") == [(None,)]
