"""The right to change one pipeline: every method is one transaction that first asks whether the right still exists."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.ledger import PIPELINE_FIELDS, TABLE_FIELDS, Ledger
from cdc_assets.adapters.pipeline_store.load_rule import DEFECT, require_loaded
from cdc_assets.adapters.pipeline_store.renewal import Renewal
from cdc_assets.adapters.pipeline_store.rows import read_pipelines
from cdc_assets.adapters.pipeline_store.tables import pipelines
from cdc_assets.model.errors import (
    CdcAssetsError,
    IllegalTransitionError,
    IntentChangedError,
    LeaseLostError,
    RunDiedError,
    StateDatabaseError,
)
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import PipelineRecord, format_identities, parse_identities
from cdc_assets.model.status import (
    CDC_STEPS,
    FULL_LOAD_STEPS,
    TROUBLE,
    CdcStatus,
    FullLoadStatus,
    Intent,
    PipelineStatus,
    TableState,
    require_step,
)

_FLOWING = frozenset({TableState.STREAMING, TableState.PAUSED})
_LOADED = frozenset(
    {TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED}
)


class PostgresLease:
    """One holder's lease; made by `PostgresPipelineStore.take_lease`."""

    def __init__(
        self,
        database: StateDatabase,
        renewal: Renewal,
        *,
        pipeline_id: UUID,
        name: str,
        epoch: int,
        run_id: str,
        version: int,
    ) -> None:
        """Keep who holds what."""
        self._database = database
        self._renewal = renewal
        self._pipeline_id = pipeline_id
        self._name = name
        self._epoch = epoch
        self._run_id = run_id
        self._version = version

    @property
    def epoch(self) -> int:
        """Rises with every holder of the pipeline's lease."""
        return self._epoch

    @property
    def run_id(self) -> str:
        """Who holds it, as written into events."""
        return self._run_id

    @property
    def intent_version(self) -> int:
        """The intent version it serves."""
        return self._version

    def check(self) -> PipelineRecord:
        """Return the pipeline as it is recorded now, when this lease may still act."""
        with self._watched():
            with self._database.read() as connection:
                found = read_pipelines(connection, self._name)
            if not found or found[0].id != self._pipeline_id:
                raise self._lost("the pipeline was dropped")
            record = found[0]
            self._require_right(
                epoch=record.lease_epoch,
                is_live=record.lease_is_live,
                version=record.intent_version,
                intent=record.intent,
            )
            return record

    def set_names(
        self, *, suffix: str, slot: str, publication: str, source_connector: str, sink_prefix: str
    ) -> PipelineRecord:
        """Record the outside names of this generation; a second call with others is refused."""
        names = {
            "suffix": suffix,
            "slot_name": slot,
            "publication_name": publication,
            "debezium_connector_name": source_connector,
            "sink_connector_name": sink_prefix,
        }
        with self._changing() as ledger:
            if ledger["suffix"] is not None and any(ledger[column] != name for column, name in names.items()):
                raise IllegalTransitionError(
                    f"pipeline {self._name} already has the names of {ledger['slot_name']}", hint=DEFECT
                )
            ledger.set(**names)
            ledger.settle()
            return read_pipelines(ledger.connection, self._name)[0]

    def set_table_names(self, table: str, *, topic: str, sink_connector: str) -> None:
        """Record the topic and the sink connector of a table."""
        with self._changing() as ledger:
            ledger.set_table(table, topic=topic, sink_connector_name=sink_connector)

    def set_full_load(self, status: FullLoadStatus, *, cause: str, lsn: Lsn | None = None) -> None:
        """Change `full_load_status`."""
        with self._changing() as ledger:
            old = FullLoadStatus(ledger["full_load_status"])
            require_step(FULL_LOAD_STEPS, old, status, f"full load of pipeline {self._name}")
            if status is old:
                return
            ledger.set(full_load_status=status.value, cause=cause)
            match status:
                case FullLoadStatus.COMPLETED:
                    if lsn is None:
                        raise IllegalTransitionError(
                            f"full load of pipeline {self._name} cannot be COMPLETED without its position", hint=DEFECT
                        )
                    ledger.set(full_load_completed_at=ledger.now, full_load_lsn=str(lsn))
                case FullLoadStatus.IN_PROGRESS:
                    ledger.set(full_load_completed_at=None, full_load_lsn=None)

    def set_cdc(self, status: CdcStatus, *, cause: str) -> None:
        """Change `cdc_status`; RUNNING also serves the version when every table flows."""
        with self._changing() as ledger:
            require_step(CDC_STEPS, CdcStatus(ledger["cdc_status"]), status, f"capture of pipeline {self._name}")
            ledger.set(cdc_status=status.value, cause=cause)
            if status is CdcStatus.RUNNING and self._is_all_reached(ledger):
                # Else `cdc_status` would say RUNNING for a moment while `status` says STARTING.
                self._serve(ledger)

    def set_table(self, table: str, state: TableState, *, cause: str) -> None:
        """Change one table's state."""
        with self._changing() as ledger:
            require_loaded(ledger.table(table), state, mode=Mode(ledger["mode"]), pipeline=self._name)
            ledger.move_table(table, state, cause=cause)
            if state is TableState.LOADED and ledger.table(table)["loaded_at"] is None:
                ledger.set_table(table, loaded_at=ledger.now)

    def set_captured_from(self, tables: Sequence[str], lsn: Lsn) -> None:
        """Record from where the changes of these tables are complete; never moves a position that is recorded."""
        with self._changing() as ledger:
            for table in tables:
                if ledger.table(table)["captured_from_lsn"] is None:
                    ledger.set_table(table, captured_from_lsn=str(lsn))

    def set_load_position(
        self, table: str, *, lsn: Lsn, start_offset: int, rows_estimated: int, bytes_estimated: int
    ) -> None:
        """Record the snapshot a table's load begins under, and set its progress to zero."""
        with self._changing() as ledger:
            if TableState(ledger.table(table)["state"]) in _LOADED:
                raise IllegalTransitionError(
                    f"table {table} of pipeline {self._name} is loaded; its position cannot change", hint=DEFECT
                )
            ledger.set_table(
                table,
                load_lsn=str(lsn),
                start_offset=start_offset,
                rows_estimated=rows_estimated,
                bytes_estimated=bytes_estimated,
                rows_loaded=0,
                bytes_loaded=0,
                loaded_at=None,
            )

    def set_progress(self, table: str, *, rows: int, size_bytes: int) -> None:
        """Record rows and bytes loaded so far; no event."""
        with self._changing() as ledger:
            ledger.set_table(table, rows_loaded=rows, bytes_loaded=size_bytes)

    def set_original_identity(self, table: str, identities: Mapping[str, str]) -> None:
        """Record the replica identities to put back on `drop`; a leaf that is recorded keeps what is recorded."""
        with self._changing() as ledger:
            recorded = parse_identities(ledger.table(table)["original_identity"])
            ledger.set_table(table, original_identity=format_identities({**identities, **recorded}))

    def set_target(self, table: str, oid: int, columns: Mapping[str, str]) -> None:
        """Record the target table as we made it: its columns with their types."""
        with self._changing() as ledger:
            ledger.set_table(table, target_oid=oid, target_columns=dict(columns))

    def fail_table(self, table: str, state: TableState, error: CdcAssetsError) -> None:
        """Change a table's state to a state of trouble, with the error's sentence and code."""
        if state not in TROUBLE:
            raise IllegalTransitionError(f"{state} is not a state of trouble", hint=DEFECT)
        with self._changing() as ledger:
            ledger.fail_table(table, state, error)

    def clear_table_error(self, table: str) -> None:
        """Forget a table's last error: its cause is gone."""
        with self._changing() as ledger:
            ledger.set_table(table, last_error=None, last_error_code=None, cause="its cause is gone")

    def fail(self, step: str, error: CdcAssetsError) -> None:
        """Record the pipeline's last error, its code and the step that failed."""
        with self._changing() as ledger:
            ledger.set_error(step, error)

    def clear_error(self) -> None:
        """Forget the pipeline's last error: its cause is gone."""
        with self._changing() as ledger:
            ledger.clear_error("its cause is gone")

    def note(self, field: str, value: str, *, cause: str, table: str | None = None) -> None:
        """Append an event that changes no status."""
        if field in (PIPELINE_FIELDS if table is None else TABLE_FIELDS):
            msg = f"{field} is a column: its events are written by its changes"
            raise ValueError(msg)
        with self._changing() as ledger:
            ledger.note(field, None, value, cause=cause, table=table)

    def serve(self) -> None:
        """Record that the intent version of this lease has been taken to its end, good or bad."""
        with self._changing() as ledger:
            self._serve(ledger)

    @staticmethod
    def _is_all_reached(ledger: Ledger) -> bool:
        # A run of some of the tables leaves the others to the run that serves the version.
        flowing = all(ledger.table(name)["state"] in _FLOWING for name in ledger.tables)
        return flowing and ledger.derived(is_served=True) == PipelineStatus.RUNNING

    def _serve(self, ledger: Ledger) -> None:
        ledger.set(served_version=self._version)
        if ledger["last_error_code"] == RunDiedError.code and ledger.derived() != PipelineStatus.ERROR:
            ledger.clear_error("a later run reached the aim")

    @contextmanager
    def _changing(self) -> Iterator[Ledger]:
        with self._watched(), self._database.change() as connection:
            ledger = Ledger.lock(connection, pipelines.c.id == self._pipeline_id, run_id=self._run_id)
            if ledger is None:
                raise self._lost("the pipeline was dropped")
            self._require_right(
                epoch=ledger.lease["epoch"],
                is_live=ledger.lease["lease_is_live"],
                version=ledger["intent_version"],
                intent=Intent(ledger["intent"]),
            )
            yield ledger
            ledger.settle()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self._renewal.is_lost:
            raise self._lost("it was not renewed in time")
        try:
            yield
        except StateDatabaseError as error:
            # A process that slept in the middle of a change finds its session ended by the server.
            if self._renewal.is_lost:
                raise self._lost("it was not renewed in time") from error
            raise

    def _require_right(self, *, epoch: int, is_live: bool, version: int, intent: Intent) -> None:
        if epoch != self._epoch:
            raise self._lost("another run took over")
        if not is_live:
            raise self._lost("it ran out")
        if version != self._version:
            raise IntentChangedError(
                f"pipeline {self._name} is wanted {intent} now, version {version}; this run works for {self._version}",
                hint="nothing; the newer wish is carried out by a run of its own",
            )

    def _lost(self, reason: str) -> LeaseLostError:
        return LeaseLostError(
            f"run {self._run_id} may not work on pipeline {self._name} any more: {reason}",
            hint="nothing; the next run continues from what is recorded",
        )
