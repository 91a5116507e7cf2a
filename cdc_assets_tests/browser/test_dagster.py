"""What people see and click in Dagster's own pages, on a running stack with real databases.

The pictures in `.artifacts/dagster` are the output; somebody looks at them after a change of descriptions or metadata.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from playwright.sync_api import Page, expect

from cdc_assets_tests.browser.conftest import Watched
from cdc_assets_tests.services.installation import CHECKOUT, Installation, database_name, prepare_roles, wait_until
from cdc_assets_tests.services.servers import Databases, drop_databases, make_databases
from cdc_assets_tests.services.trap import set_trap

_SCREENSHOTS = CHECKOUT / ".artifacts" / "dagster"
_PATIENCE_MS = 60_000
_TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, since date);
CREATE TABLE orders (id int PRIMARY KEY, customer int, amount numeric(10,2));
CREATE TABLE lines (order_no int, line_no int, sku text, PRIMARY KEY (order_no, line_no));
INSERT INTO customers SELECT n, 'hidden-' || n, '2026-01-01' FROM generate_series(1, 5000) n;
INSERT INTO orders SELECT n, n % 100, n / 7.0 FROM generate_series(1, 500) n;
INSERT INTO lines SELECT n, 1, 'hidden-' || n FROM generate_series(1, 500) n;
"""
_PIPELINE = """
mode: full_load_and_cdc
source: {{connection: app, database: {source}, schema: public}}
target: {{connection: warehouse, database: {target}, schema: {schema}}}
tables: [{tables}]
"""


@dataclass(frozen=True)
class Shop:
    """A stack with a pipeline `shop` of one good table, `mixed` of a good and a bad one, and a file `broken`."""

    installation: Installation
    target: str

    @property
    def dagster(self) -> str:
        return f"http://127.0.0.1:{self.installation.environment['CDC_UI_PORT']}"

    def is_running(self, pipeline: str) -> bool:
        return bool(self.installation.pipeline(pipeline)["status"] == "RUNNING")


@pytest.fixture(scope="module")
def shop(postgres_url: str) -> Iterator[Shop]:
    databases: Databases = make_databases(postgres_url)
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
    set_trap(databases.target_url, "mixed", "orders")
    source_role, target_role = prepare_roles(databases)
    installation = Installation.make()
    installation.connect_to("app", databases.source_url, user=source_role)
    installation.connect_to("warehouse", databases.target_url, user=target_role)
    places = {"source": database_name(databases.source_url), "target": database_name(databases.target_url)}
    installation.write_pipeline("shop", _PIPELINE.format(**places, schema="shop", tables="customers"))
    installation.write_pipeline("mixed", _PIPELINE.format(**places, schema="mixed", tables="orders, lines"))
    installation.write_pipeline("broken", _PIPELINE.format(**places, schema="x", tables="lines") + "optoins: {}\n")
    try:
        installation.up()
        yield Shop(installation, places["target"])
        for name in ("shop", "mixed"):
            installation.cdc("stop", name, expect=None)
            installation.cdc("drop", name, expect=None)
    finally:
        installation.remove()
        drop_databases(postgres_url, databases)


@pytest.fixture
def page(watched: Watched) -> Page:
    """A page that is wide enough for Dagster to write into the boxes of its graph."""
    watched.page.set_viewport_size({"width": 1600, "height": 1000})
    watched.page.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    return watched.page


def _keep(page: Page, name: str) -> None:
    _SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=_SCREENSHOTS / f"{name}.png", animations="disabled")
    assert "hidden-" not in page.content()


def _launch(page: Page, button: str) -> None:
    page.get_by_role("button", name="Materialize all").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    _keep(page, f"materialize-{button.split()[1]}")
    page.get_by_role("button", name=button).click()


def _open_table(page: Page, shop: Shop, pipeline: str, table: str, view: str) -> None:
    page.goto(f"{shop.dagster}/assets/warehouse/{shop.target}/{pipeline}/{table}?view={view}")


