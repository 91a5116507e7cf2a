"""Workers that are away: all of them shown at the first look, one of several as what passes by itself."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.embedded.connect import Worker
from cdc_assets.embedded.server_process import free_port
from cdc_assets.model.status import CdcStatus
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import Servers, make_databases


@pytest.fixture
def patient_cluster(own_servers: Servers) -> None:
    """A cluster that waits for a worker longer than a stream may stand; Kafka's default is five minutes."""
    own_servers.rebalance_delay_seconds = 20


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


@pytest.fixture
def second_worker(own_servers: Servers) -> Worker:
    """One more worker of the same cluster."""
    first = own_servers.connect()
    made = replace(
        first,
        directory=own_servers.home / "connect-2",
        port=free_port(),
        log=own_servers.home / "logs" / "connect-2.log",
    )
    own_servers.running["connect-2"] = made.process().start()
    return made


def test_sinks_of_one_of_two_workers_that_is_stopped_wait_for_the_other_and_no_state_flickers(
    patient_cluster: None, own_bench: StreamBench, own_servers: Servers, second_worker: Worker
) -> None:
    bench, tables = own_bench, ("a", "b", "c", "d")
    for table in tables:
        bench.source(f"CREATE TABLE {table} (id int PRIMARY KEY, v text)")
    pipeline = bench.pipeline(*tables)
    bench.sync(pipeline)
    bench.look_until(pipeline, lambda _: bench.memory.passed_lsn is not None)
    # The one that has the source's task lives on: without it nobody would read the slot, which is an error at once.
    workers = {f"127.0.0.1:{worker.port}": name for worker, name in _named(own_servers, second_worker).items()}
    patiently = Retrying(stop=stop_after_delay(120), wait=wait_fixed(1), retry=retry_if_not_result(bool), reraise=True)
    patiently(lambda: all(report.says_running for report in bench.connect.reports().values()))
    reports = bench.connect.reports()
    source = bench.names(pipeline).source_connector
    living = reports[source].tasks[0].worker
    (left,) = workers.keys() - {living}
    lost = {name for name, report in reports.items() if report.tasks[0].worker == left}
    assert lost, "the cluster gave one worker all tasks"
    bench.connect = KafkaConnect(f"http://{living}")
    own_servers.running.pop(workers[left]).stop()
    for table in tables:
        bench.source(f"INSERT INTO {table} VALUES (1, 'while one is away')")
    told: set[str] = set()

    def is_over() -> bool:
        report = bench.look(pipeline, ahead=0)
        record = bench.record()
        assert record.cdc_status is CdcStatus.RUNNING, record.last_error
        told.update(str(report.verdict).split("; "))
        is_moved = all(each.tasks and each.tasks[0].worker == living for each in bench.connect.reports().values())
        return is_moved and str(report.verdict) == "changes flow"

    patiently(is_over)
    assert any("waits for a worker of Kafka Connect" in each and each.split()[2] in lost for each in told), told
    bench.until_equal(*tables)


def _named(servers: Servers, second: Worker) -> dict[Worker, str]:
    return {servers.connect(): "connect", second: "connect-2"}
