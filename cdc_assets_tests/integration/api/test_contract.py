"""The OpenAPI document and the answers agree, whatever is asked: no 500, nothing undocumented."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cdc_assets.api import app
from cdc_assets_tests.integration.api.conftest import TOKEN, Api

schema = schemathesis.openapi.from_dict(app.openapi())


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: schemathesis.Case[Any], guarded_api: Api) -> None:
    # What a body has to hold is known to what reads the files, not to the document: a refusal is no finding. 503 is an
    # answer like others here: the source and Kafka Connect are away.
    answer = case.call_and_validate(
        base_url=guarded_api.url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
    )
    assert answer.status_code != 500
    assert answer.status_code < 500 or answer.json()


def test_the_document_has_every_path_of_the_api() -> None:
    paths = app.openapi()["paths"]
    assert {"/health", "/api/pipelines", "/api/pipelines/{key}/start", "/metrics"} <= set(paths)
