"""`tables: all` on a real source and a real state database: which tables a pipeline has, and when it gets another."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cdc_assets.migrations import migrate
from cdc_assets.model.errors import DefinitionError, SourceError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, TableState
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.wiring.basics import known_definitions, load_definitions, open_store
from cdc_assets.wiring.control import reconcile, request_start
from cdc_assets.wiring.inspection import check
from cdc_assets_tests.integration.state.steps import LOAD_LSN, SLOT_LSN
from cdc_assets_tests.integration.state.test_reconcile import EveryRunSeemsAlive
from cdc_assets_tests.services.servers import Databases

_LOG = logging.getLogger(__name__).info
_NAME = "everything"


class Shop:
    """An installation with one pipeline over all tables of a source."""

    def __init__(self, directory: Path, databases: Databases) -> None:
        self.databases = databases
        self.settings = Settings.load(
            CDC_DATABASE_URL=databases.state_url,
            pipelines_dir=directory / "pipelines",
            connections_file=directory / "connections.yaml",
            home=directory / "home",
        )
        self.settings.pipelines_dir.mkdir()
        parts = urlsplit(databases.source_url)
        (directory / "password").write_text(parts.password or "any")
        (directory / "connections.yaml").write_text(
            f"app: {{kind: postgres, host: {parts.hostname}, port: {parts.port}, user: {parts.username},"
            f" password: {{file: password}}}}\n"
            "away: {kind: postgres, host: 127.0.0.1, port: 9, user: nobody, password: {file: password}}\n"
        )
        self.write()

    def write(self, rule: str = "", *, name: str = _NAME, connection: str = "app") -> None:
        source = self.databases.source_url.rpartition("/")[2]
        (self.settings.pipelines_dir / f"{name}.yaml").write_text(
            "mode: full_load_only\n"
            f"source: {{connection: {connection}, database: {source}, schema: public}}\n"
            f"target: {{connection: app, database: {source}, schema: copy_of_{name}}}\n"
            f"tables: all\n{rule}"
        )

    def on_source(self, statement: str) -> None:
        with psycopg.connect(self.databases.source_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def store(self) -> PipelineStore:
        return open_store(self.settings)

    @property
    def record(self) -> PipelineRecord:
        record = self.store.find(_NAME)
        assert record is not None
        return record

    @property
    def pipeline(self) -> Pipeline:
        found = load_definitions(self.settings).find(_NAME)
        assert found is not None
        return found

    @property
    def tables(self) -> list[str]:
        return [mapping.partition_key for mapping in self.pipeline.tables]

    def tick(self) -> None:
        reconcile(self.settings, EveryRunSeemsAlive(), log=_LOG)

    def choice(self) -> PreflightCheck:
        (found,) = [each for each in check(self.settings, self.pipeline) if each.name == "tables_chosen"]
        return found

    def load_all(self) -> None:
        """Be started and loaded, as a run records it."""
        with self.store.take_lease(_NAME, run_id="run") as lease:
            lease.set_names(suffix="a1b2c3", slot="s", publication="p", source_connector="c", sink_prefix="k")
            lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause="a test")
            for row in lease.check().tables:
                lease.set_table(row.source_table, TableState.PREPARED, cause="a test")
                lease.set_load_position(
                    row.source_table, lsn=SLOT_LSN, start_offset=0, rows_estimated=0, bytes_estimated=0
                )
                lease.set_table(row.source_table, TableState.LOADING, cause="a test")
                lease.set_table(row.source_table, TableState.LOADED, cause="a test")
            lease.set_full_load(FullLoadStatus.COMPLETED, cause="a test", lsn=LOAD_LSN)
            lease.serve()
        assert self.record.cdc_status is CdcStatus.NOT_STARTED


@pytest.fixture
def shop(tmp_path: Path, databases: Databases) -> Shop:
    migrate(databases.state_url)
    made = Shop(tmp_path, databases)
    made.on_source("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE VIEW v AS TABLE a")
    return made


def test_the_tables_are_found_soon_after_the_file_was_written(shop: Shop) -> None:
    assert shop.tables == []
    shop.tick()
    assert shop.tables == ["a", "b"]
    shop.write("except: [b]\n")
    assert shop.tables == ["a"]


def test_check_finds_them_and_writes_nothing(shop: Shop) -> None:
    assert (shop.choice().status, "2 tables: a, b" in shop.choice().what) == (CheckStatus.PASS, True)
    assert shop.store.find(_NAME) is None


def test_a_start_finds_them_anew_until_something_was_made(shop: Shop) -> None:
    shop.tick()
    shop.on_source("DROP TABLE b; CREATE TABLE c (id int PRIMARY KEY)")
    request_start(shop.settings, _NAME)
    assert [row.source_table for row in shop.record.tables] == ["a", "c"]
    assert shop.tables == ["a", "c"]


def test_a_table_that_comes_later_is_told_and_not_taken(shop: Shop) -> None:
    request_start(shop.settings, _NAME)
    shop.load_all()
    shop.on_source("CREATE TABLE later (id int PRIMARY KEY)")
    request_start(shop.settings, _NAME)
    shop.tick()
    assert shop.tables == ["a", "b"]
    found = shop.choice()
    assert (found.status, "later" in found.what) == (CheckStatus.WARN, True)
    assert "add_new_tables: true" in found.fix


def test_with_add_new_tables_a_start_takes_it_and_asks_for_a_run(shop: Shop) -> None:
    request_start(shop.settings, _NAME)
    shop.load_all()
    version = shop.record.intent_version
    assert request_start(shop.settings, _NAME).intent_version == version, "a completed one is left alone"
    shop.on_source("CREATE TABLE later (id int PRIMARY KEY)")
    shop.write("add_new_tables: true\n")
    request_start(shop.settings, _NAME)
    assert shop.tables == ["a", "b", "later"]
    assert (shop.record.intent, shop.record.intent_version) == (Intent.RUNNING, version + 1)
    assert shop.record.served_version == version


def test_a_table_that_came_is_asked_for_once(shop: Shop) -> None:
    request_start(shop.settings, _NAME)
    shop.load_all()
    version = shop.record.intent_version
    more = shop.pipeline.with_tables(["a", "b", "later"])
    assert shop.store.ensure_pipeline(more).intent_version == version + 1
    # Its run ends in the preflight: nothing was changed, the table is where it was.
    with shop.store.take_lease(_NAME, run_id="run") as lease:
        lease.serve()
    for _ in range(3):
        assert shop.store.ensure_pipeline(more).intent_version == version + 1
    # The operator may try again.
    assert shop.store.write_intent(_NAME, Intent.RUNNING, cause="a test").intent_version == version + 2


def test_a_table_that_comes_to_a_stopped_pipeline_starts_nothing(shop: Shop) -> None:
    request_start(shop.settings, _NAME)
    shop.load_all()
    stopped = shop.store.write_intent(_NAME, Intent.STOPPED, cause="a test")
    with shop.store.take_lease(_NAME, run_id="run") as lease:
        lease.serve()
    more = shop.store.ensure_pipeline(shop.pipeline.with_tables(["a", "b", "later"]))
    assert (more.intent, more.intent_version) == (Intent.STOPPED, stopped.intent_version)


def test_names_that_cannot_be_carried_are_named_before_the_start(shop: Shop) -> None:
    shop.on_source('CREATE TABLE "a...b" (id int PRIMARY KEY)')
    with pytest.raises(DefinitionError, match=r"'a\.\.\.b'.*put it under `except`"):
        request_start(shop.settings, _NAME)
    assert shop.choice().status is CheckStatus.FAIL
    shop.on_source('DROP TABLE "a...b"')
    request_start(shop.settings, _NAME)


def test_a_source_that_is_away_holds_up_its_own_pipeline_only(shop: Shop) -> None:
    shop.write(name="distant", connection="away")
    shop.tick()
    assert shop.tables == ["a", "b"]
    distant = load_definitions(shop.settings).find("distant")
    assert distant is not None
    assert distant.tables == ()
    with pytest.raises(SourceError):
        request_start(shop.settings, "distant")


def test_a_started_pipeline_without_its_file_is_told_like_a_bad_file(shop: Shop) -> None:
    request_start(shop.settings, _NAME)
    file = shop.settings.pipelines_dir / f"{_NAME}.yaml"
    text = file.read_text()
    file.unlink()
    assert known_definitions(shop.settings).invalid == (), "nothing was made, so nothing is missed"
    file.write_text(text)
    shop.load_all()
    file.unlink()
    (gone,) = known_definitions(shop.settings).invalid
    assert gone.name == _NAME
    assert "put the file back" in gone.problems[0]
