"""Two runs of one pipeline: from the moment the newer one took over, nothing of the older one reaches the target."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.postgres import PostgresTarget
from cdc_assets.model.errors import LeaseLostError
from cdc_assets.model.status import FullLoadStatus, Intent
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import CreateSchema, CreateTable, TargetColumn
from cdc_assets.ports.target import Fence
from cdc_assets.stages.full_load import full_load
from cdc_assets.stages.prepare import prepare
from cdc_assets_tests.integration.load.bench import ONE_STREAM, LoadBench, after_chunks, endpoint
from cdc_assets_tests.services.servers import PASSWORD, Databases

_TABLE = TableName("dbo", "t %s")
_CHUNKS = "cdc_load_chunk_1"
_ID = [TargetColumn("id", "integer", nullable=False)]
_CHUNK = Chunk(0, TableName("public", "t"), 0, None, 0)
_ROW = b"\x00\x01\x00\x00\x00\x04\x00\x00\x00\x07"


class _Fenced:
    """A target table of pipeline `p`, with a writer of epoch 1."""

    def __init__(self, databases: Databases) -> None:
        self.url = databases.target_url
        self.id = uuid4()
        self.target = PostgresTarget(endpoint(self.url, "dbo"), password=PASSWORD, pipeline="p", epoch=1)
        changes = (CreateSchema("dbo"), CreateTable(_TABLE, (TargetColumn("id", "integer", nullable=False),)))
        self.target.apply(changes, schema="dbo", pipeline_id=self.id, pipeline_name="p", generation=1, epoch=1)
        self.fence = Fence(self.id, generation=1, epoch=1, load_id=uuid4())
        self.target.begin_load(_TABLE, self.fence, chunk_table=_CHUNKS)

    def count(self) -> int:
        with psycopg.connect(self.url) as session:
            row = session.execute('SELECT count(*) FROM dbo."t %s"').fetchone()
        assert row
        return int(row[0])

    @retry(stop=stop_after_delay(30), wait=wait_fixed(0.05), retry=retry_if_result(lambda found: found == 0))
    def wait_for_a_blocked_session(self) -> int:
        with psycopg.connect(self.url) as session:
            row = session.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'cdc_assets:p:1' AND cardinality(pg_blocking_pids(pid)) > 0"
            ).fetchone()
        assert row
        return int(row[0])


@pytest.fixture
def fenced(databases: Databases) -> _Fenced:
    return _Fenced(databases)


def test_claiming_waits_for_a_chunk_under_way_and_shuts_out_the_next(fenced: _Fenced) -> None:
    sent, go_on = threading.Event(), threading.Event()

    def rows() -> Iterator[bytes]:
        yield _ROW
        sent.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(2) as pool, fenced.target.writer(chunk_table=_CHUNKS) as writer:
        writing = pool.submit(writer.write, _TABLE, _ID, _CHUNK, rows(), fenced.fence)
        assert sent.wait(30)
        claiming = pool.submit(fenced.target.claim, "dbo", fenced.id, epoch=2)
        fenced.wait_for_a_blocked_session()
        assert not claiming.done()
        go_on.set()
        assert writing.result().rows == 1
        claiming.result()
        with pytest.raises(LeaseLostError):
            writer.write(_TABLE, _ID, Chunk(1, _CHUNK.leaf, 0, None, 0), iter([_ROW]), fenced.fence)
    assert fenced.count() == 1


def test_every_write_of_an_older_epoch_is_refused(fenced: _Fenced) -> None:
    fenced.target.claim("dbo", fenced.id, epoch=2)

    with pytest.raises(LeaseLostError):
        fenced.target.begin_load(_TABLE, fenced.fence, chunk_table=_CHUNKS)
    with pytest.raises(LeaseLostError):
        fenced.target.finish_load([], _TABLE, fenced.fence)
    with pytest.raises(LeaseLostError):
        fenced.target.claim("dbo", fenced.id, epoch=1)
    with pytest.raises(LeaseLostError):
        fenced.target.apply((), schema="dbo", pipeline_id=fenced.id, pipeline_name="p", generation=1, epoch=1)


def test_a_load_begun_anew_shuts_out_the_one_before(fenced: _Fenced) -> None:
    newer = Fence(fenced.id, generation=1, epoch=1, load_id=uuid4())
    fenced.target.begin_load(_TABLE, newer, chunk_table=_CHUNKS)

    with fenced.target.writer(chunk_table=_CHUNKS) as writer, pytest.raises(LeaseLostError):
        writer.write(_TABLE, _ID, _CHUNK, iter([_ROW]), fenced.fence)
    assert fenced.count() == 0


def test_a_chunk_is_never_there_twice(fenced: _Fenced) -> None:
    """Its answer was lost, it is written again: the first one counts."""
    with fenced.target.writer(chunk_table=_CHUNKS) as writer:
        first = writer.write(_TABLE, _ID, _CHUNK, iter([_ROW]), fenced.fence)
        again = writer.write(_TABLE, _ID, _CHUNK, iter([_ROW]), fenced.fence)

    assert again == first
    assert fenced.count() == 1
    assert fenced.target.receipts(_TABLE, fenced.fence, chunk_table=_CHUNKS) == (first,)


def test_sessions_of_an_older_epoch_are_ended(fenced: _Fenced) -> None:
    entered = threading.Event()

    def rows() -> Iterator[bytes]:
        yield _ROW
        entered.set()
        assert newer.end_stale_sessions("p", before_epoch=2) == 1
        for _ in range(100_000):
            yield _ROW

    newer = PostgresTarget(endpoint(fenced.url, "dbo"), password=PASSWORD, pipeline="p", epoch=2)
    with fenced.target.writer(chunk_table=_CHUNKS) as writer, pytest.raises(Exception, match="cannot be written"):
        writer.write(_TABLE, _ID, _CHUNK, rows(), fenced.fence)
    assert entered.is_set()
    assert fenced.count() == 0


def test_a_replaced_run_changes_nothing_while_the_newer_one_loads(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)")
    pipeline = bench.pipeline("t", options=ONE_STREAM)

    def replace() -> None:
        bench.let_lease_run_out()
        assert bench.start(pipeline)["t"].error is None

    with pytest.raises(LeaseLostError):
        bench.start(pipeline, progress=after_chunks(3, replace))

    assert bench.differences([("t", "t")]) == {}
    assert bench.record().full_load_status is FullLoadStatus.COMPLETED


def test_a_stop_is_seen_between_chunks_and_a_start_goes_on(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)")
    pipeline = bench.pipeline("t", options=ONE_STREAM)
    committed: list[int] = []

    def stop() -> None:
        bench.store.write_intent("bench", Intent.STOPPED, cause="a test")

    def progress(moment: object) -> None:
        committed.append(1)
        if len(committed) == 3:
            stop()

    with bench.run(pipeline, progress=progress) as context:
        prepare(context, ["t"])
        with pytest.raises(Exception, match="is wanted STOPPED now"):
            full_load(context, ["t"])
    assert len(committed) == 3
    assert bench.start(pipeline)["t"].error is None
    assert bench.differences([("t", "t")]) == {}
