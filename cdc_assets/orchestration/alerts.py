"""The sensor that tells people who do not look: `run_failure_alert`."""

import dagster as dg

from cdc_assets.orchestration.commands import Commands
from cdc_assets.settings import Settings

_INTERVAL_SECONDS = 2


def alert_sensor(settings: Settings, commands: Commands) -> dg.SensorDefinition:
    """Return the sensor that decides from recorded facts what has to be told, and sends it."""

    @dg.sensor(
        name="run_failure_alert",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the channels of alerts.yaml what failed, what needs the operator and what has recovered, one"
        " message a problem. A receiver that is slow or away delays nothing; see ./cdc diagnose. When it fails, nobody"
        " is told: see the tick's error.",
    )
    def run_failure_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(commands.send_alerts(settings, log=context.log.info))

    return run_failure_alert
