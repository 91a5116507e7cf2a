"""Who carries the changes: our pipeline, Debezium as it comes, and PostgreSQL's own logical replication.

Each has a source and a target database of its own on the same two clusters. All are held but the one that is measured:
what a held one missed waits for it in its replication slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg
import requests
from psycopg import sql
from tenacity import RetryError, Retrying, retry_if_exception_type, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.bench import changes
from cdc_assets.embedded.bench.ground import Ground, PipelineFile, postgres_side, run_environment
from cdc_assets.embedded.bench.meter import Meter
from cdc_assets.model.errors import BenchError
from cdc_assets.planning.connectors import SINK_CLASS, SOURCE_CLASS
from cdc_assets.settings import EMBEDDED_USER

OURS = "cdc_assets"
DEFAULTS = "Debezium, default settings"
NATIVE = "CREATE SUBSCRIPTION"
_REQUEST_SECONDS = 30
_WAIT_SECONDS = 120


class Contender(Protocol):
    """One way to carry changes of table `changes`."""

    name: str
    source_url: str
    target_url: str
    target_schema: str

    def set_up(self) -> None:
        """Make everything; changes are held afterwards."""

    def release(self) -> None:
        """Let changes pass; returns when that was asked for, not when they do."""

    def hold(self) -> None:
        """Hold changes; returns when none passes any more."""


@dataclass
class Subscription:
    """PostgreSQL's own: a publication there, a subscription here."""

    ground: Ground
    name: str = NATIVE
    target_schema: str = "public"
    source_url: str = field(init=False)
    target_url: str = field(init=False)

    def set_up(self) -> None:
        """Make publication and subscription."""
        self.source_url, self.target_url = _databases(self.ground, "native")
        changes.make_table(self.source_url)
        changes.make_table(self.target_url)
        _execute(self.source_url, sql.SQL("CREATE PUBLICATION bench FOR TABLE changes"))
        source = sql.Literal(self.source_url)
        _execute(self.target_url, sql.SQL("CREATE SUBSCRIPTION bench CONNECTION {} PUBLICATION bench").format(source))
        synced = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
        _until(lambda: _number(self.target_url, synced) == 1, "the subscription is not in step")
        self.hold()

    def release(self) -> None:
        """Enable the subscription."""
        _execute(self.target_url, sql.SQL("ALTER SUBSCRIPTION bench ENABLE"))

    def hold(self) -> None:
        """Disable the subscription."""
        _execute(self.target_url, sql.SQL("ALTER SUBSCRIPTION bench DISABLE"))
        _until_slots_rest(self.source_url)


@dataclass
class _Connectors:
    """Changes through Kafka Connect; held by stopping the source connector, the sink waits for its topic."""

    ground: Ground
    connect_url: str
    source_connector: str = field(init=False, default="")
    source_url: str = field(init=False)
    target_url: str = field(init=False)

    def release(self) -> None:
        """Resume the source connector."""
        self._request("PUT", f"/connectors/{self.source_connector}/resume")

    def hold(self) -> None:
        """Stop the source connector."""
        self._request("PUT", f"/connectors/{self.source_connector}/stop")
        _until(lambda: self._is_held(self.source_connector), f"{self.source_connector} does not stop")
        _until_slots_rest(self.source_url)

    def connectors(self) -> Mapping[str, Any]:
        """Return every connector with its status."""
        answer = self._request("GET", "/connectors?expand=status&expand=info")
        return {str(name): entry for name, entry in answer.json().items()}

    def _is_held(self, name: str) -> bool:
        status = self.connectors()[name]["status"]
        return status["connector"]["state"] == "STOPPED" and not status["tasks"]

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        def ask() -> requests.Response:
            answer = requests.request(method, self.connect_url + path, json=body, timeout=_REQUEST_SECONDS)
            answer.raise_for_status()
            return answer

        # During a rebalance Connect answers 409, 404 and 500: not yet.
        patiently = Retrying(
            stop=stop_after_delay(_WAIT_SECONDS),
            wait=wait_fixed(0.2),
            retry=retry_if_exception_type(requests.RequestException),
        )
        try:
            return patiently(ask)
        except RetryError as error:
            raise BenchError(
                f"Kafka Connect refused {method} {path}: {error.last_attempt.exception()}",
                hint="run the benchmark again",
            ) from error


