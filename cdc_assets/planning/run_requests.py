"""Whether a pipeline needs a run, a stop or nothing: the decision behind the `reconcile` sensor.

`run_key` carries version and attempt: Dagster starts a key once and never again, so a lost request cannot become two
runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import Intent

MAX_ATTEMPTS = 4  # The first run and three more after deaths.
_PAUSE = timedelta(seconds=5)
# A holder renews four times in a lease's life: with less than this left it has missed one renewal.
_SILENT_BELOW = 0.6


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now."""


@dataclass(frozen=True, slots=True)
class AskRun:
    """Ask Dagster for this attempt at this version; `after_death`: the run before ended without a word."""

    version: int
    attempt: int
    after_death: bool


@dataclass(frozen=True, slots=True)
class StopIdle:
    """No run is at work and the operator wants it stopped: the tick stops it itself, no queue place needed."""

    version: int


@dataclass(frozen=True, slots=True)
class PauseIdle:
    """No run is at work and the operator wants it paused: the tick holds its sinks itself."""

    version: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Every attempt at this version died."""

    version: int
    attempts: int


Decision = Wait | AskRun | StopIdle | PauseIdle | GiveUp


def run_key(pipeline: str, version: int, attempt: int) -> str:
    """The key under which Dagster starts at most one run."""
    return f"{pipeline}:{version}:{attempt}"


def is_silent(record: PipelineRecord, lease_duration: timedelta) -> bool:
    """Whether the holder of a live lease has missed a renewal: it is dead soon, or it speaks again."""
    left = record.lease_time_left
    return record.lease_is_live and left is not None and left < lease_duration * _SILENT_BELOW


def decide(  # noqa: PLR0911  one return a rule, in the order in which they hold
    record: PipelineRecord, *, now: datetime, run_is_pending: bool, holder_is_alive: bool
) -> Decision:
    """Decide for one pipeline.

    `run_is_pending`: the Dagster run of the last attempt is queued or running. `holder_is_alive`: the lease's holder
    is not a Dagster run that has ended. Dagster is not believed alone: a run it calls running is dead when the lease
    it took has run out (its launcher may be gone).
    """
    if record.intent_version <= record.served_version:
        return Wait()
    version = record.intent_version
    worked_on = record.lease_serves == version
    if record.lease_is_live and (holder_is_alive or not worked_on):
        return Wait()
    if record.intent is Intent.STOPPED:
        return Wait() if record.lease_is_live else StopIdle(version)
    if record.intent is Intent.PAUSED:
        return Wait() if record.lease_is_live else PauseIdle(version)
    if record.attempt == 0 or record.asked_at is None:
        return AskRun(version, 1, after_death=worked_on)
    took_lease = worked_on and record.lease_taken_at is not None and record.lease_taken_at > record.asked_at
    if run_is_pending and not took_lease:
        return Wait()
    if record.attempt >= MAX_ATTEMPTS:
        return Wait() if record.lease_is_live else GiveUp(version, record.attempt)
    if now < record.asked_at + _PAUSE * record.attempt:
        return Wait()
    return AskRun(version, record.attempt + 1, after_death=True)
