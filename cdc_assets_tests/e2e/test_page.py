"""The page over a running stack: a pipeline is started, followed, paused and stopped there, and found in Dagster."""

import requests
from playwright.sync_api import Dialog, expect

# Fixtures of the browser's tests; pytest finds them by their names here.
from cdc_assets_tests.browser.conftest import Watched, browser, context, watched  # noqa: F401
from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import PASSWORD, wait_until

_LONG_MS = 300_000


def test_a_pipeline_is_started_followed_and_stopped_on_the_page(case: Case, watched: Watched) -> None:  # noqa: F811
    url = f"http://127.0.0.1:{case.installation.environment['CDC_API_PORT']}"
    wait_until(lambda: requests.get(f"{url}/api/pipelines/{case.name}", timeout=30).json().get("id"), what="recorded")
    page = watched.page
    page.set_default_timeout(_LONG_MS)
    expect.set_options(timeout=_LONG_MS)

    def agree(dialog: Dialog) -> None:
        dialog.accept()

    page.on("dialog", agree)
    page.goto(url)
    expect(page.locator("#health")).to_contain_text("Dagster daemon answers")
    top = page.locator(f"#state-{case.name} .top")
    page.get_by_role("button", name=f"Start pipeline {case.name}").click()
    expect(top).to_contain_text("STARTING")
    expect(top).to_contain_text("RUNNING")
    expect(page.locator(f"#{case.name} figcaption")).to_contain_text("records not yet in the target")
    expect(page.locator(f"#{case.name} canvas")).to_be_visible()
    watched.keep("real-running")
    assert PASSWORD not in page.content()
    metrics = requests.get(f"{url}/metrics", timeout=30).text
    assert f'cdc_assets_pipeline_records_behind{{pipeline="{case.name}"}}' in metrics
    assert requests.get(f"{url}/api/pipelines/{case.name}/lag/history", timeout=30).json()

    page.get_by_role("button", name=f"Pause pipeline {case.name}").click()
    expect(top).to_contain_text("PAUSED")
    page.get_by_role("button", name=f"Resume pipeline {case.name}").click()
    expect(top).to_contain_text("RUNNING")
    page.get_by_role("button", name=f"Stop pipeline {case.name}").click()
    expect(top).to_contain_text("STOPPED")
    assert not watched.complaints

    page.get_by_role("link", name=f"Runs of {case.name}").click()
    expect(page.locator("body")).to_contain_text(f"{case.name}__sync")
    page.go_back()
    page.get_by_role("link", name=f"Assets of {case.name}").click()
    expect(page.locator("body")).to_contain_text("loaded_table")
    watched.keep("real-dagster-group")
