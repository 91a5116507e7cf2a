"""The demo from its first line to its last: what happens, in plain words, and how long each step took.

Called by `cdc_assets.cli.demo`, which gives it what waits for a pipeline.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import psycopg

from cdc_assets.embedded.api import api_url
from cdc_assets.embedded.demo.flow import Changes, Flow, Look, Rows
from cdc_assets.embedded.demo.narration import StartNarration
from cdc_assets.embedded.demo.sample import FIRST_NEW_ROW, PROJECTS, TABLES
from cdc_assets.embedded.demo.site import PIPELINE, SOURCE_ROLE, TARGET_ROLE, Site
from cdc_assets.embedded.demo.writing import Writing
from cdc_assets.embedded.stack import ProgressBar, Stack
from cdc_assets.embedded.supervisor import Report, Supervisor, make_home
from cdc_assets.model.errors import CdcAssetsError, DemoError
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import Intent, PipelineStatus
from cdc_assets.settings import Settings
from cdc_assets.wiring import check, drop, find_pipeline, load_definitions, open_store, request_start, request_stop

START_SECONDS = 300
STOP_SECONDS = 60
ARRIVAL_SECONDS = 120
_MARKS = {CheckStatus.WARN: "warning", CheckStatus.FAIL: "FAILED"}


class Follow(Protocol):
    """Waits for what was asked of a pipeline; the command line's own."""

    def __call__(
        self,
        settings: Settings,
        asked: PipelineRecord,
        *,
        is_done: Callable[[PipelineRecord], bool],
        show: Callable[[PipelineRecord], None],
        timeout_seconds: float | None,
    ) -> PipelineRecord:
        """Return the record when `is_done` says so; raises CdcAssetsError when that does not come."""


