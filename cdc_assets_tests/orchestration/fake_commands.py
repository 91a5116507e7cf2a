# ruff: noqa: ARG002  a fake takes what the real one takes
"""A fake of `cdc_assets.wiring` for the tests of the Dagster layer: it remembers calls and answers what a test says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Connection, Definitions, Endpoint, Mode, Pipeline, SecretReference
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.report import LoadProgress, ReportedColumn, Stage, SyncReport, TableOutcome
from cdc_assets.model.status import TableState
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.ports.runs import RunLookup
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.wiring.control import RunWish
from cdc_assets_tests.services.records import pipeline_row, table_row

APP = Connection("app", "postgres", "127.0.0.1", 5432, "reader", SecretReference(env="APP_PASSWORD"))
WAREHOUSE = Connection("warehouse", "postgres", "127.0.0.1", 5433, "writer", SecretReference(env="WH_PASSWORD"))

_COLUMNS = (ReportedColumn("id", "integer", is_nullable=False), ReportedColumn("note", "text", is_nullable=True))
OUTCOMES = {
    Stage.TARGET_SCHEMA: TableOutcome(note="ready", columns=_COLUMNS, statements=("CREATE TABLE dbo.t (id integer)",)),
    Stage.LOADED_TABLE: TableOutcome(
        rows=12345, size_bytes=5_000_000, seconds=2.5, lsn=Lsn.parse("0/16B3748"), columns=_COLUMNS
    ),
    Stage.SOURCE_CONNECTOR: TableOutcome(connector="cdc_final_test2_1_abcdef_source", lsn=Lsn.parse("0/16B3740")),
    Stage.SINK_CONNECTOR: TableOutcome(connector="cdc_final_test2_1_abcdef_sink", lsn=Lsn.parse("0/16B3800")),
}


def a_pipeline(
    name: str = "final_test2",
    tables: Sequence[str] = ("a", "b", "c"),
    *,
    mode: Mode = Mode.FULL_LOAD_AND_CDC,
    source: Endpoint | None = None,
    target: Endpoint | None = None,
) -> Pipeline:
    source = source or Endpoint(APP, "cdctest", "public")
    target = target or Endpoint(WAREHOUSE, "cdctest", "dbo")
    mappings = tuple(
        TableMapping(source=TableName(source.schema, table), target=TableName(target.schema, table)) for table in tables
    )
    return Pipeline(name=name, mode=mode, source=source, target=target, tables=mappings)


def a_record(pipeline: Pipeline, **changes: object) -> PipelineRecord:
    tables = tuple(a_table(mapping.partition_key) for mapping in pipeline.tables)
    return pipeline_row(**{"name": pipeline.name, "mode": pipeline.mode, "tables": tables} | changes)


def a_table(name: str, state: TableState = TableState.STREAMING, error: str | None = None) -> TableRecord:
    return table_row(name, state=state, last_error=error, last_error_code="CONNECTOR_FAILED" if error else None)


@dataclass
class FakeStore:
    """Only reads; `find` hands out `records` of a name one after the other, the last one for good."""

    records: dict[str, list[PipelineRecord]] = field(default_factory=dict)

    def find(self, name: str) -> PipelineRecord | None:
        found = self.records.get(name, [])
        return found.pop(0) if len(found) > 1 else (found[0] if found else None)

    def list_pipelines(self) -> tuple[PipelineRecord, ...]:
        return tuple(found[-1] for found in self.records.values())


@dataclass
class SyncCall:
    pipeline: str
    stages: frozenset[Stage]
    tables: tuple[str, ...]
    run_id: str
    serves: int | None


@dataclass
class FakeCommands:
    definitions: Definitions
    store: FakeStore = field(default_factory=FakeStore)
    bad_tables: dict[tuple[Stage, str], CdcAssetsError] = field(default_factory=dict)
    bad_stages: dict[Stage, CdcAssetsError] = field(default_factory=dict)
    wishes: tuple[RunWish, ...] = ()
    error: CdcAssetsError | None = None
    synced: list[SyncCall] = field(default_factory=list)
    reloads: int = 0
    tellings: int = 0
    looks: list[dict[str, str]] = field(default_factory=list)
    memory: HealthMemory | None = None
    outcomes: dict[Stage, TableOutcome] = field(default_factory=lambda: dict(OUTCOMES))
    lookups: list[RunLookup] = field(default_factory=list)

    def known_definitions(self, settings: Settings) -> Definitions:
        return self.definitions

    def open_store(self, settings: Settings) -> PipelineStore:
        return cast("PipelineStore", self.store)

    def sync(
        self,
        settings: Settings,
        pipeline: Pipeline,
        *,
        stages: frozenset[Stage],
        tables: Sequence[str],
        run_id: str,
        serves: int | None,
        log: Callable[[str], None],
        progress: Callable[[LoadProgress], None],
        finished: Callable[[Stage, Mapping[str, TableOutcome]], None],
    ) -> SyncReport:
        self.synced.append(SyncCall(pipeline.name, stages, tuple(tables), run_id, serves))
        log(f"Step 0: Auto-creating target schema/tables for pipeline: {pipeline.name}")
        outcomes: dict[Stage, Mapping[str, TableOutcome]] = {}
        left = list(tables)
        for stage in Stage:
            if stage not in stages:
                continue
            if stage in self.bad_stages:
                raise self.bad_stages[stage]
            outcomes[stage] = {
                table: TableOutcome(error=error)
                if (error := self.bad_tables.get((stage, table)))
                else self.outcomes[stage]
                for table in left
            }
            finished(stage, outcomes[stage])
            left = [table for table in left if outcomes[stage][table].is_good]
        return SyncReport(outcomes)

    def request_start(self, settings: Settings, name: str) -> PipelineRecord:
        return self._asked(name)

    def request_stop(self, settings: Settings, name: str) -> PipelineRecord:
        return self._asked(name)

    def _asked(self, name: str) -> PipelineRecord:
        if self.error:
            raise self.error
        record = self.store.find(name)
        assert record is not None
        return record

    def reconcile(self, settings: Settings, runs: RunLookup, *, log: Callable[[str], None]) -> tuple[RunWish, ...]:
        self.lookups.append(runs)
        return self.wishes

    def observe_health(
        self, settings: Settings, memories: Mapping[str, str], *, log: Callable[[str], None]
    ) -> Mapping[str, str]:
        self.looks.append(dict(memories))
        left = f"look {len(self.looks)}" if self.memory is None else self.memory.to_json()
        return dict.fromkeys(self.store.records, left)

    def send_alerts(self, settings: Settings, *, log: Callable[[str], None]) -> str:
        self.tellings += 1
        return "0 new messages"

    def reload_code_location(self, settings: Settings) -> None:
        self.reloads += 1


def fake_settings(home: Path) -> Settings:
    return Settings.load(home=home, pipelines_dir=home / "pipelines", connections_file=home / "connections.yaml")
