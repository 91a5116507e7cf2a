"""Is the platform healthy? For people, load balancers and probes; open without a token."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings
from cdc_assets.api.shapes import HealthShape

router = APIRouter(tags=["health"])
_UNHEALTHY: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthShape, "description": "Something is away; `checks` says what and why."}
}


@router.get("/health", responses=_UNHEALTHY, response_model=HealthShape, summary="State database, Connect, daemon")
def health(settings: AppSettings) -> JSONResponse:
    """Ask the state database, Kafka Connect and the Dagster daemon for a sign of life."""
    return _answer(wiring.vital_signs(settings))


@router.get("/health/live", response_model=HealthShape, summary="The API answers")
def live() -> JSONResponse:
    """Answer; a process that does not is to be restarted."""
    return _answer({})


@router.get("/health/ready", responses=_UNHEALTHY, response_model=HealthShape, summary="Requests can be served")
def ready(settings: AppSettings) -> JSONResponse:
    """Ask the state database: without it no request can be served."""
    return _answer(wiring.vital_signs(settings, only_state_database=True))


def _answer(checks: dict[str, str | None]) -> JSONResponse:
    if all(cause is None for cause in checks.values()):
        return JSONResponse({"status": "healthy"})
    shown = {name: cause or "ok" for name, cause in checks.items()}
    return JSONResponse({"status": "unhealthy", "checks": shown}, status_code=503)