@dataclass
class Demo:
    """`run` is the whole of it; every line goes to `report`."""

    site: Site
    report: Report
    progress_bar: ProgressBar
    follow: Follow
    _supervisor: Supervisor | None = field(default=None, init=False)

    def run(self, *, once: bool) -> None:
        """Set everything up, prove that changes arrive and that all rows are equal; then go on until Ctrl-C, or stop.

        Raises CdcAssetsError with the cause when something fails, StopRequested when asked to end; nothing runs then.
        """
        site = self.site
        self.report("This demo copies five tables from one PostgreSQL server to another and keeps the copy equal.")
        self.report(f"All of it runs on this machine and is kept below {site.settings.home}")
        make_home(site.settings.home)
        site.write_files()
        stack = Stack(site.settings, report=self._detail, progress_bar=self.progress_bar, extra_postgres=site.ports)
        begun = time.monotonic()
        self.report("\n1. Starting the servers")
        with stack.running() as supervisor, _database_errors():
            self._supervisor = supervisor
            self._detail(f"all of them answer after {time.monotonic() - begun:.1f} s")
            try:
                self._make_sample(stack)
                self._check()
                self._start()
                with Flow(site.url(SOURCE_ROLE), site.url(TARGET_ROLE), tend=supervisor.revive) as flow:
                    self._prove_changes(flow)
                    self._prove_equality(flow)
                if not once:
                    self._tell_where()
                    source, target = site.url(SOURCE_ROLE), site.url(TARGET_ROLE)
                    Writing(source, target, self._detail, tend=supervisor.revive, status=self._status).go_on()
            finally:
                self._stop()

    # -- the steps ---------------------------------------------------------------------------------------------------

    def _make_sample(self, stack: Stack) -> None:
        site, settings = self.site, self.site.settings
        self.report("\n2. Making five tables with sample rows in the source (database cdctest, schema public)")
        with self._timed():
            source, target = (stack.cluster(name, port) for name, port in site.ports.items())
            site.ensure_roles(source, target)
            if _was_started(open_store(settings).find(PIPELINE)):
                self._detail("an earlier demo is there: its pipeline and its tables are removed, this one begins anew")
                removal = drop(settings, PIPELINE, drop_target=True)
                if removal.left:
                    raise DemoError(
                        f"of the earlier demo there is left: {', '.join(removal.left)}",
                        hint=f"run the demo again, or with another CDC_HOME; logs are in {settings.logs_dir}",
                    )
            site.empty(source, target)
            for table in TABLES:
                size = site.fill(table)
                self._detail(f"{table.name:<16} {table.row_count:>7,} rows {size / 1e6:>6.1f} MB  {table.words}")

    def _check(self) -> None:
        settings = self.site.settings
        self.report(f"\n3. Checking what could lose or damage something (./cdc check {PIPELINE})")
        with self._timed():
            checks = check(settings, find_pipeline(load_definitions(settings), PIPELINE))
            for found in checks:
                if found.status is not CheckStatus.PASS:
                    self._detail(f"{_MARKS[found.status]}: {found.what}")
            failed = [found for found in checks if found.status is CheckStatus.FAIL]
            if failed:
                raise DemoError(f"the check {failed[0].name} failed: {failed[0].what}", hint=failed[0].fix)
            passed = sum(found.status is CheckStatus.PASS for found in checks)
            self._detail(f"{len(checks)} checks: {passed} passed, {len(checks) - passed} warnings, none failed")

    def _start(self) -> None:
        settings = self.site.settings
        self.report(f"\n4. Starting pipeline {PIPELINE}: full load, then change data capture (./cdc start {PIPELINE})")
        begun = time.monotonic()
        narration = StartNarration(open_store(settings), PIPELINE, self._detail)
        asked = request_start(settings, PIPELINE)

        def show(record: PipelineRecord) -> None:
            self._tend()
            narration.show(record)

        record = self.follow(
            settings,
            asked,
            is_done=lambda seen: seen.status in {PipelineStatus.RUNNING, PipelineStatus.ERROR},
            show=show,
            timeout_seconds=START_SECONDS,
        )
        if record.status is PipelineStatus.ERROR:
            raise DemoError(
                f"the pipeline did not start: {_cause(record)}", hint=f"see {settings.logs_dir / PIPELINE}.log"
            )
        self._detail(f"RUNNING, {time.monotonic() - begun:.1f} s after the start was asked for")

    def _prove_changes(self, flow: Flow) -> None:
        self.report("\n5. Changing rows in the source and looking for them in the target")
        new, old = Rows(FIRST_NEW_ROW, FIRST_NEW_ROW), Rows(42, 42)
        flow.change(PROJECTS.insert, new)
        self._expect(flow, "1 row inserted", Look(PROJECTS, PROJECTS.probe, new))
        flow.change(PROJECTS.update, new)
        self._expect(flow, "that row updated", Look(PROJECTS, f"{PROJECTS.probe} AND status = 'changed'", new))
        flow.change(PROJECTS.delete, old)
        self._expect(flow, "another row deleted", Look(PROJECTS, PROJECTS.probe, old, is_there=False))
        inserts = Rows(FIRST_NEW_ROW + 1, FIRST_NEW_ROW + 20)
        counts = flow.change_all(TABLES, Changes(update=Rows(101, 120), delete=Rows(501, 510), insert=inserts))
        self._expect(
            flow,
            "{:,} inserts, {:,} updates, {:,} deletes in one transaction over all five tables".format(*counts),
            *(Look(table, table.probe, inserts) for table in TABLES),
        )

    def _expect(self, flow: Flow, what: str, *looks: Look) -> None:
        seconds = flow.seconds_until(looks, limit_seconds=ARRIVAL_SECONDS)
        if seconds is None:
            raise DemoError(
                f"{what}: not in the target within {ARRIVAL_SECONDS} s; {self._status()}",
                hint=f"see the logs in {self.site.settings.logs_dir}",
            )
        self._detail(f"{what}: in the target {seconds * 1000:,.0f} ms after the commit")

    def _prove_equality(self, flow: Flow) -> None:
        self.report("\n6. Comparing every row of all five tables, column by column")
        different: list[str] = []
        with self._timed():
            for table in TABLES:
                found = flow.compare(table)
                if found.is_equal:
                    self._detail(f"{table.name:<16} {found.row_count:>7,} rows, all equal")
                else:
                    different.append(table.name)
                    self._detail(
                        f"{table.name:<16} {found.row_count:>7,} rows, DIFFERENT: {found.missing:,} of the source are"
                        f" not in the target, {found.surplus:,} of the target are not in the source"
                    )
        if different:
            raise DemoError(
                f"source and target differ in {', '.join(different)}; {self._status()}",
                hint=f"report this with the logs in {self.site.settings.logs_dir}",
            )

    def _tell_where(self) -> None:
        site, settings = self.site, self.site.settings
        ports = site.ports
        self.report("\nEverything runs. While it does:")
        self._detail(f"Dagster's page     http://{settings.ui_host}:{settings.ui_port}")
        self._detail(f"pipelines' page    {api_url(settings)}/")
        self._detail(f"HTTP API           {api_url(settings)}/docs")
        for side, role, tables in (
            ("source", SOURCE_ROLE, "public.projects_simple"),
            ("target", TARGET_ROLE, "dbo.projects_simple"),
        ):
            self._detail(
                f"{side:<18} 127.0.0.1:{ports[side]}, database cdctest, user {role}, table {tables} and four more;"
                f" the password is in {site.password_file(role)}"
            )
        self._detail(f"its files          {site.pipeline_file} and {settings.connections_file}")
        self._detail(f"its log            {settings.logs_dir / PIPELINE}.log")
        self._detail(
            f"other terminal     export CDC_HOME={settings.home} CDC_PIPELINES_DIR={settings.pipelines_dir}"
            f" CDC_CONNECTIONS_FILE={settings.connections_file}; then ./cdc status {PIPELINE} --watch"
        )
        self.report("\nThe demo goes on writing into the source until Ctrl-C:")

    def _stop(self) -> None:
        """Stop the pipeline, so that what is recorded is true when the servers are gone; trouble is only told."""
        settings = self.site.settings
        try:
            if not _was_started(open_store(settings).find(PIPELINE)):
                self.report("\nStopping the servers")
                return
            self.report("\nStopping the pipeline, then the servers")
            self.follow(
                settings,
                request_stop(settings, PIPELINE),
                is_done=lambda record: record.status is PipelineStatus.STOPPED,
                show=lambda _record: None,
                timeout_seconds=STOP_SECONDS,
            )
        except CdcAssetsError as error:
            self._detail(f"the pipeline was not stopped: {error}")

    # -- words -------------------------------------------------------------------------------------------------------

    def _detail(self, line: str) -> None:
        self.report("\n".join(f"   {part}" for part in line.splitlines()))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._detail(f"done in {time.monotonic() - begun:.1f} s")

    def _tend(self) -> None:
        if self._supervisor is not None:
            self._supervisor.revive()

    def _status(self) -> str:
        record = None
        with suppress(CdcAssetsError):
            record = open_store(self.site.settings).find(PIPELINE)
        if record is None:
            return "the pipeline's state is not known"
        return f"the pipeline is {record.status}, {_cause(record)}"


def _was_started(record: PipelineRecord | None) -> bool:
    # Dagster records a pipeline as soon as it reads its file.
    return record is not None and (record.suffix is not None or record.intent is Intent.RUNNING)


def _cause(record: PipelineRecord) -> str:
    tables = [f"{table.source_table}: {table.last_error}" for table in record.tables if table.last_error]
    return record.last_error or "; ".join(tables) or "no cause is recorded"


@contextmanager
def _database_errors() -> Iterator[None]:
    """Turn what psycopg raises into a sentence of ours."""
    try:
        yield
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DemoError(
            f"source or target refused a command: {lines[0]}", hint="see the logs of the servers"
        ) from error
