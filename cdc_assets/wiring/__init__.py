"""Composition root: which adapters stand behind the ports, and the operations that entry points call."""

from cdc_assets.wiring.control import RunWish, find_pipeline, reconcile, request_start, request_stop
from cdc_assets.wiring.health import observe_health
from cdc_assets.wiring.inspection import check, plan
from cdc_assets.wiring.orchestrator import CurrentStack, current_stack, daemon_age, reload_code_location
from cdc_assets.wiring.parts import load_definitions, load_settings, migrate, open_store
from cdc_assets.wiring.removal import drop
from cdc_assets.wiring.run import sync

__all__ = [
    "CurrentStack",
    "RunWish",
    "check",
    "current_stack",
    "daemon_age",
    "drop",
    "find_pipeline",
    "load_definitions",
    "load_settings",
    "migrate",
    "observe_health",
    "open_store",
    "plan",
    "reconcile",
    "reload_code_location",
    "request_start",
    "request_stop",
    "sync",
]
