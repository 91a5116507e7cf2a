"""What every stage of a run works with: the pipeline, the right to change it, and its neighbours."""

from collections.abc import Callable
from dataclasses import dataclass

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import LoadProgress
from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import Lease
from cdc_assets.ports.streaming import ConnectCluster, KafkaCluster
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.waits import Waits

Log = Callable[[str], None]
Progress = Callable[[LoadProgress], None]


@dataclass(frozen=True, slots=True)
class StageContext:
    """The pipeline, its lease, its neighbours, and where to tell what happens."""

    pipeline: Pipeline
    lease: Lease
    source: SourceDatabase
    target: TargetDatabase
    connect: ConnectCluster
    kafka: KafkaCluster
    clock: Clock
    log: Log
    progress: Progress
    waits: Waits

    def names(self) -> PipelineNames:
        """The outside names of the recorded generation; ValueError before they are recorded."""
        record = self.lease.check()
        if record.suffix is None:
            msg = f"pipeline {record.name} has no recorded names yet"
            raise ValueError(msg)
        return pipeline_names(self.pipeline, record.generation, record.suffix)
