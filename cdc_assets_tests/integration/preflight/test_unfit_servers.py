"""Servers that cannot be captured from, neighbours that are away, tables that are no tables: nothing is changed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
import pytest
from psycopg import sql

from cdc_assets.embedded.postgres import PostgresCluster, cluster_directory, server_user
from cdc_assets.embedded.server_process import ServerProcess, free_port
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import PASSWORD, Site
from cdc_assets_tests.services.servers import Servers, make_databases


@dataclass
class OwnServer:
    """A PostgreSQL 18 that is restarted with other settings, or as a standby of a primary that it does not reach."""

    cluster: PostgresCluster
    process: ServerProcess

    @classmethod
    def start(cls, servers: Servers) -> "OwnServer":
        directory = cluster_directory(servers.home, "unfit")
        cluster = PostgresCluster(
            name="unfit",
            major=18,
            binaries=servers.programs.postgres[18],
            directory=directory,
            port=free_port(),
            password="throw-away",
            log=servers.home / "logs" / "unfit.log",
            durable=False,
        )
        return cls(cluster, cluster.process().start())

    def restart(self, *, as_standby: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self.process.end()
        signal = self.cluster.directory / "data" / "standby.signal"
        signal.unlink(missing_ok=True)
        if as_standby:
            signal.touch(mode=0o600)
            user = server_user()
            if user:
                os.chown(signal, *user)
        self.process = replace(self.cluster, settings=settings or {}).process().start()


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    """One server for this module; every test restarts it as it needs it."""
    servers = Servers.make()
    started = OwnServer.start(servers)
    yield started
    started.process.end()
    servers.stop()


@pytest.fixture
def site_there(site_18: Site, own_server: OwnServer) -> Iterator[Site]:
    """The source is on the server of this module, the target where it always is; everything is granted."""
    own_server.restart()
    url = own_server.cluster.url("postgres")
    direct, made = site_18.databases, make_databases(url)
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(site_18.source_role), sql.Literal(PASSWORD)
            )
        )
    site_18.databases = replace(direct, source_url=made.source_url)
    site_18.grant_all()
    site_18.make_table()
    assert site_18.found() == []
    yield site_18
    site_18.databases = direct


def test_a_standby_is_no_source_of_changes(site_there: Site, own_server: OwnServer) -> None:
    own_server.restart(as_standby=True)
    found = site_there.only_fail()
    assert (found.name, found.table) == ("source_primary", None)
    assert "is a standby" in found.what
    assert found.fix == "name the primary server in the connection"
    site_there.mode = Mode.FULL_LOAD_ONLY
    assert site_there.found() == []


def test_a_standby_is_no_target(site_there: Site, own_server: OwnServer) -> None:
    direct = site_there.databases
    source, target = site_there.source_role, site_there.target_role
    # The other way round: the target is on the server of this module.
    site_there.databases = replace(direct, source_url=direct.target_url, target_url=direct.source_url)
    with psycopg.connect(direct.source_url, autocommit=True) as session:
        session.execute(sql.SQL("DROP TABLE orders"))
        session.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(target), sql.Literal(PASSWORD))
        )
    site_there.grant_all()
    site_there.make_table()
    assert (site_there.source_role, site_there.found()) == (source, [])
    own_server.restart(as_standby=True)
    found = site_there.failed()
    site_there.databases = direct
    assert found["target_primary"].what == "the target is a standby and takes no writes"


@pytest.mark.parametrize("level", ["replica", "minimal"])
def test_a_log_that_holds_too_little_is_named(site_there: Site, own_server: OwnServer, level: str) -> None:
    own_server.restart(settings={"wal_level": level} | ({"max_wal_senders": "0"} if level == "minimal" else {}))
    found = site_there.failed()
    # Without any walsender that is said as well.
    assert set(found) == {"source_wal_level"} | ({"source_walsenders"} if level == "minimal" else set())
    assert f"wal_level is {level}" in found["source_wal_level"].what
    assert "ALTER SYSTEM SET wal_level = logical;" in found["source_wal_level"].fix
    site_there.mode = Mode.FULL_LOAD_ONLY
    assert site_there.found() == []


def test_a_server_without_a_free_slot_is_named(site_there: Site, own_server: OwnServer) -> None:
    own_server.restart(settings={"max_replication_slots": "1"})
    site_there.on_source("SELECT pg_create_physical_replication_slot('theirs')")
    found = site_there.only_fail()
    assert found.name == "source_slots"
    assert found.what == "all 1 replication slots of the source are in use"
    assert "raise max_replication_slots" in found.fix
    site_there.on_source("SELECT pg_drop_replication_slot('theirs')")
    assert site_there.found() == []


def test_a_server_without_a_free_walsender_is_named(site_there: Site, own_server: OwnServer) -> None:
    own_server.restart(settings={"max_wal_senders": "1"})
    with psycopg.connect(site_there.databases.source_url, replication="database"):
        found = site_there.only_fail()
    assert found.name == "source_walsenders"
    assert found.what == "all 1 walsenders of the source are in use"
    assert "raise max_wal_senders" in found.fix


def test_a_kafka_that_does_not_answer_is_named(site_18: Site) -> None:
    site_18.make_table()
    site_18.kafka_bootstrap = f"127.0.0.1:{free_port()}"
    found = site_18.only_fail()
    assert found.name == "kafka_reachable"
    assert site_18.kafka_bootstrap in found.what


def test_a_connect_that_was_named_and_does_not_answer_is_a_fault(site_18: Site) -> None:
    site_18.make_table()
    site_18.connect_url, site_18.is_connect_configured = f"http://127.0.0.1:{free_port()}", True
    found = site_18.only_fail()
    assert found.name == "connect_reachable"
    assert site_18.connect_url in found.what


_WRAPPER = "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER away FOREIGN DATA WRAPPER nowhere;"


def test_a_foreign_table_is_no_table_of_this_server(site_18: Site) -> None:
    site_18.on_source(f"{_WRAPPER} CREATE FOREIGN TABLE orders (id int NOT NULL) SERVER away")
    for mode in (Mode.FULL_LOAD_AND_CDC, Mode.FULL_LOAD_ONLY):
        site_18.mode = mode
        found = site_18.only_fail()
        assert (found.name, found.table) == ("table_kind", "orders")
        assert found.what == "public.orders is a foreign table"


def test_one_leaf_is_enough_to_lose_the_changes_of_all(site_18: Site) -> None:
    role = site_18.source_role
    site_18.make_table("region text, id int, PRIMARY KEY (region, id)", tail="PARTITION BY LIST (region)")
    site_18.on_source("CREATE UNLOGGED TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu')")
    site_18.on_source(f'ALTER TABLE orders_eu OWNER TO "{role}"')
    found = site_18.only_fail()
    assert (found.name, found.table) == ("table_kind", "orders")
    assert "is not logged" in found.what
    site_18.mode = Mode.FULL_LOAD_ONLY
    assert site_18.found() == []
    # A foreign one is not even read: its rows are somebody else's.
    site_18.on_source("DROP TABLE orders")
    site_18.make_table("region text NOT NULL, id int NOT NULL", tail="PARTITION BY LIST (region)")
    site_18.on_source(f"{_WRAPPER} CREATE FOREIGN TABLE orders_us PARTITION OF orders FOR VALUES IN ('us') SERVER away")
    site_18.on_source(f'ALTER TABLE orders_us OWNER TO "{role}"')
    found = site_18.only_fail()
    assert (found.name, found.table) == ("table_kind", "orders")
    assert "has a foreign table as partition" in found.what


@contextmanager
def _beside(site: Site, host: str) -> Iterator[None]:
    """A second pipeline whose file names the same target table, its server by that name."""
    other = replace(site.pipeline, name="other")
    connection = replace(other.target.connection, name="elsewhere", host=host)
    site.others = (replace(other, target=replace(other.target, connection=connection)),)
    yield
    site.others = ()


def test_a_target_table_that_another_pipeline_writes_is_named(site_18: Site) -> None:
    site_18.make_table()
    for host in ("127.0.0.1", "localhost"):
        with _beside(site_18, host):
            found = site_18.only_fail()
            assert (found.name, found.table, found.status) == ("target_shared", "orders", CheckStatus.FAIL)
            assert found.what == "target table dbo.orders is also written by pipeline other"
            assert "pipeline other" in found.fix
    with _beside(site_18, "warehouse.example"):
        assert site_18.found() == []
