"""Servers that are there and do not answer: a look gives up in time, names who is silent, and says nothing untrue."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from cdc_assets.adapters.postgres.session import Sessions
from cdc_assets.model.errors import CdcAssetsError, SourceAwayError, TargetAwayError
from cdc_assets.model.pipeline import Endpoint, Pipeline
from cdc_assets.model.status import CdcStatus, TableState
from cdc_assets.planning.verdict import UNREAD_SECONDS
from cdc_assets_tests.integration.load.bench import endpoint
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.proxy import Proxy
from cdc_assets_tests.services.servers import PASSWORD, Databases

TABLES = (
    "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text);"
    "INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 'x')"
)
_AWAY: dict[str, type[CdcAssetsError]] = {"source": SourceAwayError, "target": TargetAwayError}


@pytest.fixture
def network(databases: Databases) -> Iterator[Proxy]:
    """A network between the product and the database server."""
    made = Proxy(endpoint(databases.source_url, "public").connection.port)
    yield made
    made.close()


def _through(network: Proxy, direct: Endpoint) -> Endpoint:
    return replace(direct, connection=replace(direct.connection, host="127.0.0.1", port=network.port))


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_session_with_a_silent_server_ends(
    databases: Databases, network: Proxy, side: Literal["source", "target"]
) -> None:
    sessions = Sessions(
        side, _through(network, endpoint(databases.source_url, "public")), PASSWORD, "test", patience_seconds=2
    )

    def ask(before: Callable[[], None] = lambda: None) -> object:
        with sessions.session("asked") as session:
            before()
            return session.execute("SELECT 1 AS one").fetchone()

    with pytest.raises(_AWAY[side], match=r"is silent: no answer within 2 s"):
        ask(network.silence)
    with pytest.raises(_AWAY[side], match=r"does not answer"):
        ask()
    network.restore()
    assert ask() == {"one": 1}


@pytest.fixture
def running(bench: StreamBench) -> Pipeline:
    """A pipeline that streams."""
    bench.source(TABLES)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    return pipeline


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_stream_on_a_silent_server_is_not_running(
    bench: StreamBench, running: Pipeline, network: Proxy, side: str
) -> None:
    bench.patience_seconds = 2
    if side == "source":
        seen = replace(running, source=_through(network, running.source))
    else:
        seen = replace(running, target=_through(network, running.target))
    network.silence()
    bench.look(seen)
    record = bench.record()
    assert (record.cdc_status, record.last_error_code) == (CdcStatus.ERROR, f"{side.upper()}_UNAVAILABLE")
    network.restore()
    bench.look_until(seen, lambda _: bench.record().cdc_status is CdcStatus.RUNNING)
    assert bench.record().last_error is None


def test_a_slot_that_nobody_reads_is_seen_though_connect_says_running(
    bench: StreamBench, network: Proxy, databases: Databases
) -> None:
    bench.source(TABLES)
    direct = bench.pipeline("a", "b")
    behind = replace(direct, source=_through(network, direct.source))
    bench.sync(behind)
    # The server gives the silent connector up; the connector does not notice.
    network.silence()
    slots = "FROM pg_replication_slots WHERE database = current_database()"
    bench.source(f"SELECT pg_terminate_backend(active_pid) {slots}")
    bench.look_until(direct, lambda seen: "nobody reads the replication slot" in str(seen.verdict))
    # It may pass by itself: told at once, with the moment from which it counts, and no state flickers.
    shown = bench.record().last_look
    assert shown is not None
    (finding,) = shown.findings
    assert (shown.level, finding.code, finding.since) == ("DEGRADED", "NOT_FLOWING", shown.observed_at)
    assert finding.fails_at == shown.observed_at + timedelta(seconds=UNREAD_SECONDS)
    assert bench.record().cdc_status is CdcStatus.RUNNING
    report = bench.look_until(direct, lambda _: bench.record().cdc_status is CdcStatus.ERROR)
    shown = bench.record().last_look
    assert shown is not None
    assert (shown.level, shown.findings[0].since) == ("FAILED", finding.since)
    assert bench.connect.reports()[bench.names(behind).source_connector].says_running
    assert bench.record().last_error_code == "NOT_FLOWING"
    assert "nobody reads the replication slot" in str(report.verdict)
    network.restore()
    bench.look_until(direct, lambda _: bench.record().cdc_status is CdcStatus.RUNNING)
    bench.source("INSERT INTO a VALUES (2, 'later')")
    bench.until_equal("a", "b")


def test_a_topic_that_was_deleted_is_a_gap_and_not_a_stream(bench: StreamBench, running: Pipeline) -> None:
    topic = bench.record().table("a").topic
    assert topic is not None
    bench.source("INSERT INTO a VALUES (2, 'applied')")
    bench.look_until(running, lambda _: bench.memory.passed_lsn is not None)
    bench.until_equal("a", "b")
    bench.kafka.delete_topics([topic])
    bench.look_until(running, lambda _: bench.states()["a"] is TableState.RESYNC_REQUIRED)
    assert bench.states()["b"] is not TableState.RESYNC_REQUIRED
