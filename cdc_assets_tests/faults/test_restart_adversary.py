"""Restarts of the source connector at the worst moments: the plain configuration loses rows, ours loses none.

Two source connectors stand side by side on the same tables, each with its own slot: one as a manual would configure
it, resuming from stored offsets, one as this product configures it. Both get the same faults, fired into bursts when
the topic has grown by a number of records drawn from a seed: kill -9 of the worker, restart of the task, end of the
walsender. Afterwards each topic is folded by key and compared with the source. Rounds are repeated until the plain
one has lost something: a round in which nobody loses proves nothing about the cure.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Thread

import psycopg
import pytest
import requests
from tenacity import Retrying, retry_if_exception_type, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.embedded.connect import Worker
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets_tests.faults.bursts import DDL, TABLES, Bursts
from cdc_assets_tests.faults.topic_fold import Difference, TopicFold, compare
from cdc_assets_tests.services.servers import Databases, Servers, make_databases
from cdc_assets_tests.services.stream import Stream, make_stream, same_name

SEED = 20261124
FAULTS = ("kill worker", "restart task", "end walsender")
FAULTS_A_ROUND = 6
MAX_ROUNDS = 12
# The same for both: short batches make stored offsets fall inside transactions, and topics without schemas are read
# sooner.
_COMMON = {
    "max.batch.size": "64",
    "max.queue.size": "256",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
}


@dataclass(frozen=True)
class Contender:
    """One of the two source connectors."""

    stream: Stream
    settings: Mapping[str, str]
    folds: Mapping[str, TopicFold]

    @property
    def connector(self) -> str:
        return self.stream.names.source_connector

    @property
    def topics(self) -> Mapping[str, str]:
        return {table: fold.topic for table, fold in self.folds.items()}

    def records(self) -> int:
        return sum(self.stream.kafka.end_offsets(list(self.topics.values())).values())

    def differences(self) -> Mapping[str, Difference]:
        ends = self.stream.kafka.end_offsets(list(self.topics.values()))
        url = self.stream.databases.source_url
        return {table: compare(url, table, fold.follow(ends[fold.topic])) for table, fold in self.folds.items()}


@dataclass
class Arena:
    """Both contenders, their servers and the faults."""

    servers: Servers
    url: str
    ours: Contender
    plain: Contender
    chance: random.Random

    @property
    def connect(self) -> KafkaConnect:
        return self.ours.stream.connect

    def strike(self, fault: str, bursts: Bursts) -> None:
        """Write a burst, fire the fault inside it, let both catch up."""
        begin = self.plain.records()
        goal = begin + self.chance.randrange(100, 12_000)
        writer = Thread(target=bursts.write)
        writer.start()
        # A burst that ends before its goal is struck at its end.
        Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.01), retry=retry_if_not_result(bool))(
            lambda: self.plain.records() >= goal or (not writer.is_alive() and self.plain.records() > begin)
        )
        self._fire(fault)
        writer.join()
        self.catch_up()

    def _fire(self, fault: str) -> None:
        match fault:
            case "kill worker":
                self.servers.kill("connect")
                self.servers.connect()
            case "restart task":
                for contender in (self.plain, self.ours):
                    self._restart_task(contender.connector)
            case _:
                with psycopg.connect(self.url, autocommit=True) as session:
                    session.execute(
                        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL"
                    )

    def _restart_task(self, connector: str) -> None:
        requests.post(f"{self.servers.connect().url}/connectors/{connector}/tasks/0/restart", timeout=30)

    def starts(self) -> int:
        """How many starts of our connector have delivered something."""
        return len(self.connect._offsets(self.ours.connector))

    def catch_up(self) -> None:
        """Wait until both have delivered all that is committed; what has failed is restarted, as the product does."""
        marker = self.ours.stream.emit_marker()

        def delivered() -> bool:
            reports = self.connect.reports()
            for contender in (self.ours, self.plain):
                report = reports.get(contender.connector)
                if report is not None and report.failure is not None:
                    self.connect.restart_failed(contender.connector)
            positions = [self.connect.delivered_lsn(each.connector) for each in (self.ours, self.plain)]
            return all(position is not None and position >= marker.lsn for position in positions)

        Retrying(
            stop=stop_after_delay(180),
            wait=wait_fixed(0.5),
            retry=retry_if_not_result(bool) | retry_if_exception_type(CdcAssetsError),
        )(delivered)


def _contender(stream: Stream, settings: Mapping[str, str], bootstrap: str) -> Contender:
    stream.prepare()
    stream.connect.ensure_stopped_connector(stream.names.source_connector, settings)
    stream.connect.resume(stream.names.source_connector)
    folds = {
        mapping.source.name: TopicFold(bootstrap, stream.names.topic(mapping.source))
        for mapping in stream.pipeline.tables
    }
    return Contender(stream, settings, folds)


def _plain(settings: Mapping[str, str], root: str) -> Mapping[str, str]:
    """What a manual would write: one prefix, stored offsets, retries in place."""
    own = {"topic.prefix", "transforms", "errors.max.retries"}
    kept = {key: value for key, value in settings.items() if key not in own and not key.startswith("transforms.")}
    return {**kept, "topic.prefix": root}


@pytest.fixture
def arena(own_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Arena:
    written = Worker._properties
    # Offsets are stored five times as often as in the product's worker: more of them fall inside transactions.
    monkeypatch.setattr(Worker, "_properties", lambda worker: f"{written(worker)}offset.flush.interval.ms=200\n")
    cluster = own_servers.postgres(15)
    databases: Databases = make_databases(cluster.url("postgres"))
    with psycopg.connect(databases.source_url, autocommit=True) as session:
        session.execute(DDL.encode())
    url, bootstrap = own_servers.connect().url, own_servers.kafka()
    secrets_dir = own_servers.home / "secrets" / "connect"
    contenders = []
    for is_ours in (True, False):
        stream = make_stream(
            databases, connect_url=url, kafka_bootstrap=bootstrap, secrets_dir=secrets_dir, tables=same_name(*TABLES)
        )
        settings = {**stream.source_settings(), **_COMMON}
        contenders.append(_contender(stream, settings if is_ours else _plain(settings, stream.names.root), bootstrap))
    ours, plain = contenders
    return Arena(own_servers, databases.source_url, ours, plain, random.Random(SEED))  # noqa: S311  repeatable, not secret


@pytest.mark.faults
def test_restarts_lose_rows_of_the_plain_configuration_and_none_of_ours(arena: Arena) -> None:
    bursts = Bursts(arena.url, random.Random(SEED + 1))  # noqa: S311  as above
    arena.catch_up()
    faults = 0
    lost = 0
    for _ in range(MAX_ROUNDS):
        for fault in arena.chance.sample(FAULTS * (FAULTS_A_ROUND // len(FAULTS)), FAULTS_A_ROUND):
            arena.strike(fault, bursts)
            faults += 1
        ours = arena.ours.differences()
        assert {table: difference.rows for table, difference in ours.items()} == dict.fromkeys(TABLES, 0), ours
        lost = sum(difference.rows for difference in arena.plain.differences().values())
        if lost:
            break
    # The faults made our connector start anew, each time under an offset key of its own.
    assert arena.starts() > faults // 2, arena.starts()
    assert lost > 0, f"{faults} faults and the plain configuration lost nothing: the workload is not hard enough"
