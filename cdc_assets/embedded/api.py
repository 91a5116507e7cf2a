"""The process of the HTTP API."""

import signal
import sys
from collections.abc import Mapping

import requests

from cdc_assets.embedded.server_process import ServerProcess
from cdc_assets.settings import Settings, checkout

_REQUEST_SECONDS = 5


def api_url(settings: Settings) -> str:
    """Address of the API, as a program on this machine reaches it."""
    # An address that means "all" is none to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return f"http://{host}:{settings.api_port}"


def api_server(settings: Settings, environment: Mapping[str, str]) -> ServerProcess:
    """Return the process that serves the API; `environment` names the state directory and the files."""
    address = ["--host", settings.api_host, "--port", str(settings.api_port)]
    return ServerProcess(
        "HTTP API",
        [sys.executable, "-m", "uvicorn", "cdc_assets.api:app", *address, "--no-access-log"],
        probe=lambda: _answers(f"{api_url(settings)}/health/live"),
        log=settings.logs_dir / "http_api.log",
        death_signal=signal.SIGTERM,
        # uvicorn ends itself by the signal that asked it to.
        expected_returncode=-signal.SIGTERM,
        environment=environment,
        cwd=checkout(),
        stop_seconds=10,
    )


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=_REQUEST_SECONDS).ok
    except requests.RequestException:
        return False