@dataclass
class OurPipeline(_Connectors):
    """A pipeline of ours, started by a run; its connectors are what a user has."""

    name: str = OURS
    target_schema: str = "dbo"

    def set_up(self) -> None:
        """Start the pipeline; it is RUNNING then, and held."""
        self.source_url, self.target_url = _databases(self.ground, "ours")
        changes.make_table(self.source_url)
        source, target = (self.ground.cluster(side) for side in ("source", "target"))
        settings = self.ground.settings
        pipeline = PipelineFile(
            "bench",
            "full_load_and_cdc",
            postgres_side(settings, source.port, "ours", "public"),
            postgres_side(settings, target.port, "ours", "dbo"),
            [changes.TABLE],
        )
        pipeline.write(settings)
        Meter(run_environment(settings)).pipe(pipeline.command())
        self.source_connector = next(
            name for name, entry in self.connectors().items() if _serves(entry, "database.dbname", "ours")
        )
        self.hold()


@dataclass
class DebeziumDefaults(_Connectors):
    """The same two connectors with what they need to run, to write upserts and deletes, and nothing more."""

    name: str = DEFAULTS
    target_schema: str = "public"

    def set_up(self) -> None:
        """Make both connectors, one after the other: a sink that is there before its topic looks for it for minutes."""
        self.source_url, self.target_url = _databases(self.ground, "defaults")
        changes.make_table(self.source_url)
        changes.make_table(self.target_url)
        # In the first snapshot, so that there is a topic.
        changes.write_backlog(self.source_url, 0, 1)
        self.source_connector = "defaults_source"
        source, target = (self.ground.cluster(side) for side in ("source", "target"))
        login = {"database.user": EMBEDDED_USER, "database.password": self.ground.password}
        self._make(
            self.source_connector,
            {
                "connector.class": SOURCE_CLASS,
                "database.hostname": "127.0.0.1",
                "database.port": str(source.port),
                "database.dbname": "defaults",
                **login,
                "topic.prefix": "defaults",
                "table.include.list": f"public.{changes.TABLE}",
                # The default wants a plugin that no server brings.
                "plugin.name": "pgoutput",
                "slot.name": "defaults",
                "publication.name": "defaults",
                # The broker makes no topics by itself.
                "topic.creation.default.replication.factor": "1",
                "topic.creation.default.partitions": "1",
            },
        )
        streaming = "SELECT count(*) FROM pg_replication_slots WHERE active AND database = current_database()"
        _until(lambda: _number(self.source_url, streaming) > 0, "Debezium does not stream")
        self._make(
            "defaults_sink",
            {
                "connector.class": SINK_CLASS,
                "topics": f"defaults.public.{changes.TABLE}",
                "connection.url": f"jdbc:postgresql://127.0.0.1:{target.port}/defaults",
                "connection.username": EMBEDDED_USER,
                "connection.password": self.ground.password,
                "collection.name.format": changes.TABLE,
                "insert.mode": "upsert",
                "primary.key.mode": "record_key",
                "delete.enabled": "true",
            },
        )
        _until(lambda: _number(self.target_url, "SELECT count(*) FROM changes") == 1, "no row arrives")
        self.hold()

    def _make(self, name: str, config: Mapping[str, str]) -> None:
        self._request("PUT", f"/connectors/{name}/config", config)


def contenders(ground: Ground, connect_url: str) -> tuple[Contender, ...]:
    """Return all of them, not yet set up."""
    return OurPipeline(ground, connect_url), DebeziumDefaults(ground, connect_url), Subscription(ground)


def _databases(ground: Ground, name: str) -> tuple[str, str]:
    for side in ("source", "target"):
        ground.cluster(side).ensure_database(name)
    return ground.cluster("source").url(name), ground.cluster("target").url(name)


def _serves(entry: Mapping[str, Any], key: str, value: str) -> bool:
    return bool(entry["info"]["config"].get(key) == value)


def _execute(url: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statement)


def _number(url: str, query: str) -> int:
    with psycopg.connect(url, autocommit=True) as session:
        row = session.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _until_slots_rest(source_url: str) -> None:
    mine = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active"
    _until(lambda: _number(source_url, mine) == 0, "a replication slot stays in use")


def _until(condition: Any, failure: str) -> None:  # noqa: ANN401  whatever is true or false
    waiting = Retrying(stop=stop_after_delay(_WAIT_SECONDS), wait=wait_fixed(0.1), retry=retry_if_not_result(bool))
    try:
        waiting(condition)
    except RetryError as error:
        raise BenchError(f"{failure} within {_WAIT_SECONDS} s", hint="run the benchmark again") from error
