"""Who holds the lease of a locked pipeline: alive, gone, or dead without a word."""

from sqlalchemy import func, update

from cdc_assets.adapters.pipeline_store.ledger import Ledger
from cdc_assets.adapters.pipeline_store.tables import pipeline_leases
from cdc_assets.model.errors import LeaseHeldError, RunDiedError

RUN_STEP = "run"
"""`failed_step` of a run that ended without a word, and the field of the event that says so."""


def require_free(ledger: Ledger) -> None:
    """Return unless somebody works on the pipeline; LeaseHeldError names him."""
    lease = ledger.lease
    if lease["lease_is_live"]:
        raise LeaseHeldError(
            f"run {lease['holder']} (process {lease['pid']} on {lease['host']}) works on pipeline {ledger.name}",
            hint="wait until it ends; a dead one is replaced by itself after a few seconds",
        )


def bury(ledger: Ledger) -> None:
    """Record the death of a holder that neither released its lease nor renewed it; he can do nothing any more."""
    lease = ledger.lease
    if lease["holder"] is None or lease["released_at"] is not None:
        return
    error = RunDiedError(
        f"run {lease['holder']} (process {lease['pid']} on {lease['host']}) ended without a word, last heard of before"
        f" {lease['expires_at']:%Y-%m-%d %H:%M:%S} UTC",
        hint="nothing, it is tried again; if it happens again look for a killed process (memory) on that machine",
    )
    ledger.note(RUN_STEP, lease["holder"], None, cause=f"{error.code}: {error}")
    if ledger["served_version"] < ledger["intent_version"]:
        ledger.set_error(RUN_STEP, error)
    ledger.connection.execute(
        update(pipeline_leases)
        .where(pipeline_leases.c.pipeline_id == ledger.id)
        .values(released_at=func.clock_timestamp())
    )
