"""The worker cluster is away, then back: shown at the first look, and over when a marker has passed again."""

from collections.abc import Iterator

import pytest

from cdc_assets.model.status import CdcStatus
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import Servers, make_databases


@pytest.fixture
def own_bench(own_servers: Servers) -> Iterator[StreamBench]:
    """A bench on servers that may be killed."""
    databases = make_databases(own_servers.postgres(18).url("postgres"))
    worker = own_servers.connect()
    made = StreamBench(
        databases,
        own_servers.kafka(),
        connect_url=worker.url,
        secrets_dir=own_servers.home / "secrets" / "connect",
        patience_seconds=5,
    )
    yield made
    made.close()


def test_a_worker_that_is_killed_is_shown_at_once_and_its_return_as_well(
    own_bench: StreamBench, own_servers: Servers
) -> None:
    bench = own_bench
    bench.source("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'one')")
    pipeline = bench.pipeline("a")
    bench.sync(pipeline)
    bench.look_until(pipeline, lambda _: bench.memory.passed_lsn is not None)
    own_servers.kill("connect")
    bench.look(pipeline)
    record = bench.record()
    assert (record.cdc_status, record.last_error_code) == (CdcStatus.ERROR, "CONNECT_UNAVAILABLE")
    assert record.last_look is not None
    assert [finding.code for finding in record.last_look.findings] == ["CONNECT_UNAVAILABLE"]
    bench.source("INSERT INTO a VALUES (2, 'while it was away')")
    own_servers.connect()
    # Tasks of a worker that died are nobody's for some seconds: told as what may pass, not as another error.
    bench.look_until(pipeline, lambda _: bench.record().cdc_status is CdcStatus.RUNNING, seconds=120)
    bench.until_equal("a")
    events = bench.store.events("bench", limit=1000)
    told = {event.new_value for event in events if event.field == "last_error" and event.new_value}
    assert told
    assert all("Kafka Connect" in each and "does not answer" in each for each in told), told
    assert bench.record().last_error is None
