"""What people see and do at `/`, in a real browser on a real state database."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from cdc_assets.model.status import Intent
from cdc_assets.wiring import open_store
from cdc_assets_tests.browser.conftest import PASSWORD, Watched
from cdc_assets_tests.integration.api.conftest import TOKEN, Api, serve_api

_AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


def _require_accessible(page: Page) -> None:
    page.evaluate(_AXE)
    found = page.evaluate("axe.run().then(found => found.violations)")
    assert not found, [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def _open(watched: Watched, api: Api) -> Page:
    watched.page.goto(api.url)
    expect(watched.page.locator("#orders canvas")).to_be_visible()
    expect(watched.page.locator("#health")).to_contain_text("Kafka Connect")
    return watched.page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_told_with_cause_and_fix_and_axe_finds_nothing(
    watched: Watched, scene: Api, scheme: str
) -> None:
    watched.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
    page = _open(watched, scene)
    for name, status in (
        ("billing", "ERROR"),
        ("catalog", "NOT STARTED"),
        ("history", "STARTING"),
        ("orders", "RUNNING"),
        ("stocks", "INVALID"),
    ):
        expect(page.locator(f"#state-{name} .top")).to_contain_text(status)
    payments = page.locator("#state-billing tbody")
    expect(payments).to_contain_text("QUARANTINED")
    expect(payments).to_contain_text("payments_amount_check")
    expect(payments).to_contain_text("Fix: mend the target table or the row")
    expect(page.locator("#state-stocks")).to_contain_text("unknown key speed")
    assert page.get_by_label("Load of audit_2025").get_attribute("value") == "35"
    expect(page.locator("#orders figcaption")).to_contain_text("records not yet in the target")
    expect(page.locator("#state-orders a", has_text="Assets")).to_have_attribute(
        "href", f"http://127.0.0.1:{scene.settings.ui_port}/locations/cdc_assets/asset-groups/orders"
    )
    assert PASSWORD not in page.content()
    watched.keep(f"pipelines-{scheme}")
    _require_accessible(page)
    assert not watched.complaints


def test_it_fits_a_telephone(watched: Watched, scene: Api) -> None:
    watched.page.set_viewport_size({"width": 390, "height": 844})
    page = _open(watched, scene)
    watched.keep("pipelines-telephone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _require_accessible(page)


def test_a_load_is_followed_without_a_reload(watched: Watched, scene: Api) -> None:
    page = _open(watched, scene)
    page.evaluate("window.isTheSamePage = true")
    with open_store(scene.settings).take_lease("history", run_id="run") as lease:
        lease.set_progress("audit_2025", rows=6_300_000, size_bytes=700_000_000)
    expect(page.get_by_label("Load of audit_2025")).to_have_attribute("value", "70")
    expect(page.locator("#state-history")).to_contain_text("6,300,000 of about 9,000,000 rows")
    assert page.evaluate("window.isTheSamePage")


def test_a_new_pipeline_appears(watched: Watched, scene: Api) -> None:
    page = _open(watched, scene)
    file = scene.settings.pipelines_dir / "catalog.yaml"
    file.with_name("returns.yaml").write_text(file.read_text())
    expect(page.locator("#state-returns")).to_contain_text("NOT STARTED")


def test_the_keyboard_alone_starts_and_stops(watched: Watched, scene: Api) -> None:
    page = _open(watched, scene)
    store = open_store(scene.settings)
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", agree)
    _tab_to(page, "Start pipeline catalog")
    page.keyboard.press("Enter")
    expect(page.locator("#state-catalog .top")).to_contain_text("STARTING")
    record = store.find("catalog")
    assert record is not None
    assert record.intent is Intent.RUNNING
    # The keyboard goes on where it was, not at the top of the page.
    expect(page.get_by_role("button", name="Stop pipeline catalog")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Start pipeline catalog")).to_be_focused()
    record = store.find("catalog")
    assert record is not None
    assert record.intent is Intent.STOPPED
    assert asked == ["Stop catalog? Changes wait in the source until it is started again."]
    assert not watched.complaints


def _tab_to(page: Page, name: str) -> None:
    """Go on by Tab until the button of that name has the focus; each stop on the way is seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == name:
            return
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    pytest.fail(f"no {name} on the way")


def test_what_is_not_possible_is_told_with_its_fix(watched: Watched, scene: Api) -> None:
    page = _open(watched, scene)
    # What the page shows is old for some seconds, always.
    page.route("**/page/state?**", lambda route: route.abort())
    open_store(scene.settings).write_intent("orders", Intent.STOPPED, cause="somebody else")
    page.get_by_role("button", name="Pause pipeline orders").click()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("NOT_POSSIBLE_NOW")
    expect(notice).to_contain_text("only one that is RUNNING can be paused")
    expect(notice).to_contain_text("Fix:")
    watched.keep("not-possible")
    _require_accessible(page)


def test_without_script_the_buttons_work_too(browser: Browser, scene: Api) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(scene.url)
    page.get_by_role("button", name="Start pipeline catalog").click()
    expect(page.locator("#state-catalog .top")).to_contain_text("STARTING")
    page.goto(f"{scene.url}/nothing")
    expect(page.locator("main")).to_contain_text("Back to the pipelines")
    context.close()


def test_the_token_opens_the_page_once_and_no_script_can_read_the_session(watched: Watched, scene: Api) -> None:
    directory = scene.settings.pipelines_dir.parent
    with serve_api(directory, scene.settings.database_url, CDC_API_TOKEN=TOKEN) as guarded:
        page = watched.page
        page.goto(guarded.url)
        assert "orders" not in page.content()
        watched.keep("token")
        _require_accessible(page)
        page.get_by_label("CDC_API_TOKEN").fill("a wrong one")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("this is not the token")
        page.get_by_label("CDC_API_TOKEN").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#state-orders .top")).to_contain_text("RUNNING")
        assert TOKEN not in page.content()
        (cookie,) = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert TOKEN not in cookie["value"]
        page.get_by_role("button", name="Start pipeline catalog").click()
        expect(page.locator("#state-catalog .top")).to_contain_text("STARTING")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("CDC_API_TOKEN")).to_be_visible()


def test_a_page_whose_api_is_gone_says_so(watched: Watched, scene: Api) -> None:
    directory = scene.settings.pipelines_dir.parent
    with serve_api(directory, scene.settings.database_url) as other:
        page = _open(watched, other)
    expect(page.locator("#trouble")).to_contain_text("The API does not answer")
    expect(page.locator("#state-orders .top")).to_contain_text("RUNNING")
    watched.keep("api-gone")


def test_the_documentation_of_the_api_needs_nobody_else(watched: Watched, scene: Api) -> None:
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    watched.page.goto(f"{scene.url}/docs")
    expect(watched.page.locator('[data-path$="/start"]')).to_be_visible()
    watched.keep("documentation")
    assert [url for url in asked if not url.startswith((scene.url, "data:"))] == []
    assert not watched.complaints
