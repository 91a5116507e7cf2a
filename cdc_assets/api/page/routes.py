"""Routes of the page: itself, the parts its script asks for, its buttons, and the form for the token."""

import hashlib
import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings, require_same_origin
from cdc_assets.api.lookup import all_documents, find_document, usable_name
from cdc_assets.api.page.links import DagsterLinks
from cdc_assets.api.page.rendering import is_part, render
from cdc_assets.api.page.session import cookie_name, open_session, require_own_page, require_session
from cdc_assets.api.page.view import PipelineView, pipeline_view
from cdc_assets.api.problems import Problem
from cdc_assets.settings import Settings

_LONGEST_FORM = 10_000
_HISTORY = timedelta(hours=1)
_SIGNS = {
    "state_database": "State database",
    "kafka_connect": "Kafka Connect",
    "dagster_daemon": "Dagster daemon",
}
_PIPELINE_ACTIONS = {
    "start": wiring.request_start,
    "stop": wiring.request_stop,
    "pause": wiring.request_pause,
    "resume": wiring.request_resume,
}
_TABLE_ACTIONS = {"pause": wiring.request_table_pause, "resume": wiring.request_table_resume}
_buttons = [Depends(require_session), Depends(require_same_origin), Depends(require_own_page)]
router = APIRouter(include_in_schema=False)


async def _token_of_form(request: Request) -> str:
    """Return the one field of the form at /login."""
    form = b""
    async for part in request.stream():
        form += part
        if len(form) > _LONGEST_FORM:
            raise Problem(
                413, "REQUEST_INVALID", "this is too long for a token", fix="enter the value of CDC_API_TOKEN"
            )
    return parse_qs(form.decode(errors="replace")).get("token", [""])[0]


@router.get("/", dependencies=[Depends(require_session)])
def show_page(request: Request, settings: AppSettings) -> HTMLResponse:
    """Show every pipeline."""
    views = _views(request, settings)
    links = _links(request, settings)
    return HTMLResponse(
        render(
            "page.html",
            pipelines=views,
            seen=_fingerprint(views),
            dagster=links.base,
            directory=settings.pipelines_dir,
            has_session=settings.api_token is not None,
        )
    )


@router.get("/page/state", dependencies=[Depends(require_session)])
def show_state(request: Request, settings: AppSettings, seen: str = "") -> Response:
    """Show what has changed since the script last asked; nothing when nothing has."""
    views = _views(request, settings)
    now = _fingerprint(views)
    if now == seen:
        return Response(status_code=204)
    if now.partition(".")[0] != seen.partition(".")[0]:
        # Pipelines have come or gone: the whole page is another one.
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return HTMLResponse(render("state.html", pipelines=views, seen=now))


@router.get("/page/health", dependencies=[Depends(require_session)])
def show_health(settings: AppSettings) -> HTMLResponse:
    """Show what the platform stands on."""
    signs = wiring.vital_signs(settings)
    return HTMLResponse(render("health.html", signs=[(_SIGNS[name], cause) for name, cause in signs.items()]))


@router.get("/page/pipelines/{name}/lag", dependencies=[Depends(require_session)])
def show_lag(name: str, settings: AppSettings) -> JSONResponse:
    """Return the points of a pipeline's plot: seconds of the epoch, bytes, records."""
    pipeline_id = find_document(settings, name)["id"]
    samples = [] if pipeline_id is None else wiring.open_lag_history(settings).since(UUID(pipeline_id), _HISTORY)
    return JSONResponse(
        {
            "at": [sample.at.timestamp() for sample in samples],
            "bytes": [sample.bytes_behind for sample in samples],
            "records": [sample.records_behind for sample in samples],
        }
    )


@router.post("/page/pipelines/{name}/{action}", dependencies=_buttons)
def ask_pipeline(request: Request, settings: AppSettings, name: str, action: str) -> Response:
    """Do what a pipeline's button says, and show the pipeline as it is then."""
    ask = _PIPELINE_ACTIONS.get(action)
    if ask is None:
        raise _unknown(action)
    ask(settings, find_document(settings, name)["name"] if action == "stop" else usable_name(settings, name))
    return _answer(request, settings)


@router.post("/page/pipelines/{name}/tables/{table}/{action}", dependencies=_buttons)
def ask_table(request: Request, settings: AppSettings, name: str, table: str, action: str) -> Response:
    """Do what a table's button says, and show its pipeline as it is then."""
    ask = _TABLE_ACTIONS.get(action)
    if ask is None:
        raise _unknown(action)
    ask(settings, usable_name(settings, name), table)
    return _answer(request, settings)


@router.post("/login", dependencies=[Depends(require_same_origin), Depends(require_own_page)])
def log_in(request: Request, settings: AppSettings, token: Annotated[str, Depends(_token_of_form)]) -> Response:
    """Take the token once and give the browser a session for it."""
    expected = settings.api_token or ""
    if expected and not secrets.compare_digest(token.encode(), expected.encode()):
        raise Problem(401, "TOKEN_WRONG", "this is not the token", fix="enter the value of CDC_API_TOKEN")
    response = RedirectResponse("/", status_code=303)
    open_session(request, response, settings)
    return response


@router.post("/logout", dependencies=_buttons)
def log_out(request: Request) -> Response:
    """End the browser's session."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
    return response


def _answer(request: Request, settings: Settings) -> Response:
    if not is_part(request):
        # A browser without script: the page anew.
        return RedirectResponse("/", status_code=303)
    views = _views(request, settings)
    return HTMLResponse(render("state.html", pipelines=views, seen=_fingerprint(views)))


def _views(request: Request, settings: Settings) -> list[PipelineView]:
    links = _links(request, settings)
    return [pipeline_view(document, links) for document in all_documents(settings)]


def _links(request: Request, settings: Settings) -> DagsterLinks:
    return DagsterLinks.of(settings, host=request.url.hostname or settings.ui_host)


def _fingerprint(views: list[PipelineView]) -> str:
    """Name what a browser has: which cards there are, and what stands in them."""
    # A card that gets a plot is another card.
    cards = repr([(view.name, view.streams) for view in views])
    return ".".join(hashlib.sha256(text.encode()).hexdigest()[:16] for text in (cards, repr(views)))


def _unknown(action: str) -> Problem:
    return Problem(404, "NOT_FOUND", f"there is no button {action}", fix="use the buttons of the page")
