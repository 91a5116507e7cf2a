"""What a program sees of the pipelines, and what its requests leave in the state database."""

from typing import Any

import pytest
import requests

from cdc_assets.model.status import Intent
from cdc_assets.wiring import open_store
from cdc_assets_tests.integration.api.conftest import Api


def _problem(answer: requests.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert document["code"]
    assert document["detail"]
    assert document["fix"]
    return document


def test_the_list_holds_good_and_broken_pipelines(api: Api) -> None:
    found = {each["name"]: each for each in api.get("/api/pipelines").json()}
    assert set(found) == {"shop", "broken"}
    assert found["broken"]["status"] == "INVALID"
    assert "speed" in found["broken"]["last_error"]
    shop = found["shop"]
    assert (shop["mode"], shop["full_load_status"]) == ("full_load_and_cdc", "NOT_STARTED")
    assert shop["source"] == {"connection": "app", "database": "cdctest", "schema": "public"}
    assert [(table["name"], table["target_table"]) for table in shop["tables"]] == [
        ("lines", "order_lines"),
        ("orders", "orders"),
    ]


def test_one_pipeline_is_found_by_name_and_by_id(api: Api) -> None:
    by_name = api.get("/api/pipelines/shop").json()
    assert api.get(f"/api/pipelines/{by_name['id']}").json() == by_name


def test_an_unknown_pipeline_is_named_with_the_known_ones(api: Api) -> None:
    answer = api.get("/api/pipelines/shopp")
    assert answer.status_code == 404
    document = _problem(answer)
    assert document["code"] == "PIPELINE_UNKNOWN"
    assert "shop" in document["detail"]


def test_start_and_stop_are_accepted_as_intents_with_their_events(api: Api) -> None:
    store = open_store(api.settings)
    started = api.post("/api/pipelines/shop/start")
    assert (started.status_code, started.json()["intent"]) == (202, "RUNNING")
    again = api.post("/api/pipelines/shop/start")
    assert (again.status_code, again.json()["intent_version"]) == (202, started.json()["intent_version"])
    stopped = api.post(f"/api/pipelines/{started.json()['id']}/stop")
    assert (stopped.status_code, stopped.json()["intent"]) == (202, "STOPPED")
    record = store.find("shop")
    assert record is not None
    assert record.intent is Intent.STOPPED

    events = api.get("/api/pipelines/shop/events").json()
    assert ("intent", "RUNNING") in {(event["field"], event["new_value"]) for event in events}
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    first, rest = events[0], events[1:]
    assert api.get("/api/pipelines/shop/events", params={"limit": 1}).json() == [first]
    assert api.get("/api/pipelines/shop/events", params={"after": first["id"]}).json() == rest


def test_pages_are_followed_by_their_link(api: Api) -> None:
    for _ in range(2):
        api.post("/api/pipelines/shop/start")
        api.post("/api/pipelines/shop/stop")
    for path, key in (("/api/pipelines", "name"), ("/api/pipelines/shop/events", "id")):
        whole = api.get(path).json()
        assert len(whole) > 1
        found: list[object] = []
        following: str | None = f"{path}?limit=1"
        while following is not None:
            answer = api.get(following)
            found += answer.json()
            following = answer.links["next"]["url"] if "next" in answer.links else None
        assert [each[key] for each in whole] == [each[key] for each in found]  # type: ignore[index]


def test_a_broken_pipeline_is_not_started(api: Api) -> None:
    answer = api.post("/api/pipelines/broken/start")
    assert answer.status_code == 409
    assert "speed" in _problem(answer)["detail"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/nothing", 404, "NOT_FOUND"),
        ("/api/pipelines/shop/start", 405, "METHOD_NOT_ALLOWED"),
        ("/api/pipelines/shop/events?limit=none", 422, "REQUEST_INVALID"),
        ("/api/pipelines/shop/events?limit=0", 422, "REQUEST_INVALID"),
        ("/api/pipelines/shop/lag", 503, "SOURCE_UNAVAILABLE"),
    ],
)
def test_every_error_is_a_problem_with_its_fix(api: Api, path: str, status: int, code: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, _problem(answer)["code"]) == (status, code)


def test_what_does_not_run_is_not_paused(api: Api) -> None:
    for path in ("/pause", "/resume", "/tables/orders/pause"):
        refused = api.post(f"/api/pipelines/shop{path}")
        assert refused.status_code == 409, path
        _problem(refused)
    unknown = api.post("/api/pipelines/shop/tables/nothing/pause")
    assert unknown.status_code == 404
    assert "orders" in _problem(unknown)["detail"]


def test_metrics_tell_state_and_progress(api: Api) -> None:
    lines = api.get("/metrics").text.splitlines()
    assert 'cdc_assets_table_state{pipeline="shop",state="NOT_STARTED",table="orders"} 1.0' in lines
    assert 'cdc_assets_table_rows_loaded{pipeline="shop",table="orders"} 0.0' in lines
    names = {line.split("{")[0] for line in lines if not line.startswith("#")}
    assert names
    assert all(name.startswith("cdc_assets_") for name in names)
