"""One look at everything that streams: what the `cdc_health` sensor calls."""

from collections.abc import Callable, Mapping

from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.errors import SecretMissingError
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.settings import Settings
from cdc_assets.stages.health import check_health
from cdc_assets.stages.observation import HealthContext
from cdc_assets.wiring.parts import load_definitions, open_connect, open_kafka, open_source, open_store, open_target

# A look comes again in seconds: who does not answer now is shown as away.
_PATIENCE_SECONDS = 2


def observe_health(settings: Settings, memories: Mapping[str, str], *, log: Callable[[str], None]) -> dict[str, str]:
    """Look once at every pipeline that streams: heal what may be healed, keep statuses and errors true.

    `memories`: what the last look left, by pipeline; returns what this one leaves. StateDatabaseError when there is no
    state database: nothing is done then.
    """
    store = open_store(settings)
    kept: dict[str, str] = {}
    for pipeline in load_definitions(settings).pipelines:
        if not pipeline.mode.captures:
            continue
        memory = HealthMemory.from_json(memories.get(pipeline.name))
        try:
            context = HealthContext(
                pipeline=pipeline,
                store=store,
                source=open_source(pipeline),
                target=open_target(pipeline),
                connect=open_connect(settings, patience_seconds=_PATIENCE_SECONDS),
                kafka=open_kafka(settings, timeout_seconds=_PATIENCE_SECONDS),
                clock=SystemClock(),
                log=log,
            )
        except SecretMissingError as error:
            log(f"{pipeline.name} cannot be looked at: {error}")
            kept[pipeline.name] = memory.to_json()
            continue
        report = check_health(context, memory)
        if report.has_changed and report.verdict is not None:
            log(f"{pipeline.name}: {report.verdict}")
        kept[pipeline.name] = report.memory.to_json()
    return kept
