"""A pipeline between two real databases whose roles are ordinary ones, and what its checks find."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets
from cdc_assets.adapters.kafka import Kafka
from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Options, Pipeline, SecretReference
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.stages.preflight import Neighbours, preflight
from cdc_assets_tests.services.servers import Databases

PASSWORD = "planted-p4ss"
# What a change would be seen in: objects, rights, replica identities, publications, slots, roles.
_CATALOG = """
SELECT 'class', oid::text, relname, relfilenode::text, relreplident::text, relacl::text FROM pg_class
    WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
UNION ALL SELECT 'schema', oid::text, nspname, nspacl::text, '', '' FROM pg_namespace WHERE nspname !~ '^pg_'
UNION ALL SELECT 'type', oid::text, typname, '', '', '' FROM pg_type WHERE typnamespace::regnamespace::text !~ '^pg_'
UNION ALL SELECT 'publication', oid::text, pubname, '', '', '' FROM pg_publication
UNION ALL SELECT 'slot', slot_name, plugin, restart_lsn::text, '', '' FROM pg_replication_slots
    WHERE database = current_database()
UNION ALL SELECT 'role', oid::text, rolname, rolreplication::text, rolconfig::text, '' FROM pg_roles
ORDER BY 1, 2, 3
"""


@dataclass
class Site:
    """Source and target with a role of each; nothing is granted that a test does not grant."""

    databases: Databases
    source_role: str
    target_role: str
    password: str = PASSWORD
    connect_url: str | None = None
    secrets_dir: Path | None = None
    tables: tuple[str, ...] = ("orders",)
    mode: Mode = Mode.FULL_LOAD_AND_CDC
    options: Options = field(default_factory=Options)
    key: tuple[str, ...] = ()
    publication: str | None = None
    is_connect_configured: bool = False
    kafka_bootstrap: str | None = None
    target_schema: str = "dbo"
    target_connect_port: int | None = None
    others: Sequence[Pipeline] = ()

    def on_source(self, statement: str) -> None:
        """Run a statement as the source's administrator."""
        _run(self.databases.source_url, statement)

    def on_target(self, statement: str) -> None:
        """Run a statement as the target's administrator."""
        _run(self.databases.target_url, statement)

    def grant_all(self) -> None:
        """Give both roles what the contract asks for; the source role owns the schema and what is made in it."""
        source, target = self.source_role, self.target_role
        self.on_source(f'ALTER ROLE "{source}" REPLICATION')
        self.on_source(f'GRANT CREATE ON DATABASE "{_database(self.databases.source_url)}" TO "{source}"')
        self.on_source(f'ALTER SCHEMA public OWNER TO "{source}"')
        self.on_target(f'GRANT CREATE ON DATABASE "{_database(self.databases.target_url)}" TO "{target}"')

    def make_table(
        self, columns: str = "id int PRIMARY KEY, note text", *, name: str = "orders", tail: str = ""
    ) -> None:
        """Make a source table that the source role owns."""
        self.on_source(f'CREATE TABLE public."{name}" ({columns}) {tail}')
        self.on_source(f'ALTER TABLE public."{name}" OWNER TO "{self.source_role}"')

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the test."""
        target = _endpoint(self.databases.target_url, self.target_role, self.target_schema)
        return Pipeline(
            name="sales",
            mode=self.mode,
            source=_endpoint(self.databases.source_url, self.source_role, "public"),
            target=replace(target, connection=replace(target.connection, connect_port=self.target_connect_port)),
            tables=tuple(
                TableMapping(TableName("public", table), TableName(self.target_schema, table), self.key)
                for table in self.tables
            ),
            options=self.options,
            publication=self.publication,
        )

    def checks(self, *, record: PipelineRecord | None = None) -> tuple[PreflightCheck, ...]:
        """Run the preflight as the roles."""
        pipeline = self.pipeline
        secrets_dir = self.secrets_dir
        neighbours = Neighbours(
            source=lambda: PostgresSource(
                pipeline.source,
                password=self.password,
                pipeline="sales",
                epoch=0,
                clock=SystemClock(),
                is_read_only=True,
            ),
            target=lambda: PostgresTarget(
                pipeline.target, password=self.password, pipeline="sales", epoch=0, is_read_only=True
            ),
            connect=None if self.connect_url is None else KafkaConnect(self.connect_url, patience_seconds=5),
            validator=None if self.connect_url is None else KafkaConnect(self.connect_url, patience_seconds=60),
            secrets=None if secrets_dir is None else EmbeddedConnectSecrets(secrets_dir, lambda _: self.password),
            is_connect_configured=self.is_connect_configured,
            kafka=None if self.kafka_bootstrap is None else Kafka(self.kafka_bootstrap, timeout_seconds=5),
            is_kafka_configured=self.kafka_bootstrap is not None,
        )
        return preflight(pipeline, neighbours, others=self.others, record=record)

    def found(self, *, record: PipelineRecord | None = None) -> list[PreflightCheck]:
        """What did not pass."""
        return [check for check in self.checks(record=record) if check.status is not CheckStatus.PASS]

    def only_fail(self) -> PreflightCheck:
        """The one check that failed, everything else having passed and nothing having been changed."""
        before = self.catalogs()
        (found,) = self.found()
        assert found.status is CheckStatus.FAIL
        assert found.fix
        assert self.catalogs() == before
        return found

    def failed(self) -> dict[str, PreflightCheck]:
        """The checks that failed, by name; nothing has been changed."""
        before = self.catalogs()
        found = {check.name: check for check in self.checks() if check.status is CheckStatus.FAIL}
        assert all(check.what and check.fix for check in found.values())
        assert self.catalogs() == before
        return found

    def catalogs(self) -> list[object]:
        """What source, target and state database hold, as far as their catalogs tell."""
        found: list[object] = []
        for url in (self.databases.source_url, self.databases.target_url, self.databases.state_url):
            with psycopg.connect(url) as session:
                found.append(session.execute(_CATALOG.encode()).fetchall())
        return found


def _database(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _endpoint(url: str, role: str, schema: str) -> Endpoint:
    parts = urlsplit(url)
    connection = Connection(
        name=f"at_{schema}",
        kind="postgres",
        host=str(parts.hostname),
        port=parts.port or 5432,
        user=role,
        password=SecretReference(env="UNUSED"),
    )
    return Endpoint(connection, _database(url), schema)


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _site(databases: Databases) -> Site:
    site = Site(databases, f"s_{secrets.token_hex(4)}", f"t_{secrets.token_hex(4)}")
    for url, role in ((databases.source_url, site.source_role), (databases.target_url, site.target_role)):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(PASSWORD))
            )
    return site


def _removed(databases: Databases, site: Site) -> None:
    for url in (databases.source_url, databases.target_url):
        for role in (site.source_role, site.target_role):
            with psycopg.connect(url, autocommit=True) as connection:
                if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        for role in (site.source_role, site.target_role):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def bare_site(databases_each: Databases) -> Iterator[Site]:
    """Roles that may log in and nothing else."""
    site = _site(databases_each)
    yield site
    _removed(databases_each, site)


@pytest.fixture
def site_18(databases: Databases) -> Iterator[Site]:
    """Everything is granted, on PostgreSQL 18."""
    site = _site(databases)
    site.grant_all()
    yield site
    _removed(databases, site)


@pytest.fixture
def site(bare_site: Site) -> Site:
    """Everything is granted, on both versions in turn."""
    bare_site.grant_all()
    return bare_site
