"""Composition root: which adapters stand behind the ports, and the operations that entry points call."""

from cdc_assets.wiring.alerts import alert_report, send_alerts, try_channels
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
from cdc_assets.wiring.definitions import change_pipeline, create_pipeline, delete_pipeline
from cdc_assets.wiring.diagnosis import diagnose
from cdc_assets.wiring.health import observe_health
from cdc_assets.wiring.inspection import check, plan, read_lag
from cdc_assets.wiring.orchestrator import CurrentStack, current_stack, daemon_age, reload_code_location, require_daemon
from cdc_assets.wiring.parts import load_definitions, load_settings, migrate, open_store
from cdc_assets.wiring.removal import drop
from cdc_assets.wiring.run import sync
from cdc_assets.wiring.vital_signs import vital_signs

__all__ = [
    "CurrentStack",
    "RunWish",
    "alert_report",
    "change_pipeline",
    "check",
    "create_pipeline",
    "current_stack",
    "daemon_age",
    "delete_pipeline",
    "diagnose",
    "drop",
    "find_pipeline",
    "load_definitions",
    "load_settings",
    "migrate",
    "observe_health",
    "open_store",
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
