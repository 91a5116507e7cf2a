"""Does what the platform stands on answer? One question each, given up within seconds."""

from collections.abc import Callable

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.settings import Settings
from cdc_assets.wiring.basics import open_store
from cdc_assets.wiring.orchestrator import require_daemon
from cdc_assets.wiring.parts import open_connect

_PATIENCE_SECONDS = 2


def vital_signs(settings: Settings, *, only_state_database: bool = False) -> dict[str, str | None]:
    """Return what was asked, each with None when it answers, else with the sentence that says why not."""
    checks = {"state_database": _cause(lambda: open_store(settings).list_pipelines())}
    if not only_state_database:
        connect = open_connect(settings, patience_seconds=_PATIENCE_SECONDS)
        checks["kafka_connect"] = _cause(connect.plugins)
        checks["dagster_daemon"] = _cause(lambda: require_daemon(settings, "requests"))
    return checks


def _cause(question: Callable[[], object]) -> str | None:
    try:
        question()
    except CdcAssetsError as error:
        return str(error)
    return None
