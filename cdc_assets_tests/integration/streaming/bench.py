"""A pipeline on real servers, driven stage by stage: started, looked at, stopped, dropped."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets
from cdc_assets.adapters.kafka import Kafka
from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.adapters.pipeline_store import PostgresLooks
from cdc_assets.adapters.postgres import PostgresSource
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import RemovalReport, Stage, SyncReport
from cdc_assets.model.status import Intent, TableState
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.health import HealthReport, check_health
from cdc_assets.stages.observation import HealthContext
from cdc_assets.stages.remove import remove
from cdc_assets.stages.stop import stop
from cdc_assets.stages.sync import sync
from cdc_assets.stages.waits import Waits
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.services.servers import PASSWORD


@dataclass
class ShiftedClock:
    """The machine's clock, put forward by hand, so that pauses of minutes need no waiting."""

    ahead: timedelta = timedelta(0)
    _clock: SystemClock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        """The shifted time."""
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Really wait."""
        self._clock.sleep(seconds)


@dataclass
class StreamBench(LoadBench):
    """Runs all steps of one pipeline and looks at its health."""

    connect_url: str = ""
    secrets_dir: Path = Path()
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    memory: HealthMemory = field(default_factory=HealthMemory)
    patience_seconds: float = 30

    def __post_init__(self) -> None:
        """Reach Connect and Kafka as the product does."""
        super().__post_init__()
        self.connect = KafkaConnect(self.connect_url)
        self.looks = PostgresLooks(self.databases.state_url)
        self.kafka = Kafka(self.kafka_bootstrap)
        self.secrets = EmbeddedConnectSecrets(self.secrets_dir, lambda _: PASSWORD)

    def close(self) -> None:
        """Close what is pooled."""
        self.looks.close()
        super().close()

    def sync(self, pipeline: Pipeline) -> SyncReport:
        """A whole start, as a run does it."""
        with self.run(pipeline) as context:
            return sync(
                replace(context, connect=self.connect),
                stages=frozenset(Stage),
                tables=[table.partition_key for table in pipeline.tables],
                preflight=list,
                secrets=self.secrets,
                finished=lambda *_: None,
            )

    @contextmanager
    def run_as_recorded(self, pipeline: Pipeline) -> Iterator[StageContext]:
        """Hold the lease for the intent that is recorded."""
        with self.store.take_lease(pipeline.name, run_id="test") as lease:
            yield StageContext(
                pipeline=pipeline,
                lease=lease,
                source=self._source(pipeline, lease.epoch),
                target=self.open_target(pipeline, lease.epoch),
                connect=self.connect,
                kafka=self.kafka,
                clock=SystemClock(),
                log=self.log.append,
                progress=lambda _: None,
                waits=Waits(lease, self.log.append),
            )

    def stop(self, pipeline: Pipeline) -> None:
        """A stop, as the reconcile tick does it."""
        self.store.write_intent(pipeline.name, Intent.STOPPED, cause="a test")
        with self.run_as_recorded(pipeline) as context:
            stop(context)
            context.lease.serve()

    def drop(self, pipeline: Pipeline, *, drop_target: bool = False) -> RemovalReport:
        """A drop, without forgetting the state."""
        self.store.write_intent(pipeline.name, Intent.STOPPED, cause="a test")
        with self.run_as_recorded(pipeline) as context:
            report = remove(context, drop_target=drop_target)
            context.lease.serve()
            return report

    def look(self, pipeline: Pipeline, *, ahead: float = 2) -> HealthReport:
        """One look of the health sensor; its clock runs about five times too fast, unless `ahead` is 0."""
        self.clock.ahead += timedelta(seconds=ahead)
        report = check_health(
            HealthContext(
                pipeline=pipeline,
                store=self.store,
                looks=self.looks,
                source=lambda: PostgresSource(
                    pipeline.source,
                    password=self.read_password(),
                    pipeline=pipeline.name,
                    epoch=0,
                    clock=SystemClock(),
                    patience_seconds=self.patience_seconds,
                ),
                target=lambda: self.open_target(pipeline, 0, self.patience_seconds),
                connect=self.connect,
                kafka=self.kafka,
                secrets=self.secrets,
                clock=self.clock,
                log=self.log.append,
            ),
            # As the sensor's cursor keeps it.
            HealthMemory.from_json(self.memory.to_json()),
        )
        self.memory = report.memory
        return report

    def look_until(
        self, pipeline: Pipeline, condition: Callable[[HealthReport], bool], *, seconds: float = 60
    ) -> HealthReport:
        """Look again and again until the condition holds."""
        waiting = Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_not_result(condition))
        return waiting(self.look, pipeline)

    def names(self, pipeline: Pipeline) -> PipelineNames:
        """The outside names as recorded."""
        record = self.record()
        assert record.suffix
        return pipeline_names(pipeline, record.generation, record.suffix)

    def states(self) -> Mapping[str, TableState]:
        """Each table's state."""
        return {table.source_table: table.state for table in self.record().tables}

    @staticmethod
    def _source(pipeline: Pipeline, epoch: int) -> PostgresSource:
        return PostgresSource(
            pipeline.source, password=PASSWORD, pipeline=pipeline.name, epoch=epoch, clock=SystemClock()
        )

    def until_equal(self, *tables: str, seconds: float = 60) -> None:
        """Wait until the target holds what the source holds."""
        waiting = Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.3), retry=retry_if_not_result(bool))
        waiting(lambda: not self.differences([(table, table) for table in tables]))
