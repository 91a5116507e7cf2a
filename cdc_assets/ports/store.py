"""The state database as the stages see it: intents in, leased and conditional changes of state out.

Every change is committed when the method returns, together with its event and the derived `pipelines.status`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.lag_sample import LagSample
from cdc_assets.model.last_look import LastLook
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, TableState
from cdc_assets.planning.drift import Baseline


class Lease(Protocol):
    """The right to change one pipeline, held by one run or one sensor tick at a time.

    Kept alive from the moment it is taken until it is released, by renewals while its owner works. Every method that
    changes something is one transaction that first compares epoch and intent version: LeaseLostError when another
    holder took over or it ran out, IntentChangedError when the operator's intent is no longer the version this lease
    serves. IllegalTransitionError for a step the tables in `model/status.py` do not have.
    """

    @property
    def epoch(self) -> int:
        """Rises with every holder of the pipeline's lease."""

    @property
    def run_id(self) -> str:
        """Who holds it, as written into events."""

    @property
    def intent_version(self) -> int:
        """The intent version it serves."""

    def check(self) -> PipelineRecord:
        """Return the pipeline as recorded now, when this lease may still act; called before every external action."""

    def set_names(
        self, *, suffix: str, slot: str, publication: str, source_connector: str, sink_prefix: str
    ) -> PipelineRecord:
        """Record the outside names of this generation before anything of that name is made.

        A second call with others is refused.
        """

    def set_table_names(self, table: str, *, topic: str, sink_connector: str) -> None:
        """Record the topic and the sink connector of a table."""

    def set_full_load(self, status: FullLoadStatus, *, cause: str, lsn: Lsn | None = None) -> None:
        """Change `full_load_status`; COMPLETED also stamps `full_load_completed_at` and needs `lsn`."""

    def set_cdc(self, status: CdcStatus, *, cause: str) -> None:
        """Change `cdc_status`.

        RUNNING also serves the version when every table flows: else `status` would say RUNNING a moment later.
        """

    def set_table(self, table: str, state: TableState, *, cause: str) -> None:
        """Change one table's state.

        Where the mode loads: LOADED is refused while its `load_lsn` is missing or older than its `captured_from_lsn`
        (which a capturing mode needs), and CATCHING_UP and STREAMING while no load of it has become LOADED since the
        last LOADING or `set_load_position`.
        """

    def set_captured_from(self, tables: Sequence[str], lsn: Lsn) -> None:
        """Record from where the changes of these tables are complete; never moves a position that is recorded."""

    def set_load_position(
        self, table: str, *, lsn: Lsn, start_offset: int, rows_estimated: int, bytes_estimated: int
    ) -> None:
        """Record the snapshot a table's load begins under, and set its progress to zero.

        Refused for a table that is loaded.
        """

    def set_progress(self, table: str, *, rows: int, size_bytes: int) -> None:
        """Record rows and bytes loaded so far; no event."""

    def set_original_identity(self, table: str, identities: Mapping[str, str]) -> None:
        """Record the replica identities to put back on `drop`; a leaf that is recorded keeps what is recorded."""

    def set_target(self, table: str, oid: int, columns: Mapping[str, str]) -> None:
        """Record the target table as we made it: its columns with their types."""

    def fail_table(self, table: str, state: TableState, error: CdcAssetsError) -> None:
        """Change a table's state to a state of trouble, with the error's sentence and code."""

    def clear_table_error(self, table: str) -> None:
        """Forget a table's last error: its cause is gone."""

    def fail(self, step: str, error: CdcAssetsError) -> None:
        """Record the pipeline's last error, its code and the step that failed; the statuses are the caller's."""

    def clear_error(self) -> None:
        """Forget the pipeline's last error: its cause is gone."""

    def note(self, field: str, value: str, *, cause: str, table: str | None = None) -> None:
        """Append an event that changes no status (a heal, a wait with its blockers)."""

    def serve(self) -> None:
        """Record that the intent version of this lease has been taken to its end, good or bad."""