def test_materialize_on_a_fresh_pipeline_leads_to_running(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.dagster}/locations/cdc_assets/asset-groups/shop")
    _launch(page, "Launch 1 run")
    wait_until(lambda: shop.is_running("shop"), what="pipeline shop RUNNING", seconds=150)
    page.goto(f"{shop.dagster}/locations/cdc_assets/asset-groups/shop")
    expect(page.get_by_text("100% filled")).to_have_count(4)
    _keep(page, "group")
    page.goto(f"{shop.dagster}/assets/shop/sink_connector?partition=customers&view=partitions")
    expect(page.get_by_text("connector_state")).to_be_visible()
    expect(page.locator("a[href$='/status']").first).to_have_attribute("href", re.compile("/connectors/cdc_shop_"))
    _keep(page, "partition")


def test_a_target_table_shows_rows_columns_checks_and_its_lag_over_time(page: Page, shop: Shop) -> None:
    _open_table(page, shop, "shop", "customers", "overview")
    expect(page.get_by_text("5,000", exact=True).first).to_be_visible()
    expect(page.get_by_text("non-nullable")).to_have_count(2)
    _keep(page, "table")
    page.get_by_role("button", name="Plots").click()
    for name in ("lag_seconds", "lag_records", "lag_bytes"):
        # Once in the description, once above its plot.
        expect(page.get_by_text(name, exact=True)).to_have_count(2)
    expect(page.locator("canvas").nth(3)).to_be_attached()
    page.get_by_text("lag_seconds", exact=True).last.scroll_into_view_if_needed()
    _keep(page, "table-plots")
    _open_table(page, shop, "shop", "customers", "checks")
    expect(page.get_by_text("Succeeded")).to_have_count(2)
    _keep(page, "table-checks")
    # Only what is in sight is drawn.
    page.set_viewport_size({"width": 3200, "height": 1500})
    _open_table(page, shop, "shop", "customers", "lineage")
    page.get_by_role("button", name="Upstream").click()
    page.get_by_role("button", name="All", exact=True).click()
    for box in (
        "Source_tables",
        "target_schema",
        "loaded_table",
        "source_connector",
        "sink_connector",
        "Target_tables",
    ):
        expect(page.get_by_text(box, exact=True)).to_be_visible()
    expect(page.get_by_text("2 / 2 Passed")).to_be_visible()
    _keep(page, "lineage")


def test_a_failed_table_is_red_with_its_cause_and_the_other_flows(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.dagster}/locations/cdc_assets/jobs/mixed__start/playground")
    page.get_by_role("button", name="Launch Run").click()
    installation = shop.installation
    wait_until(
        lambda: (
            {name: row["state"] for name, row in installation.tables("mixed").items()}
            == {"orders": "FAILED", "lines": "STREAMING"}
        ),
        what="orders FAILED and lines STREAMING",
        seconds=150,
    )
    page.goto(f"{shop.dagster}/locations/cdc_assets/asset-groups/mixed")
    expect(page.get_by_text("1 failed").first).to_be_visible()
    _keep(page, "failed-group")
    page.goto(f"{shop.dagster}/assets/mixed/loaded_table?view=partitions&partition=orders")
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    _keep(page, "failed-partition")
    (run,) = {event["run_id"] for event in installation.events("mixed") if event["new_value"] == "FAILED"} - {None}
    page.goto(f"{shop.dagster}/runs/{run}?logs=type%3ASTEP_FAILURE")
    expect(page.get_by_text("1 of 2 tables failed").first).to_be_visible()
    _keep(page, "failed-run")


def test_a_bad_file_fails_its_check_and_the_others_work(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.dagster}/assets/broken?view=checks")
    expect(page.get_by_text("Failed").first).to_be_visible()
    expect(page.get_by_text("unknown key optoins").first).to_be_visible()
    _keep(page, "bad-file")
    assert shop.is_running("shop")


def test_jobs_and_sensors_say_what_they_do(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.dagster}/automation")
    for sensor in ("reconcile", "cdc_health", "run_failure_alert"):
        expect(page.get_by_text(sensor).first).to_be_visible()
    _keep(page, "automation")
    page.goto(f"{shop.dagster}/jobs")
    expect(page.get_by_text("shop__start").first).to_be_visible()
    _keep(page, "jobs")
