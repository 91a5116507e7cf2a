"""A source at work on a large transaction of other tables says nothing for a while: it is seen at work."""

import psycopg
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.position import Lsn
from cdc_assets_tests.integration.streaming.bench import StreamBench

ROWS = 1_000_000


def test_a_large_transaction_of_other_tables_is_seen_while_it_is_decoded(bench: StreamBench) -> None:
    bench.source("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE other (id int)")
    pipeline = bench.pipeline("a")
    bench.sync(pipeline)
    slot = bench.names(pipeline).slot
    patiently = Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.01), retry=retry_if_not_result(bool))
    with bench.run_as_recorded(pipeline) as context:

        def decoding_at() -> Lsn | None:
            return context.source.watch(slot=slot, publication=slot, tables=[]).decoding_at

        patiently(lambda: decoding_at() is None)
        with psycopg.connect(bench.databases.source_url, autocommit=True) as session:
            session.execute("INSERT INTO other SELECT generate_series(1, %s)", [ROWS])
            (after,) = session.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("0/0",)
        seen = patiently(decoding_at)
        assert seen is not None
        assert seen < Lsn.parse(after), "it has read all and is still at work"
        patiently(lambda: decoding_at() is None)
