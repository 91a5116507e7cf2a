"""Errors as `application/problem+json` (RFC 9457) with our two members more: `code` and `fix`."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

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
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_FIXES = {
    404: "see GET /api/pipelines for the pipelines, /docs for the paths",
    405: "see /docs for the methods of each path",
}


class ProblemDocument(BaseModel):
    """What is wrong, why, and the way out."""

    type: str = Field(default="about:blank", examples=["about:blank"])
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


_ShowToPeople = Callable[[Request, dict[str, object]], Response | None]


def register_problems(app: FastAPI, *, show_to_people: _ShowToPeople) -> None:
    """Make every error of the application a problem document; `show_to_people` makes a page of it for a browser."""
    app.state.show_to_people = show_to_people
    app.exception_handler(Problem)(answer)
    app.exception_handler(CdcAssetsError)(_product_error)
    app.exception_handler(RequestValidationError)(_invalid_request)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(500)(_defect)


def answer(request: Request, problem: Problem) -> Response:
    """Answer a problem: as a page where a browser asks for one, else as a problem document."""
    document = ProblemDocument(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        detail=problem.detail,
        fix=problem.fix,
    )
    shown: Response | None = request.app.state.show_to_people(request, document.model_dump())
    if shown is None:
        shown = JSONResponse(document.model_dump(), problem.status, media_type="application/problem+json")
    shown.headers.update(problem.headers or {})
    return shown


def _product_error(request: Request, error: CdcAssetsError) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    return answer(request, Problem(status, error.code, error.message, fix=error.hint))


def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    # Not the input itself: it may be a secret put into the wrong place.
    reasons = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return answer(request, Problem(422, "REQUEST_INVALID", "; ".join(reasons), fix="correct the request; see /docs"))


def _http_error(request: Request, error: HTTPException) -> Response:
    code = HTTPStatus(error.status_code).name
    detail = f"{request.method} {request.url.path}: {error.detail}"
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_methods_of_path(request))}
    fix = _FIXES.get(error.status_code, "see /docs")
    return answer(request, Problem(error.status_code, code, detail, fix=fix, headers=headers))


def _methods_of_path(request: Request) -> list[str]:
    """List what the path answers to, whichever route does; the framework names the methods of one route only."""
    if any(isinstance(route, Mount) and route.matches(request.scope)[0] is Match.FULL for route in request.app.routes):
        return ["GET", "HEAD"]
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


def _defect(request: Request, _error: Exception) -> Response:
    problem = Problem(500, "INTERNAL", "the API failed; its log has the cause", fix="see CDC_HOME/logs/http_api.log")
    return answer(request, problem)
