"""The choice of adapters: which implementation stands behind each port, made from the settings."""

from collections.abc import Callable

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets, RemoteConnectSecrets
from cdc_assets.adapters.kafka import Kafka
from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget
from cdc_assets.adapters.secret_reader import read_secret
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.migrations import migrate as migrate_database
from cdc_assets.model.pipeline import Endpoint, Pipeline, SecretReference
from cdc_assets.model.report import LoadProgress
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import Lease
from cdc_assets.ports.streaming import ConnectCluster, ConnectSecrets, KafkaCluster
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.settings import Settings, inherited_environment
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.waits import Waits

Log = Callable[[str], None]
_NO_EPOCH = 0


def migrate(settings: Settings) -> None:
    """Bring the state database to the newest revision; StateDatabaseError when it does not answer."""
    migrate_database(settings.database_url)


def open_connect(settings: Settings, *, patience_seconds: float = 60) -> ConnectCluster:
    """The Kafka Connect cluster."""
    return KafkaConnect(settings.connect_url, patience_seconds=patience_seconds)


def open_kafka(settings: Settings, *, timeout_seconds: float = 30) -> KafkaCluster:
    """The Kafka cluster."""
    return Kafka(settings.kafka_bootstrap, timeout_seconds=timeout_seconds)


def connect_secrets(settings: Settings) -> ConnectSecrets:
    """How passwords reach Kafka Connect: by our files when it is the embedded one."""
    if settings.is_embedded_connect:
        return EmbeddedConnectSecrets(settings.connect_secrets_dir, _secret)
    return RemoteConnectSecrets()


def open_source(
    pipeline: Pipeline,
    *,
    epoch: int = _NO_EPOCH,
    on_wait: Log | None = None,
    is_read_only: bool = False,
    patience_seconds: float | None = None,
) -> SourceDatabase:
    """The pipeline's source database; SecretMissingError when there is no password to be had.

    `patience_seconds`: after this long without an answer a silent server is away; None: wait for ever.
    """
    return PostgresSource(
        pipeline.source,
        password=_password(pipeline.source),
        pipeline=pipeline.name,
        epoch=epoch,
        clock=SystemClock(),
        on_wait=on_wait or _silent,
        is_read_only=is_read_only,
        patience_seconds=patience_seconds,
    )


def open_target(
    pipeline: Pipeline,
    *,
    epoch: int = _NO_EPOCH,
    is_read_only: bool = False,
    patience_seconds: float | None = None,
) -> TargetDatabase:
    """The pipeline's target database; else as `open_source`."""
    if pipeline.target.connection.kind == "sqlserver":
        # Loaded only here: most installations have no such target, and need not the seconds it takes.
        from cdc_assets.adapters.sqlserver import SqlServerTarget  # noqa: PLC0415

        return SqlServerTarget(
            pipeline.target,
            password=_password(pipeline.target),
            pipeline=pipeline.name,
            epoch=epoch,
            patience_seconds=patience_seconds,
        )
    return PostgresTarget(
        pipeline.target,
        password=_password(pipeline.target),
        pipeline=pipeline.name,
        epoch=epoch,
        is_read_only=is_read_only,
        patience_seconds=patience_seconds,
    )


def make_target_database(pipeline: Pipeline) -> bool:
    """Make the database that a pipeline writes to; False when it is there already, TargetError when it cannot be."""
    return open_target(pipeline).make_database()


def stage_context(
    settings: Settings,
    pipeline: Pipeline,
    lease: Lease,
    *,
    log: Log,
    progress: Callable[[LoadProgress], None] | None = None,
) -> StageContext:
    """Everything a stage works with; nothing connects before it is used."""
    waits = Waits(lease, log)
    return StageContext(
        pipeline=pipeline,
        lease=lease,
        source=open_source(pipeline, epoch=lease.epoch, on_wait=waits.tell_source),
        target=open_target(pipeline, epoch=lease.epoch),
        connect=open_connect(settings),
        kafka=open_kafka(settings),
        clock=SystemClock(),
        log=log,
        progress=progress or _silent_progress,
        waits=waits,
    )


def _password(endpoint: Endpoint) -> str:
    return _secret(endpoint.connection.password)


def _secret(reference: SecretReference) -> str:
    return read_secret(reference, environment=inherited_environment().get)


def _silent(line: str) -> None:
    """Tell nobody."""


def _silent_progress(progress: LoadProgress) -> None:
    """Tell nobody."""
