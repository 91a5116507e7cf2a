"""The OpenAPI document and the answers agree, whatever is asked: no 500, nothing undocumented."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation

from cdc_assets.api import app
from cdc_assets_tests.integration.api.conftest import CONTENT, TOKEN, Api

_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
_numbers = itertools.count()
schema = schemathesis.openapi.from_dict(app.openapi())
# Every check of schemathesis is on. 503 names who is away, as documented: here source, Kafka Connect and daemon are.
schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "503"]
# Beyond ASCII JSON Schema says neither how many bytes a text has nor whether it is printable.
schema.config.generation.codec = "ascii"


@schema.hook
def map_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Make most requests mean something here: what exists, and what fits together, no document can say."""
    if case.meta is None:
        return case
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        if "key" in case.path_parameters and sum(case.path_parameters["key"].encode()) % 4:
            case.path_parameters["key"] = "made" if case.method in {"PUT", "DELETE"} else "shop"
        if "table" in case.path_parameters and sum(case.path_parameters["table"].encode()) % 4:
            case.path_parameters["table"] = "orders"
    if case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        # A copy: the generator varies one and the same body again and again.
        case.body = copy.deepcopy(case.body)
        _fit_together(case.body)
    return case


def _fit_together(body: dict[str, Any]) -> None:
    """Name the connection that there is, each table once, and no column that is of no table or of the key."""
    if "name" in body:
        body["name"] = f"new_{next(_numbers)}"
    body["source"]["connection"] = body["target"]["connection"] = "app"
    listed = body["tables"] if isinstance(body["tables"], list) else []  # or `all`
    if listed:
        body.pop("except", None)
        body.pop("add_new_tables", None)
    for number, table in enumerate(listed):
        if isinstance(table, str):
            listed[number] = f"{table[:60]}{number}"
            continue
        table["name"] = f"{table['name'][:60]}{number}"
        if table.get("target") is not None:
            table["target"] = f"{table['target'][:60]}{number}"
        if "columns" in table:
            table["columns"]["exclude"] = [
                each for each in table["columns"].get("exclude", []) if each not in (table.get("key") or ())
            ]
    first = listed[0] if listed else "orders"
    name = first if isinstance(first, str) else first["name"]
    if "accept_inexact" in body.get("options", {}):
        body["options"]["accept_inexact"] = [f"{name}.{each}" for each in body["options"]["accept_inexact"]]


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: schemathesis.Case[Any], guarded_api: Api) -> None:
    if case.path_parameters.get("key") == "made":
        guarded_api.post("/api/pipelines", json={"name": "made", **CONTENT}, headers=_TOKEN)
    answer = case.call_and_validate(base_url=guarded_api.url, headers=_TOKEN)
    if answer.status_code == 201:
        assert guarded_api.delete(answer.headers["location"][0], headers=_TOKEN).status_code == 204


def test_the_document_has_every_path_of_the_api() -> None:
    paths = app.openapi()["paths"]
    assert {"/health", "/api/pipelines", "/api/pipelines/{key}/start", "/metrics"} <= set(paths)


def test_a_refused_method_is_told_every_method_of_the_path(api: Api) -> None:
    for path, methods in (("/api/pipelines", "GET, POST"), ("/api/pipelines/shop", "GET, PUT, DELETE")):
        refused = requests.patch(api.url + path, timeout=30)
        assert (refused.status_code, refused.headers["allow"]) == (405, methods)


def test_every_answer_and_body_has_an_example_that_is_one() -> None:
    document = app.openapi()
    shapes = {"components": document["components"]}
    for path, method, kind, content in _contents(document["paths"]):
        named = content["schema"].get("items", content["schema"])
        whole = document["components"]["schemas"][named["$ref"].rpartition("/")[2]] if "$ref" in named else named
        examples = [*whole.get("examples", []), *content.get("examples", [])]
        assert examples or all("examples" in each for each in whole["properties"].values()), (path, method, kind)
        for example in examples:
            jsonschema_rs.validate({**named, **shapes}, example)


def _contents(paths: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every JSON body and answer of the document."""
    for path, operations in paths.items():
        for method, operation in operations.items():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for kind, content in part.get("content", {}).items():
                    if "json" in kind:
                        yield path, method, kind, content
