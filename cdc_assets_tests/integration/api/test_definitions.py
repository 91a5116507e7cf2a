"""Pipeline files over HTTP: refused by name before anything is written, comments kept, deleted only at rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cdc_assets.model.status import Intent
from cdc_assets.wiring import open_store
from cdc_assets_tests.integration.api.conftest import CONTENT, Api


def _ask(api: Api, method: str, path: str, document: object = None) -> requests.Response:
    return requests.request(method, f"{api.url}/api/pipelines{path}", json=document, timeout=30)


@pytest.fixture
def file(api: Api) -> Iterator[Path]:
    """Where the file of pipeline `made` stands; it is gone afterwards."""
    path = api.settings.pipelines_dir / "made.yaml"
    yield path
    _ask(api, "DELETE", "/made")
    path.unlink(missing_ok=True)


def test_a_made_pipeline_is_a_file_and_a_record(api: Api, file: Path) -> None:
    made = _ask(api, "POST", "", {"name": "made", **CONTENT})
    assert (made.status_code, made.headers["location"]) == (201, "/api/pipelines/made")
    assert (made.json()["status"], made.json()["tables"][0]["name"]) == ("NOT_STARTED", "customers")
    assert "full_load_only" in file.read_text()
    again = _ask(api, "POST", "", {"name": "made", **CONTENT})
    assert (again.status_code, again.json()["code"]) == (409, "DEFINITION_CONFLICT")


def test_all_tables_of_a_schema_are_asked_for_by_a_word(api: Api, file: Path) -> None:
    rule = {"tables": "all", "except": ["audit_log"], "add_new_tables": True}
    made = _ask(api, "POST", "", {"name": "made", **CONTENT, **rule})
    assert (made.status_code, made.json()["tables"]) == (201, [])
    assert "tables: all" in file.read_text()
    # Which tables that are is asked of the source, which is away: nothing is started on a guess.
    started = _ask(api, "POST", "/made/start")
    assert (started.status_code, started.json()["code"]) == (503, "SOURCE_UNAVAILABLE")
    record = open_store(api.settings).find("made")
    assert record is not None
    assert record.intent is Intent.STOPPED
    listed = _ask(api, "PUT", "/made", CONTENT)
    assert [table["name"] for table in listed.json()["tables"]] == ["customers"]
    refused = _ask(api, "PUT", "/made", {**CONTENT, "except": ["audit_log"]})
    assert (refused.status_code, "`except` goes with `tables: all` only" in refused.json()["detail"]) == (422, True)


def test_a_change_keeps_the_comments_beside_what_stays(api: Api, file: Path) -> None:
    file.write_text(
        "# who owns it\nmode: full_load_only  # for now\n"
        "source: {connection: app, database: cdctest, schema: public}\n"
        "target: {connection: app, database: cdctest, schema: dbo}\n"
        "tables:\n  - customers  # the big one\n  - parcels  # soon gone\n"
    )
    changed = _ask(api, "PUT", "/made", {**CONTENT, "tables": ["customers", {"name": "orders", "target": "o"}]})
    assert changed.status_code == 200, changed.text
    assert sorted(table["name"] for table in changed.json()["tables"]) == ["customers", "orders"]
    text = file.read_text()
    assert all(comment in text for comment in ("# who owns it", "# for now", "# the big one"))
    assert "parcels" not in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mode": "sometimes"}, "mode"),
        ({"tables": []}, "tables"),
        ({"speed": "fast"}, "speed"),
        ({"source": {"connection": "apq", "database": "cdctest", "schema": "public"}}, "apq"),
        ({"name": "../escaped"}, "../escaped"),
        ({"name": "Made"}, "Made"),
        ({"name": None}, "name"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_not_written(
    api: Api, file: Path, change: dict[str, Any], named: str
) -> None:
    before = sorted(api.settings.pipelines_dir.parent.rglob("*"))
    refused = _ask(api, "POST", "", {"name": "made", **CONTENT, **change})
    assert refused.status_code == 422, refused.text
    assert named in refused.json()["detail"]
    assert refused.json()["fix"]
    assert sorted(api.settings.pipelines_dir.parent.rglob("*")) == before
    assert not file.exists()


def test_a_refused_change_leaves_the_file_as_it_is(api: Api, file: Path) -> None:
    _ask(api, "POST", "", {"name": "made", **CONTENT})
    before = file.read_text()
    refused = _ask(api, "PUT", "/made", {**CONTENT, "options": {"load_streams": 0}})
    assert refused.status_code == 422
    assert "load_streams" in refused.json()["detail"]
    assert file.read_text() == before
    assert _ask(api, "PUT", "/nothing", CONTENT).status_code == 404


def test_a_pipeline_at_work_is_not_deleted(api: Api, file: Path) -> None:
    _ask(api, "POST", "", {"name": "made", **CONTENT})
    store = open_store(api.settings)
    store.write_intent("made", Intent.RUNNING, cause="a test")
    refused = _ask(api, "DELETE", "/made")
    assert (refused.status_code, refused.json()["code"]) == (409, "DEFINITION_CONFLICT")
    assert file.exists()
    store.write_intent("made", Intent.STOPPED, cause="a test")
    with store.take_lease("made", run_id="a test") as lease:
        lease.serve()
    assert _ask(api, "DELETE", "/made").status_code == 204
    assert not file.exists()
    assert _ask(api, "DELETE", "/made").status_code == 404
