"""Debian's Chromium before the page of a real API: a state database that holds every state people may meet."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from cdc_assets.model.errors import ConnectorError
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, TableState
from cdc_assets.ports.store import Lease, PipelineStore
from cdc_assets.settings import inherited_environment
from cdc_assets.wiring import load_definitions, migrate, open_store
from cdc_assets_tests.integration.api.conftest import Api, serve_api
from cdc_assets_tests.services.installation import CHECKOUT
from cdc_assets_tests.services.servers import Databases

SCREENSHOTS = CHECKOUT / ".artifacts" / "page"
PASSWORD = "of-nobody"
_CONNECTIONS = (
    "app: {kind: postgres, host: 127.0.0.1, port: 9, user: cdc, password: {env: APP_PASSWORD}}\n"
    "warehouse: {kind: postgres, host: 127.0.0.1, port: 9, user: cdc, password: {env: APP_PASSWORD}}\n"
)
_PIPELINE = """
mode: full_load_and_cdc
source: {{connection: app, database: shop, schema: public}}
target: {{connection: warehouse, database: dw, schema: dbo}}
tables: [{tables}]
"""
_TABLES = {
    "billing": ("invoices", "payments", "refunds"),
    "catalog": ("products", "prices"),
    "history": ("audit_2024", "audit_2025", "audit_2026"),
    "orders": ("orders", "{name: lines, target: order_lines}", "customers"),
}
_PATIENCE_MS = 180_000
_LSN = Lsn.parse("0/16B3748")
_CAUSE = "a test"


@dataclass
class Watched:
    """A page, and what its browser complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def keep(self, name: str) -> None:
        """Keep a picture of the whole page as test output."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the machine; nothing is fetched. Ended with its module: its event loop would be in Dagster's way."""
    program = shutil.which("chromium")
    if program is None:
        why = "no Chromium on this machine: apt-get install chromium"
        if inherited_environment().get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of a user's own."""
    made = browser.new_context(viewport={"width": 1200, "height": 900})
    # Two clocks of its own has the driver; neither may run out on a busy machine.
    made.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def watched(context: BrowserContext) -> Watched:
    """An empty page; what its console says is kept."""
    watched = Watched(context.new_page())

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watched.complaints.append(message.text)

    watched.page.on("console", note)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    return watched


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Api]:
    """An API whose pipelines are each in another state, as stages and sensor record it."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections.yaml").write_text(_CONNECTIONS)
    for name, tables in _TABLES.items():
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(_PIPELINE.format(tables=", ".join(tables)))
    (tmp_path / "pipelines" / "stocks.yaml").write_text(_PIPELINE.format(tables="stocks") + "speed: fast\n")
    with serve_api(tmp_path, databases.state_url) as api:
        migrate(api.settings)
        store = open_store(api.settings)
        for pipeline in load_definitions(api.settings).pipelines:
            store.ensure_pipeline(pipeline)
        _streams(store, "orders")
        _streams(store, "billing")
        _quarantines(store)
        _loads(store)
        _was_behind(databases.state_url)
        yield api


def _begin(lease: Lease, name: str) -> None:
    lease.set_names(
        suffix="a1b2c3",
        slot=f"cdc_{name}",
        publication=f"cdc_{name}",
        source_connector=f"cdc_{name}_source",
        sink_prefix=f"cdc_{name}_sink",
    )
    tables = [row.source_table for row in lease.check().tables]
    lease.set_captured_from(tables, _LSN)
    for table in tables:
        lease.set_table(table, TableState.PREPARED, cause=_CAUSE)
    lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause=_CAUSE)


def _load(lease: Lease, table: str, *, rows: int, of: int) -> None:
    lease.set_load_position(table, lsn=_LSN, start_offset=0, rows_estimated=of, bytes_estimated=of * 120)
    lease.set_table(table, TableState.LOADING, cause=_CAUSE)
    lease.set_progress(table, rows=rows, size_bytes=rows * 120)


def _streams(store: PipelineStore, name: str) -> None:
    store.write_intent(name, Intent.RUNNING, cause=_CAUSE)
    with store.take_lease(name, run_id="run") as lease:
        _begin(lease, name)
        for number, row in enumerate(lease.check().tables, start=1):
            _load(lease, row.source_table, rows=number * 1_234_567, of=number * 1_234_567)
            lease.set_table(row.source_table, TableState.LOADED, cause=_CAUSE)
        lease.set_full_load(FullLoadStatus.COMPLETED, cause=_CAUSE, lsn=_LSN)
        lease.set_cdc(CdcStatus.STARTING, cause=_CAUSE)
        for row in lease.check().tables:
            lease.set_table(row.source_table, TableState.CATCHING_UP, cause=_CAUSE)
            lease.set_table(row.source_table, TableState.STREAMING, cause=_CAUSE)
        lease.set_cdc(CdcStatus.RUNNING, cause=_CAUSE)
        lease.serve()


def _quarantines(store: PipelineStore) -> None:
    refused = ConnectorError(
        "sink connector cdc_billing_sink_payments of table payments failed: the target refuses a record: check"
        " constraint payments_amount_check",
        hint="mend the target table or the row; the sink connector is tried again by itself",
        table="payments",
    )
    with store.take_lease("billing", run_id="cdc_health") as lease:
        lease.fail_table("payments", TableState.QUARANTINED, refused)
        lease.fail("cdc_health", refused)


def _loads(store: PipelineStore) -> None:
    store.write_intent("history", Intent.RUNNING, cause=_CAUSE)
    with store.take_lease("history", run_id="run") as lease:
        _begin(lease, "history")
        _load(lease, "audit_2024", rows=8_000_000, of=8_000_000)
        lease.set_table("audit_2024", TableState.LOADED, cause=_CAUSE)
        _load(lease, "audit_2025", rows=3_210_000, of=9_000_000)


def _was_behind(database_url: str) -> None:
    """Write an hour of samples, as the health sensor does; nobody measured for some minutes of it."""
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute(
            "INSERT INTO pipeline_lag (pipeline_id, at, bytes_behind, records_behind)"
            " SELECT p.id, clock_timestamp() - n * interval '10 seconds',"
            " (3000000 * (1 + sin(n / 25.0)) + 40000)::bigint, greatest(0, (900 * cos(n / 18.0))::bigint)"
            " FROM pipelines p, generate_series(1, 350) n WHERE p.name IN ('orders', 'billing')"
            " AND n NOT BETWEEN 150 AND 190"
        )
