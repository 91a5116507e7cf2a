"""The application: routes, who may call them, and how errors look."""

from fastapi import Depends, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cdc_assets.api import definitions, health, metrics, pipelines
from cdc_assets.api.access import LOOPBACK_NAMES, require_same_origin, require_token
from cdc_assets.api.problems import PROBLEM_RESPONSES, register_problems
from cdc_assets.settings import Settings

_DOCUMENT = "/openapi.json"
_DESCRIPTION = """Pipelines that copy PostgreSQL tables and keep the copies equal.

A start or a stop is *accepted* (202); the pipeline's `status` shows when it is done. Errors are
`application/problem+json` (RFC 9457) with `code`, `detail` and `fix`. With `CDC_API_TOKEN` set, every path but
`/health*` wants `Authorization: Bearer <token>`."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application for these settings; nothing connects before the first request."""
    # Both pages are made below: the document is as secret as what it describes, the page around it is empty.
    app = FastAPI(title="cdc_assets", version="1", description=_DESCRIPTION, openapi_url=None)
    app.state.settings = settings
    if settings.api_token is None:
        # Without a token the browser is the way in: a page of another site, or a name that leads here.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, settings.api_host])
    guarded = [Depends(require_token), Depends(require_same_origin)]
    app.include_router(health.router)
    app.include_router(pipelines.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.include_router(definitions.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.include_router(metrics.router, dependencies=guarded, responses=PROBLEM_RESPONSES)
    app.add_api_route(
        _DOCUMENT, lambda: JSONResponse(app.openapi()), dependencies=[Depends(require_token)], include_in_schema=False
    )
    app.add_api_route(
        "/docs", lambda: get_swagger_ui_html(openapi_url=_DOCUMENT, title=app.title), include_in_schema=False
    )
    register_problems(app)
    return app
