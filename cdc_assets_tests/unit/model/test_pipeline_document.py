"""One document a pipeline, whatever is known of it: the keys that users and the HTTP API rely on never vanish."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cdc_assets.model.pipeline import (
    Connection,
    Definitions,
    Endpoint,
    InvalidDefinition,
    Mode,
    Pipeline,
    SecretReference,
)
from cdc_assets.model.pipeline_document import pipeline_documents
from cdc_assets.model.status import TableState
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets_tests.orchestration.fake_commands import a_table
from cdc_assets_tests.services.records import pipeline_row

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_SERVER = Connection("app", "postgres", "db.example", 5432, "cdc", SecretReference(env="APP_PASSWORD"))
DEFINED = Pipeline(
    "defined",
    Mode.FULL_LOAD_AND_CDC,
    source=Endpoint(_SERVER, "cdctest", "public"),
    target=Endpoint(_SERVER, "cdctest", "dbo"),
    tables=(TableMapping(TableName("public", "orders"), TableName("dbo", "orders_copy")),),
)
RECORDED = pipeline_row(name="recorded", attempt=1, asked_at=NOW, updated_at=NOW)


def test_defined_recorded_and_invalid_pipelines_have_the_same_keys() -> None:
    definitions = Definitions(
        (DEFINED,), (InvalidDefinition("bad", Path("bad.yaml"), ("bad.yaml:1: what. Fix: this",)),)
    )
    documents = pipeline_documents(definitions, [RECORDED])
    assert [document["name"] for document in documents] == ["bad", "defined", "recorded"]
    assert len({frozenset(document) for document in documents}) == 1
    assert [document["status"] for document in documents] == ["INVALID", "NOT_STARTED", "RUNNING"]
    assert documents[1]["tables"][0]["target_table"] == "orders_copy"


def test_a_bad_file_does_not_hide_what_still_runs() -> None:
    invalid = InvalidDefinition("recorded", Path("recorded.yaml"), ("recorded.yaml:3: unknown key. Fix: remove it",))
    (document,) = pipeline_documents(Definitions((), (invalid,)), [RECORDED])
    assert (document["status"], document["cdc_status"]) == ("INVALID", "RUNNING")
    assert document["last_error"] == "recorded.yaml:3: unknown key. Fix: remove it"


def test_a_recorded_pipeline_whose_file_is_gone_stays_listed() -> None:
    (document,) = pipeline_documents(Definitions((), ()), [replace(RECORDED, last_error="its cause")])
    assert (document["last_error"], document["source"]) == ("its cause", None)


def test_a_table_that_left_the_file_says_what_will_become_of_it() -> None:
    rows = (a_table("orders"), a_table("gone"), a_table("never", TableState.NOT_STARTED), a_table("bad", error="why"))
    (document,) = pipeline_documents(Definitions((DEFINED,)), [replace(RECORDED, name="defined", tables=rows)])
    told = {table["name"]: table["last_error"] for table in document["tables"]}
    assert (told["orders"], told["never"], told["bad"]) == (None, None, "why")
    assert told["gone"].startswith("table gone is not in the pipeline's file any more")