class PipelineStore(Protocol):
    """The state database. StateDatabaseError when it does not answer."""

    def ensure_pipeline(self, pipeline: Pipeline, *, is_choice: bool = False) -> PipelineRecord:
        """Record a pipeline of the files and its tables where they are not recorded; idempotent, changes no state.

        A change of mode is taken up while nothing was started. Tables that left the file stay recorded; with
        `is_choice`, of a pipeline that was never started, they are forgotten. A table that comes to a pipeline that was
        started, and at rest, is a new version of the intent RUNNING: the next run takes it up.
        """

    def list_pipelines(self) -> tuple[PipelineRecord, ...]:
        """Every recorded pipeline, by name."""

    def find(self, name: str) -> PipelineRecord | None:
        """The recorded pipeline of that name, or None."""

    def write_intent(self, name: str, intent: Intent, *, cause: str) -> PipelineRecord:
        """Record what the operator wants.

        The version rises when the intent changes, and also when the same is asked for again after the last version was
        served without reaching its aim (`is_aim_reached`: a new try); otherwise nothing changes. A never-started
        pipeline is STOPPED already: no new version.
        """

    def write_table_intent(self, name: str, table: str, intent: Intent, *, cause: str) -> PipelineRecord:
        """Record what the operator wants of one table; the pipeline's intent and its version stay.

        UnknownTableError when it is not recorded.
        """

    def take_lease(self, name: str, *, run_id: str, serves: int | None = None) -> AbstractContextManager[Lease]:
        """Hold the pipeline's lease for the length of a `with` block.

        `serves`: the intent version this holder works for, default the one recorded now. LeaseHeldError while another
        holder's lease is alive. A lease whose owner stopped renewing is dead after `lease_duration` and can be taken;
        the death is an event, and the last error while the version is unserved.
        """

    def note_run_asked(self, name: str, *, version: int, died: CdcAssetsError | None = None) -> int:
        """Count one more request of a run for this version, stamp `asked_at` and return the attempt (1 for the first).

        `died`: the run before ended without a word; recorded as the pipeline's last error, with its event. A version
        that is no longer the newest is not counted: IntentChangedError.
        """

    def give_up(self, name: str, *, version: int, error: CdcAssetsError) -> bool:
        """Serve a version whose runs died too often: statuses under way become FAILED and ERROR, with the error.

        False, and nothing done, when a lease is alive or the version is served or not the newest.
        """

    def events(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        """The pipeline's events with an id above `after`, oldest first."""

    def note(
        self, name: str, field: str, old: str | None, new: str | None, *, cause: str | None, table: str | None = None
    ) -> None:
        """Append an event that changes no state, by somebody who holds no lease; nothing for an unknown pipeline."""

    def forget(self, name: str) -> None:
        """Delete the pipeline's state rows (`drop`); its events stay. LeaseHeldError while someone works on it."""

    def lease_duration(self) -> timedelta:
        """How long a lease lives without renewal."""


class Looks(Protocol):
    """The last look at each stream: an observation, not state. StateDatabaseError as above."""

    def baseline(self, pipeline_id: UUID, *, root: str) -> Baseline | None:
        """Return what the last look at that generation of the pipeline left to compare with, or None."""

    def keep(self, pipeline_id: UUID, look: LastLook, baseline: Baseline, *, root: str) -> None:
        """Keep a look in place of the one before; nothing for a pipeline that was dropped meanwhile."""


class LagHistory(Protocol):
    """How far pipelines were behind, kept for a day: measurements, not state. StateDatabaseError as above."""

    def add(self, pipeline_id: UUID, *, bytes_behind: int | None, records_behind: int | None) -> None:
        """Keep a sample of now, and forget those of the pipeline that are older than a day."""

    def last(self, age: timedelta) -> Mapping[UUID, LagSample]:
        """Return the newest sample of every pipeline that has one not older than `age`."""

    def since(self, pipeline_id: UUID, age: timedelta) -> Sequence[LagSample]:
        """Return the samples of a pipeline that are not older than `age`, oldest first."""
