"""Errors as `application/problem+json` (RFC 9457) with our two members more: `code` and `fix`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cdc_assets.model.errors import (
    CdcAssetsError,
    ConnectUnavailableError,
    DefinitionConflictError,
    DefinitionError,
    IllegalTransitionError,
    IntentChangedError,
    KafkaError,
    LeaseHeldError,
    NotPossibleNowError,
    SecretMissingError,
    SourceError,
    StateDatabaseError,
    TargetError,
    UnknownPipelineError,
)

_STATUS: Mapping[type[CdcAssetsError], int] = {
    UnknownPipelineError: 404,
    LeaseHeldError: 409,
    NotPossibleNowError: 409,
    IntentChangedError: 409,
    IllegalTransitionError: 409,
    DefinitionConflictError: 409,
    DefinitionError: 422,
    SecretMissingError: 503,
    StateDatabaseError: 503,
    SourceError: 503,
    TargetError: 503,
    ConnectUnavailableError: 503,
    KafkaError: 503,
}
_FIXES = {
    404: "see GET /api/pipelines for the pipelines, /docs for the paths",
    405: "see /docs for the methods of each path",
}


class ProblemDocument(BaseModel):
    """What is wrong, why, and the way out."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["PIPELINE_UNKNOWN"])
    detail: str = Field(examples=["there is no pipeline shop (known: final_test2)"])
    fix: str = Field(examples=["see the files in CDC_PIPELINES_DIR"])


class Problem(Exception):  # noqa: N818  RFC 9457 calls it so
    """An error of the API itself; those of the product are CdcAssetsError."""

    def __init__(
        self, status: int, code: str, detail: str, *, fix: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep what will be answered."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fix = fix
        self.headers = headers


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}},
    }
    for status in (400, 401, 403, 404, 405, 409, 422, 503)
}


def register_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.exception_handler(Problem)(_problem)
    app.exception_handler(CdcAssetsError)(_product_error)
    app.exception_handler(RequestValidationError)(_invalid_request)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(500)(_defect)


def _problem(_request: Request, error: Problem) -> JSONResponse:
    return _answer(error.status, error.code, error.detail, error.fix, error.headers)


def _product_error(_request: Request, error: CdcAssetsError) -> JSONResponse:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    return _answer(status, error.code, error.message, error.hint)


def _invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    # Not the input itself: it may be a secret put into the wrong place.
    reasons = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return _answer(422, "REQUEST_INVALID", "; ".join(reasons), "correct the request; see /docs")


def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    code = HTTPStatus(error.status_code).name
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return _answer(error.status_code, code, detail, _FIXES.get(error.status_code, "see /docs"), error.headers)


def _defect(_request: Request, _error: Exception) -> JSONResponse:
    return _answer(500, "INTERNAL", "the API failed; its log has the cause", "see CDC_HOME/logs/http_api.log")


def _answer(status: int, code: str, detail: str, fix: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    document = ProblemDocument(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, fix=fix)
    return JSONResponse(
        document.model_dump(),
        status_code=status,
        media_type="application/problem+json",
        headers=None if headers is None else dict(headers),
    )
