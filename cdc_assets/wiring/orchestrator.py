"""Dagster as the product's other parts see it: whether its daemon lives, which stack it belongs to, a reload."""

from dataclasses import dataclass
from datetime import datetime

from cdc_assets.adapters.dagster_client import DagsterClient
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.errors import NotTakenUpError
from cdc_assets.settings import Settings, inherited_environment

LOCATION = "cdc_assets"
_SILENT_SECONDS = 30
_STACK_ID = "CDC_STACK_ID"


@dataclass(frozen=True, slots=True)
class CurrentStack:
    """The embedded stack this process belongs to (`id` is empty outside of one) and when this process asked."""

    id: str
    seen_at: datetime


def current_stack() -> CurrentStack:
    """Return the stack whose child this process is; every start of the stack has another id."""
    return CurrentStack(inherited_environment().get(_STACK_ID, ""), SystemClock().now())


def daemon_age(settings: Settings) -> float | None:
    """Seconds since a Dagster daemon gave a sign of life; None when none ever did, StateDatabaseError when unknown."""
    return _client(settings).daemon_age()


def require_daemon(settings: Settings, what: str) -> None:
    """Raise NotTakenUpError unless a Dagster daemon lives that takes up `what`; it would tick every few seconds."""
    age = daemon_age(settings)
    if age is None or age > _SILENT_SECONDS:
        seen = "none has ever been seen" if age is None else f"its last sign is {age:.0f} s old"
        raise NotTakenUpError(
            f"no Dagster daemon takes up {what}: {seen}",
            hint="start the stack with ./cdc up; what was asked for is kept and taken up then",
        )


def reload_code_location(settings: Settings) -> None:
    """Make Dagster read the pipeline files again; NotTakenUpError when it does not."""
    _client(settings).reload()


def _client(settings: Settings) -> DagsterClient:
    # An address that means "all" is none to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.ui_host, settings.ui_host)  # noqa: S104
    return DagsterClient(database_url=settings.database_url, url=f"http://{host}:{settings.ui_port}", location=LOCATION)
