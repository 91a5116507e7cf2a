"""The state database as one object: intents in, leases out, records for everybody."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import structlog
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.holder import RUN_STEP, bury, require_free
from cdc_assets.adapters.pipeline_store.lease import PostgresLease
from cdc_assets.adapters.pipeline_store.ledger import PIPELINE_FIELDS, Ledger
from cdc_assets.adapters.pipeline_store.renewal import Renewal
from cdc_assets.adapters.pipeline_store.rows import event_record, read_pipelines
from cdc_assets.adapters.pipeline_store.tables import pipeline_events, pipeline_leases, pipelines
from cdc_assets.model.errors import (
    CdcAssetsError,
    IntentChangedError,
    StateDatabaseError,
    UnknownPipelineError,
    UnknownTableError,
)
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import (
    CdcStatus,
    FullLoadStatus,
    Intent,
    PipelineStatus,
    TableState,
    is_aim_reached,
)

LEASE_DURATION = timedelta(seconds=8)
_AT_WORK = frozenset({CdcStatus.STARTING, CdcStatus.RUNNING, CdcStatus.PAUSED})
_log = structlog.get_logger(__name__)


class PostgresPipelineStore:
    """Implements `ports.store.PipelineStore` on PostgreSQL; `cdc_assets.migrations.migrate` makes its tables."""

    def __init__(self, database_url: str, *, lease_duration: timedelta = LEASE_DURATION) -> None:
        """Remember where the state database is; nothing connects before the first call."""
        self._url = database_url
        self._lease_duration = lease_duration
        self._database = StateDatabase(database_url)

    def close(self) -> None:
        """Close the pooled sessions."""
        self._database.close()

    def ensure_pipeline(self, pipeline: Pipeline, *, is_choice: bool = False) -> PipelineRecord:
        """Record a pipeline of the files and its tables where they are not recorded; idempotent, changes no state."""
        record = self.find(pipeline.name)
        if record is not None and _is_recorded(record, pipeline) and not is_choice:
            return record
        with self._database.change() as connection:
            new = connection.execute(
                insert(pipelines)
                .values(
                    id=uuid4(),
                    name=pipeline.name,
                    mode=pipeline.mode.value,
                    status=PipelineStatus.NOT_STARTED.value,
                    full_load_status=FullLoadStatus.NOT_STARTED.value,
                    cdc_status=CdcStatus.NOT_STARTED.value,
                    generation=1,
                    intent=Intent.STOPPED.value,
                    intent_version=0,
                    served_version=0,
                    attempt=0,
                    created_at=func.clock_timestamp(),
                    updated_at=func.clock_timestamp(),
                )
                .on_conflict_do_nothing(index_elements=["name"])
                .returning(pipelines.c.id)
            ).scalar_one_or_none()
            if new is not None:
                connection.execute(insert(pipeline_leases).values(pipeline_id=new, epoch=0))
            ledger = self._lock(connection, pipeline.name)
            if new is not None:
                for field in PIPELINE_FIELDS:
                    if ledger[field] is not None:
                        ledger.note(field, None, str(ledger[field]), cause="recorded")
            added = _record_tables(ledger, pipeline)
            if _is_untouched(ledger):
                ledger.set(mode=pipeline.mode.value, cause="the file changed")
                if is_choice:
                    ledger.keep_tables({mapping.partition_key for mapping in pipeline.tables})
            elif added and _is_at_rest(ledger) and ledger["intent"] == Intent.RUNNING:
                # Once for each table that comes, so that one that cannot be taken up is not tried for ever.
                _ask_again(ledger, cause=f"table {', '.join(added)} came to the pipeline")
            ledger.settle()
            return read_pipelines(connection, pipeline.name)[0]

    def list_pipelines(self) -> tuple[PipelineRecord, ...]:
        """Every recorded pipeline, by name."""
        with self._database.read() as connection:
            return read_pipelines(connection)

    def find(self, name: str) -> PipelineRecord | None:
        """The recorded pipeline of that name, or None."""
        with self._database.read() as connection:
            return next(iter(read_pipelines(connection, name)), None)

    def write_intent(self, name: str, intent: Intent, *, cause: str) -> PipelineRecord:
        """Record what the operator wants."""
        with self._database.change() as connection:
            ledger = self._lock(connection, name)
            if ledger["intent"] != intent or _is_new_try(ledger, intent):
                ledger.set(intent=intent.value, cause=cause)
                _ask_again(ledger, cause=cause)
                ledger.settle()
            return read_pipelines(connection, name)[0]

    def write_table_intent(self, name: str, table: str, intent: Intent, *, cause: str) -> PipelineRecord:
        """Record what the operator wants of one table."""
        with self._database.change() as connection:
            ledger = self._lock(connection, name)
            if table not in ledger.tables:
                raise UnknownTableError(
                    f"pipeline {name} has no table {table} (known: {', '.join(ledger.tables)})",
                    hint=f"see ./cdc status {name}",
                )
            ledger.set_table(table, intent=intent.value, cause=cause)
            ledger.settle()
            return read_pipelines(connection, name)[0]

    @contextmanager
    def take_lease(self, name: str, *, run_id: str, serves: int | None = None) -> Iterator[PostgresLease]:
        """Hold the pipeline's lease for the length of a `with` block."""
        asked = time.monotonic()
        with self._database.change() as connection:
            ledger = self._lock(connection, name, run_id=run_id)
            if serves is not None and ledger["intent_version"] != serves:
                raise _outdated(ledger, serves)
            require_free(ledger)
            bury(ledger)
            ledger.settle()
            epoch: int = ledger.lease["epoch"] + 1
            connection.execute(
                update(pipeline_leases)
                .where(pipeline_leases.c.pipeline_id == ledger.id)
                .values(
                    epoch=epoch,
                    holder=run_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    serves=ledger["intent_version"],
                    acquired_at=func.clock_timestamp(),
                    expires_at=func.clock_timestamp() + self._lease_duration,
                    released_at=None,
                )
            )
            version: int = ledger["intent_version"]
        renewal = Renewal(
            StateDatabase(self._url, application="cdc_assets:lease", pool_size=1),
            ledger.id,
            epoch,
            self._lease_duration,
            taken=asked,
        )
        renewal.start()
        try:
            yield PostgresLease(
                self._database, renewal, pipeline_id=ledger.id, name=name, epoch=epoch, run_id=run_id, version=version
            )
        finally:
            renewal.stop()
            self._release(ledger, epoch)

    def note_run_asked(self, name: str, *, version: int, died: CdcAssetsError | None = None) -> int:
        """Count one more request of a run for this version and return the attempt (1 for the first)."""
        with self._database.change() as connection:
            ledger = self._lock(connection, name)
            if not _is_open(ledger, version):
                raise _outdated(ledger, version)
            if not ledger.lease["lease_is_live"]:
                bury(ledger)
            if died is not None:
                ledger.set_error(RUN_STEP, died)
            attempt: int = ledger["attempt"] + 1
            ledger.set(attempt=attempt, asked_at=ledger.now)
            ledger.settle()
            return attempt

    def give_up(self, name: str, *, version: int, error: CdcAssetsError) -> bool:
        """Serve a version whose runs died too often; False, and nothing done, if a lease is alive or it is served."""
        with self._database.change() as connection:
            ledger = self._lock(connection, name)
            if ledger.lease["lease_is_live"] or not _is_open(ledger, version):
                return False
            bury(ledger)
            cause = error.code
            if ledger["full_load_status"] == FullLoadStatus.IN_PROGRESS:
                ledger.set(full_load_status=FullLoadStatus.FAILED.value, cause=cause)
            if ledger["cdc_status"] in _AT_WORK:
                # Nobody knows what the dead runs left in Kafka Connect.
                ledger.set(cdc_status=CdcStatus.ERROR.value, cause=cause)
            for table in ledger.tables:
                if ledger.table(table)["state"] == TableState.LOADING:
                    ledger.fail_table(table, TableState.FAILED, error)
            ledger.set_error(RUN_STEP, error)
            ledger.set(served_version=version)
            ledger.settle()
            return True

    def events(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        """The pipeline's events with an id above `after`, oldest first."""
        query = (
            select(pipeline_events)
            .where(pipeline_events.c.pipeline_name == name, pipeline_events.c.id > after)
            .order_by(pipeline_events.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(event_record(row) for row in connection.execute(query).mappings())

    def note(
        self, name: str, field: str, old: str | None, new: str | None, *, cause: str | None, table: str | None = None
    ) -> None:
        """Append an event that changes no state; nothing for an unknown pipeline."""
        with self._database.change() as connection:
            ledger = Ledger.lock(connection, pipelines.c.name == name)
            if ledger is not None:
                ledger.note(field, old, new, cause=cause, table=table)

    def forget(self, name: str) -> None:
        """Delete the pipeline's state rows; its events stay."""
        with self._database.change() as connection:
            ledger = self._lock(connection, name)
            require_free(ledger)
            ledger.note("status", ledger["status"], None, cause="dropped")
            connection.execute(delete(pipelines).where(pipelines.c.id == ledger.id))

    def lease_duration(self) -> timedelta:
        """How long a lease lives without renewal."""
        return self._lease_duration

    def _lock(self, connection: Connection, name: str, *, run_id: str | None = None) -> Ledger:
        ledger = Ledger.lock(connection, pipelines.c.name == name, run_id=run_id)
        if ledger is None:
            raise UnknownPipelineError(
                f"no pipeline {name} is recorded",
                hint="see ./cdc status for the names; a new file is recorded by ./cdc check",
            )
        return ledger

    def _release(self, ledger: Ledger, epoch: int) -> None:
        try:
            with self._database.change() as connection:
                connection.execute(
                    update(pipeline_leases)
                    .where(pipeline_leases.c.pipeline_id == ledger.id, pipeline_leases.c.epoch == epoch)
                    .values(released_at=func.coalesce(pipeline_leases.c.released_at, func.clock_timestamp()))
                )
        except StateDatabaseError as error:
            # The lease runs out by itself; what the block did, or why it failed, matters more than this.
            _log.warning("lease not released", pipeline=ledger.name, reason=error.message)


def _is_recorded(record: PipelineRecord, pipeline: Pipeline) -> bool:
    recorded = {table.source_table: table for table in record.tables}
    return record.mode is pipeline.mode and all(
        mapping.partition_key in recorded
        and (
            recorded[mapping.partition_key].target_table == mapping.target.name
            or recorded[mapping.partition_key].state is not TableState.NOT_STARTED
        )
        for mapping in pipeline.tables
    )


def _record_tables(ledger: Ledger, pipeline: Pipeline) -> list[str]:
    """Record the tables that are not recorded; returns them."""
    added = []
    for mapping in pipeline.tables:
        name = mapping.partition_key
        if name not in ledger.tables:
            ledger.add_table(name, mapping.target.name)
            added.append(name)
        elif ledger.table(name)["state"] == TableState.NOT_STARTED:
            ledger.set_table(name, target_table=mapping.target.name)
    return added


def _is_new_try(ledger: Ledger, intent: Intent) -> bool:
    """Whether the same wish again has something to do: its aim was not reached, or a table has come since."""
    has_new_table = any(ledger.table(name)["state"] == TableState.NOT_STARTED for name in ledger.tables)
    is_reached = is_aim_reached(intent, PipelineStatus(ledger.derived()))
    return _is_at_rest(ledger) and (not is_reached or (intent is Intent.RUNNING and has_new_table))


def _is_at_rest(ledger: Ledger) -> bool:
    return bool(ledger["served_version"] >= ledger["intent_version"])


def _ask_again(ledger: Ledger, *, cause: str) -> None:
    ledger.set(intent_version=ledger["intent_version"] + 1, cause=cause)
    ledger.set(attempt=0, asked_at=None)


def _is_untouched(ledger: Ledger) -> bool:
    return (
        ledger["full_load_status"] == FullLoadStatus.NOT_STARTED
        and ledger["cdc_status"] == CdcStatus.NOT_STARTED
        and ledger["suffix"] is None
        and not ledger.lease["lease_is_live"]
    )


def _is_open(ledger: Ledger, version: int) -> bool:
    return bool(ledger["intent_version"] == version and ledger["served_version"] < version)


def _outdated(ledger: Ledger, version: int) -> IntentChangedError:
    return IntentChangedError(
        f"version {version} of the intent of pipeline {ledger.name} is not the open one"
        f" (it is {ledger['intent']}, version {ledger['intent_version']}, served {ledger['served_version']})",
        hint="nothing; the newer wish is carried out by a run of its own",
    )
