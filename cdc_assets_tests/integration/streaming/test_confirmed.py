"""How far the source connector confirms to its slot, against how far it is known to have delivered."""

import psycopg
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.position import Lsn
from cdc_assets_tests.integration.streaming.conftest import MakeStream
from cdc_assets_tests.services.stream import Stream, same_name

ROWS = 60_000


def test_within_its_first_transaction_the_slot_is_not_taken_for_a_moved_one(stream_of: MakeStream) -> None:
    """There is no `lsn_commit` yet: Debezium confirms the last change. Seen as loss when only commits were counted."""
    stream: Stream = stream_of("CREATE TABLE t (id int PRIMARY KEY, v text)", *same_name("t"))
    begin = _confirmed(stream)
    with psycopg.connect(stream.databases.source_url, autocommit=True) as session:
        session.execute("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, %s) AS n", [ROWS])
    stream.start_source()
    source = stream.names.source_connector
    seen: list[tuple[Lsn, Lsn | None, Lsn | None]] = []

    def look() -> bool:
        slot = _confirmed(stream)  # before Connect is asked: a sound slot is never ahead of what Kafka has
        seen.append((slot, stream.connect.confirmed_lsn(source), stream.connect.delivered_lsn(source)))
        return slot > begin

    Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.02), retry=retry_if_not_result(bool), reraise=True)(look)
    slot, confirmed, delivered = seen[-1]
    assert confirmed is not None
    assert slot <= confirmed
    assert delivered is None or delivered < slot, "the transaction was too short to be met inside of it"
    stream.start_sinks()
    stream.wait_until_applied()


def _confirmed(stream: Stream) -> Lsn:
    with psycopg.connect(stream.databases.source_url) as session:
        row = session.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s", [stream.names.slot]
        ).fetchone()
    assert row
    return Lsn.parse(row[0])
