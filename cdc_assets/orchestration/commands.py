"""What Dagster may ask of the product: the part of `cdc_assets.wiring` that assets, jobs, checks and sensors call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cdc_assets.model.pipeline import Definitions, Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import LoadProgress, Stage, SyncReport, TableOutcome
from cdc_assets.ports.runs import RunLookup
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.wiring.control import RunWish

Log = Callable[[str], None]


class Commands(Protocol):
    """The commands; the module `cdc_assets.wiring` is one implementation, tests have a fake."""

    def known_definitions(self, settings: Settings) -> Definitions:
        """Read the pipeline files; what the state database knows of them besides, where it answers."""

    def open_store(self, settings: Settings) -> PipelineStore:
        """The state database."""

    def sync(
        self,
        settings: Settings,
        pipeline: Pipeline,
        *,
        stages: frozenset[Stage],
        tables: Sequence[str],
        run_id: str,
        serves: int | None,
        log: Log,
        progress: Callable[[LoadProgress], None],
        finished: Callable[[Stage, Mapping[str, TableOutcome]], None],
    ) -> SyncReport:
        """Run the stages for the tables; `finished` is called in this thread as each stage ends."""

    def request_start(self, settings: Settings, name: str) -> PipelineRecord:
        """Write the intent RUNNING."""

    def request_stop(self, settings: Settings, name: str) -> PipelineRecord:
        """Write the intent STOPPED."""

    def reconcile(self, settings: Settings, runs: RunLookup, *, log: Log) -> tuple[RunWish, ...]:
        """Compare wishes with facts once; return the runs to ask Dagster for."""

    def observe_health(self, settings: Settings, memories: Mapping[str, str], *, log: Log) -> Mapping[str, str]:
        """Look once at everything that streams: heal, keep statuses and errors true.

        `memories`: what the last look left, by pipeline; returns what this one leaves.
        """

    def send_alerts(self, settings: Settings, *, log: Log) -> str:
        """Decide what people have to be told, and send what waits; returns one line about it."""

    def reload_code_location(self, settings: Settings) -> None:
        """Make Dagster read the pipeline files again."""
