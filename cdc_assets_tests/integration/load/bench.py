"""A pipeline between two real databases, its state in a third, run stage by stage as a Dagster run would."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from cdc_assets.adapters.kafka import Kafka
from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.migrations import migrate
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Options, Pipeline, SecretReference
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import LoadProgress, TableOutcome
from cdc_assets.model.status import Intent
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.full_load import full_load
from cdc_assets.stages.prepare import prepare
from cdc_assets.stages.waits import Waits
from cdc_assets_tests.services.servers import PASSWORD, Databases

CHUNK = 1 / 1024  # of a MiB: 1 KiB, so that every chunk is a block
ONE_STREAM = {"load_streams": 1}
_NOBODY = "http://127.0.0.1:9"


def endpoint(url: str, schema: str) -> Endpoint:
    """The database of a URL as a pipeline names it."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    assert parts.username
    login = Connection("bench", "postgres", parts.hostname, parts.port, parts.username, SecretReference(env="X"))
    return Endpoint(login, parts.path.lstrip("/"), schema)


@dataclass
class LoadBench:
    """Runs Step 0 and Step 1 of one pipeline; nothing streams here."""

    databases: Databases
    kafka_bootstrap: str
    name: str = "bench"
    log: list[str] = field(default_factory=list)
    lease_seconds: float = 600
    watch: Callable[[StageContext], StageContext] = lambda context: context
    deadline: timedelta = timedelta(seconds=30)
    read_password: Callable[[], str] = lambda: PASSWORD

    def __post_init__(self) -> None:
        """Make the state tables."""
        migrate(self.databases.state_url)
        self.store = PostgresPipelineStore(
            self.databases.state_url, lease_duration=timedelta(seconds=self.lease_seconds)
        )

    def close(self) -> None:
        """Close what is pooled."""
        self.store.close()

    def target_endpoint(self) -> Endpoint:
        """Where a pipeline's tables go."""
        return endpoint(self.databases.target_url, "dbo")

    def open_target(self, pipeline: Pipeline, epoch: int, patience_seconds: float | None = None) -> TargetDatabase:
        """The adapter of the target's product."""
        return PostgresTarget(
            pipeline.target,
            password=self.read_password(),
            pipeline=pipeline.name,
            epoch=epoch,
            patience_seconds=patience_seconds,
        )

    def pipeline(
        self,
        *tables: str | TableMapping,
        mode: Mode = Mode.FULL_LOAD_AND_CDC,
        chunk_mb: float = CHUNK,
        options: Mapping[str, object] | None = None,
        publication: str | None = None,
    ) -> Pipeline:
        """A pipeline over these tables from `public` to `dbo`."""
        schema = self.target_endpoint().schema
        mappings = tuple(
            table if isinstance(table, TableMapping) else mapping(table, schema=schema) for table in tables
        )
        return Pipeline(
            name=self.name,
            mode=mode,
            source=endpoint(self.databases.source_url, "public"),
            target=self.target_endpoint(),
            tables=mappings,
            options=Options(**{"chunk_mb": chunk_mb, **(options or {})}),  # type: ignore[arg-type]  # a fraction of a MiB
            publication=publication,
        )

    @contextmanager
    def run(
        self, pipeline: Pipeline, *, progress: Callable[[LoadProgress], None] = lambda _: None
    ) -> Iterator[StageContext]:
        """Hold the lease of a run that wants the pipeline to run."""
        self.store.ensure_pipeline(pipeline)
        self.store.write_intent(pipeline.name, Intent.RUNNING, cause="a test")
        with self.store.take_lease(pipeline.name, run_id="run") as lease:
            waits = Waits(lease, self.log.append)
            context = StageContext(
                pipeline=pipeline,
                lease=lease,
                source=PostgresSource(
                    pipeline.source,
                    password=PASSWORD,
                    pipeline=pipeline.name,
                    epoch=lease.epoch,
                    clock=SystemClock(),
                    snapshot_deadline=self.deadline,
                    on_wait=waits.tell_source,
                ),
                target=self.open_target(pipeline, lease.epoch),
                connect=KafkaConnect(_NOBODY),
                kafka=Kafka(self.kafka_bootstrap),
                clock=SystemClock(),
                log=self.log.append,
                progress=progress,
                waits=waits,
            )
            yield self.watch(context)

    def start(
        self, pipeline: Pipeline, *, progress: Callable[[LoadProgress], None] = lambda _: None
    ) -> Mapping[str, TableOutcome]:
        """Step 0 and Step 1 in one run; the outcomes of both, a failure of Step 0 first."""
        tables = [table.partition_key for table in pipeline.tables]
        with self.run(pipeline, progress=progress) as context:
            prepared = prepare(context, tables)
            loaded = full_load(context, tables)
            context.lease.serve()
        return {table: prepared[table] if prepared[table].error else loaded[table] for table in tables}

    def record(self) -> PipelineRecord:
        """The state as recorded."""
        found = self.store.find(self.name)
        assert found is not None
        return found

    def source(self, statements: str) -> list[tuple[object, ...]]:
        """Run SQL in the source."""
        return execute(self.databases.source_url, statements)

    @contextmanager
    def source_session(self) -> Iterator[psycopg.Connection]:
        """A session with a transaction that the test ends itself."""
        with psycopg.connect(self.databases.source_url) as session:
            yield session

    def target(self, statements: str) -> list[tuple[object, ...]]:
        """Run SQL in the target."""
        return execute(self.databases.target_url, statements)

    def let_lease_run_out(self) -> None:
        """Put the pipeline's lease past its end, as the database's clock would."""
        self.state("UPDATE pipeline_leases SET expires_at = clock_timestamp() - interval '1 microsecond'")

    def state(self, statements: str) -> list[tuple[object, ...]]:
        """Run SQL in the state database."""
        return execute(self.databases.state_url, statements)

    def differences(self, tables: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
        """Rows that are in one side only, by table; every column compared as text."""
        found = {}
        for source, target in tables:
            wanted, present = self._rows(source, "public", source), self._rows(source, "dbo", target)
            if sorted(wanted) != sorted(present):
                found[source] = (len(wanted), len(present))
        return found

    def _rows(self, source: str, schema: str, table: str) -> list[str]:
        url = self.databases.source_url if schema == "public" else self.databases.target_url
        with psycopg.connect(self.databases.source_url) as session:
            columns = session.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = format('public.%%I', %s::text)::regclass"
                " AND attnum > 0 AND NOT attisdropped ORDER BY attname",
                (source,),
            ).fetchall()
        listed = sql.SQL(", ").join(sql.Identifier(str(name)) for (name,) in columns)
        with psycopg.connect(url) as session:
            query = sql.SQL("SELECT ROW({})::text FROM {}").format(listed, sql.Identifier(schema, table))
            return [str(row) for (row,) in session.execute(query)]


def mapping(name: str, *, target: str | None = None, key: tuple[str, ...] = (), schema: str = "dbo") -> TableMapping:
    """A table of `public` that goes to `dbo`, or to another schema."""
    return TableMapping(TableName("public", name), TableName(schema, target or name), key)


def execute(url: str, statements: str) -> list[tuple[object, ...]]:
    """Run SQL and return the rows of the last statement, if it has any."""
    with psycopg.connect(url, autocommit=True) as session:
        cursor = session.execute(statements.encode())
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


def after_chunks(number: int, act: Callable[[], object]) -> Callable[[object], None]:
    """A `progress` that acts once, when that many chunks are committed."""
    left = [number]

    def progress(_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            act()

    return progress
