"""Who may see the page and press its buttons; the page itself is tested in a browser."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import requests

from cdc_assets.api.page.session import LIFETIME_SECONDS, session_value
from cdc_assets.wiring import open_store
from cdc_assets_tests.integration.api.conftest import TOKEN, Api

_PEOPLE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def guarded(api: Api, start_api: Callable[..., AbstractContextManager[Api]]) -> Iterator[Api]:
    del api  # it has recorded the pipelines
    with start_api(CDC_API_TOKEN=TOKEN) as started:
        yield started


def _cookie(api: Api) -> str:
    return f"cdc_assets_{api.url.rpartition(':')[2]}"


def _with_session(api: Api, token: str = TOKEN, *, until: float | None = None) -> dict[str, str]:
    moment = time.time() + LIFETIME_SECONDS if until is None else until
    return {"Cookie": f"{_cookie(api)}={session_value(token, until=int(moment))}"}


def test_without_the_token_nothing_is_shown_but_the_form(guarded: Api) -> None:
    for path in ("/", "/page/state", "/page/health", "/page/pipelines/shop/lag", "/nothing"):
        answer = guarded.get(path, headers=_PEOPLE)
        assert answer.status_code == (404 if path == "/nothing" else 401), path
        assert "shop" not in answer.text
    assert "CDC_API_TOKEN" in guarded.get("/", headers=_PEOPLE).text
    program = guarded.get("/")
    assert (program.status_code, program.json()["code"]) == (401, "TOKEN_MISSING")
    assert program.headers["content-type"] == "application/problem+json"
    assert "shop" in guarded.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).text


@pytest.mark.parametrize("cookie", ["another token", "run out", "cut off", "prolonged", "no number"])
def test_only_a_session_made_from_the_token_counts(guarded: Api, cookie: str) -> None:
    good = _with_session(guarded)
    assert guarded.get("/", headers=good).ok
    until, _, proof = good["Cookie"].partition("=")[2].partition(".")
    bad = {
        "another token": _with_session(guarded, "another")["Cookie"],
        "run out": _with_session(guarded, until=time.time() - 1)["Cookie"],
        "cut off": good["Cookie"][:-1],
        "prolonged": f"{_cookie(guarded)}={int(until) + 1}.{proof}",
        "no number": f"{_cookie(guarded)}=inf.{proof}",
    }[cookie]
    assert guarded.get("/", headers={"Cookie": bad}).status_code == 401


def test_the_session_is_for_the_page_and_not_for_the_api(guarded: Api) -> None:
    assert guarded.get("/api/pipelines", headers=_with_session(guarded)).status_code == 401


@pytest.mark.parametrize("origin", [None, "null", "http://elsewhere.example"])
def test_no_other_page_presses_a_button(api: Api, guarded: Api, origin: str | None) -> None:
    before = open_store(api.settings).find("shop")
    for served in (api, guarded):
        headers = {**_with_session(served), **({} if origin is None else {"Origin": origin})}
        for path in ("/page/pipelines/shop/start", "/page/pipelines/shop/tables/orders/pause", "/logout"):
            assert served.post(path, headers=headers).status_code == 403, path
    assert guarded.post("/page/pipelines/shop/start", headers={"Origin": guarded.url}).status_code == 401
    assert open_store(api.settings).find("shop") == before


def test_the_form_gives_a_session_that_no_script_and_no_other_site_can_use(guarded: Api) -> None:
    def log_in(token: str) -> requests.Response:
        headers = {"Origin": guarded.url, **_PEOPLE}
        return guarded.post("/login", data={"token": token}, headers=headers, allow_redirects=False)

    assert log_in("wrong").status_code == 401
    assert "set-cookie" not in log_in("").headers
    cookie = log_in(TOKEN).headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert log_in("x" * 20_000).status_code == 413


def test_pages_load_nothing_of_others_and_stand_in_no_frame(api: Api) -> None:
    for path in ("/", "/api/pipelines", "/nothing"):
        answer = api.get(path, headers=_PEOPLE)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
    assert "http" not in api.get("/static/page.css").text


def test_a_button_that_does_not_exist_does_nothing(api: Api) -> None:
    headers = {"Origin": api.url}
    for path in ("/page/pipelines/shop/drop", "/page/pipelines/nothing/start", "/page/pipelines/shop/tables/x/drop"):
        assert api.post(path, headers=headers).status_code == 404, path
    assert api.post("/page/pipelines/broken/start", headers=headers).status_code == 409


def test_a_foreign_name_is_refused_as_every_error_is(api: Api) -> None:
    refused = api.get("/", headers={"Host": "elsewhere.example"})
    assert (refused.status_code, refused.json()["code"]) == (400, "HOST_REFUSED")
