"""The application: routes, who may call them, and how errors look."""

from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from cdc_assets.api import definitions, health, metrics, page, pipelines
from cdc_assets.api.access import refuse_foreign_name, require_same_origin, require_token
from cdc_assets.api.documentation import DOCUMENT, FILES_PATH, documentation, files
from cdc_assets.api.problems import PROBLEM_RESPONSES, register_problems
from cdc_assets.settings import Settings

# Nothing inline, nothing of others, in nobody's frame.
_MAY_LOAD = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_DESCRIPTION = """Pipelines that copy PostgreSQL tables and keep the copies equal.

A start or a stop is *accepted* (202); the pipeline's `status` shows when it is done. Errors are
`application/problem+json` (RFC 9457) with `code`, `detail` and `fix`. With `CDC_API_TOKEN` set, every path but
`/health*` wants `Authorization: Bearer <token>`."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application for these settings; nothing connects before the first request."""
    # Both are made below: the document is as secret as what it describes, the page around it is empty.
    app = FastAPI(title="cdc_assets", version="1", description=_DESCRIPTION, openapi_url=None)
    app.state.settings = settings
    app.middleware("http")(_guard)
    guarded = [Depends(require_token), Depends(require_same_origin)]
    app.include_router(health.router)
    app.include_router(pipelines.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.include_router(definitions.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.include_router(metrics.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.add_api_route(
        DOCUMENT, lambda: JSONResponse(app.openapi()), dependencies=[Depends(require_token)], include_in_schema=False
    )
    app.include_router(documentation(app.title))
    app.include_router(page.router)
    app.mount(FILES_PATH, files)
    app.mount("/static", StaticFiles(directory=page.STATIC))
    register_problems(app, show_to_people=page.render_problem)
    return app


async def _guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer under our own names only, and tell browsers what our pages may do."""
    refused = refuse_foreign_name(request)
    response = refused if refused is not None else await proceed(request)
    response.headers.setdefault("Content-Security-Policy", _MAY_LOAD)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if not request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
