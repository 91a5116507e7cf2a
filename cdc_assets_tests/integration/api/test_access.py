"""Who may ask for what: a wrong answer here stops somebody's production."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from cdc_assets.embedded.server_process import free_port
from cdc_assets.wiring import open_store
from cdc_assets_tests.integration.api.conftest import TOKEN, Api

StartApi = Callable[..., AbstractContextManager[Api]]
_GUARDED = ("/api/pipelines", "/api/pipelines/shop", "/api/pipelines/shop/events", "/metrics", "/openapi.json")


def test_with_a_token_only_health_and_the_empty_page_are_open(api: Api, start_api: StartApi) -> None:
    assert all(api.get(path).ok for path in (*_GUARDED, "/docs"))
    with start_api(CDC_API_TOKEN=TOKEN) as guarded:
        for path in _GUARDED:
            assert guarded.get(path).status_code == 401, path
            assert guarded.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401, path
            assert guarded.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).ok, path
        assert guarded.get("/docs").ok
        assert "shop" not in guarded.get("/docs").text
        assert guarded.get("/health/live").ok
        refused = guarded.post("/api/pipelines/shop/start")
        assert (refused.status_code, refused.json()["code"]) == (401, "TOKEN_MISSING")
        assert refused.headers["www-authenticate"] == "Bearer"


def test_a_page_of_another_site_changes_nothing(api: Api) -> None:
    before = open_store(api.settings).find("shop")
    refused = api.post("/api/pipelines/shop/start", headers={"Origin": "http://elsewhere.example"})
    assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_REFUSED")
    renamed = api.post("/api/pipelines/shop/start", headers={"Host": "elsewhere.example"})
    assert renamed.status_code == 400
    assert open_store(api.settings).find("shop") == before
    own = api.post("/api/pipelines/shop/stop", headers={"Origin": api.url})
    assert own.status_code == 202


def test_health_names_what_is_away(api: Api) -> None:
    assert api.get("/health/live").json() == {"status": "healthy"}
    assert api.get("/health/ready").json() == {"status": "healthy"}
    answer = api.get("/health")
    assert answer.status_code == 503
    document = answer.json()
    assert document["status"] == "unhealthy"
    assert document["checks"]["state_database"] == "ok"
    assert "Kafka Connect" in document["checks"]["kafka_connect"]
    assert "daemon" in document["checks"]["dagster_daemon"]


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_without_a_state_database_it_is_not_ready_and_says_so(start_api: StartApi, path: str) -> None:
    with start_api(url=f"postgresql://cdc:a-secret-word@127.0.0.1:{free_port()}/cdctest") as lost:
        answer = lost.get(path)
        assert answer.status_code == 503
        assert "state database" in answer.json()["checks"]["state_database"]
        listed = lost.get("/api/pipelines")
        assert (listed.status_code, listed.json()["code"]) == (503, "STATE_DATABASE_UNAVAILABLE")
        assert "a-secret-word" not in answer.text + listed.text
        assert lost.get("/health/live").ok
