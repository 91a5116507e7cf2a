"""A code location over fake commands that real Dagster processes load: one pipeline is quick, one never ends."""

from threading import Event
from typing import Any
from uuid import UUID

from cdc_assets.model.pipeline import Definitions, Endpoint, Pipeline
from cdc_assets.model.report import SyncReport
from cdc_assets.settings import Settings
from cdc_assets.wiring.control import RunWish
from cdc_assets.wiring.orchestrator import current_stack
from cdc_assets_tests.orchestration.fake_commands import WAREHOUSE, FakeCommands, a_pipeline, a_record
from cdc_assets_tests.orchestration.running import location

QUICK = a_pipeline("quick")
ENDLESS = a_pipeline("endless", target=Endpoint(WAREHOUSE, "cdctest", "other"))


class _QuickOrEndless(FakeCommands):
    def sync(self, settings: Settings, pipeline: Pipeline, **asked: Any) -> SyncReport:  # noqa: ANN401  handed on as it is
        if pipeline.name == ENDLESS.name:
            Event().wait()
        return super().sync(settings, pipeline, **asked)


def _commands() -> FakeCommands:
    commands = _QuickOrEndless(Definitions((QUICK, ENDLESS)))
    for number, pipeline in enumerate((QUICK, ENDLESS)):
        commands.store.records[pipeline.name] = [a_record(pipeline, id=UUID(int=number))]
    # The same wish at every tick: the run key lets one run come of it.
    commands.wishes = tuple(
        RunWish(pipeline.name, 1, 1, f"{pipeline.name}:1:1", ("a", "b", "c")) for pipeline in (QUICK, ENDLESS)
    )
    return commands


defs = location(Settings.load(), _commands(), stack=current_stack())
