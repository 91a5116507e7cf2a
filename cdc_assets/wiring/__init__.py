"""Composition root: which adapters stand behind the ports, and the operations that entry points call.

An operation's module is loaded when the operation is first asked for: most commands need few of them, and all of them
together take a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_assets.wiring.alerts import alert_report, alert_rules, send_alerts, try_channels
    from cdc_assets.wiring.basics import (
        known_definitions,
        load_definitions,
        load_settings,
        open_lag_history,
        open_store,
    )
    from cdc_assets.wiring.control import (
        RunWish,
        find_pipeline,
        reconcile,
        request_pause,
        request_resume,
        request_start,
        request_stop,
        request_table_pause,
        request_table_resume,
    )
    from cdc_assets.wiring.definitions import change_pipeline, create_pipeline, delete_pipeline, pipeline_schema
    from cdc_assets.wiring.diagnosis import diagnose
    from cdc_assets.wiring.health import observe_health
    from cdc_assets.wiring.inspection import check, plan, read_lag
    from cdc_assets.wiring.orchestrator import (
        CurrentStack,
        current_stack,
        daemon_age,
        reload_code_location,
        require_daemon,
    )
    from cdc_assets.wiring.parts import make_target_database, migrate
    from cdc_assets.wiring.removal import drop
    from cdc_assets.wiring.run import sync
    from cdc_assets.wiring.vitality import vital_signs

_HOMES = {
    "alerts": ("alert_report", "alert_rules", "send_alerts", "try_channels"),
    "basics": ("known_definitions", "load_definitions", "load_settings", "open_lag_history", "open_store"),
    "control": (
        "RunWish",
        "find_pipeline",
        "reconcile",
        "request_pause",
        "request_resume",
        "request_start",
        "request_stop",
        "request_table_pause",
        "request_table_resume",
    ),
    "definitions": ("change_pipeline", "create_pipeline", "delete_pipeline", "pipeline_schema"),
    "diagnosis": ("diagnose",),
    "health": ("observe_health",),
    "inspection": ("check", "plan", "read_lag"),
    "orchestrator": ("CurrentStack", "current_stack", "daemon_age", "reload_code_location", "require_daemon"),
    "parts": ("make_target_database", "migrate"),
    "removal": ("drop",),
    "run": ("sync",),
    "vitality": ("vital_signs",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CurrentStack",
    "RunWish",
    "alert_report",
    "alert_rules",
    "change_pipeline",
    "check",
    "create_pipeline",
    "current_stack",
    "daemon_age",
    "delete_pipeline",
    "diagnose",
    "drop",
    "find_pipeline",
    "known_definitions",
    "load_definitions",
    "load_settings",
    "make_target_database",
    "migrate",
    "observe_health",
    "open_lag_history",
    "open_store",
    "pipeline_schema",
    "plan",
    "read_lag",
    "reconcile",
    "reload_code_location",
    "request_pause",
    "request_resume",
    "request_start",
    "request_stop",
    "request_table_pause",
    "request_table_resume",
    "require_daemon",
    "send_alerts",
    "sync",
    "try_channels",
    "vital_signs",
]


def __getattr__(name: str) -> object:
    """Load an operation at its first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return found
