"""What the store refuses: illegal steps, a load older than its capture, other names, words of its own in events."""

from collections.abc import Iterator

import psycopg
import pytest

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.adapters.pipeline_store.lease import PostgresLease
from cdc_assets.adapters.pipeline_store.tables import metadata
from cdc_assets.model.errors import IllegalTransitionError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import (
    CDC_STEPS,
    FULL_LOAD_STEPS,
    TABLE_STEPS,
    CdcStatus,
    FullLoadStatus,
    Intent,
    TableState,
)
from cdc_assets_tests.integration.state.steps import LOAD_LSN, REFUSED, SLOT_LSN, STEPS, pipeline

CAUSE = "a test"


@pytest.fixture
def lease(store: PostgresPipelineStore, wanted: str) -> Iterator[PostgresLease]:
    with store.take_lease(wanted, run_id="run") as held:
        yield held


def _put(state_url: str, lease: PostgresLease, table: str, **columns: object) -> None:
    """Put a row into a state past every rule."""
    names = ", ".join(f"{column} = %({column})s" for column in columns)
    key = "pipeline_id" if table == "pipeline_tables" else "id"
    with psycopg.connect(state_url) as session:
        session.execute(f"UPDATE {table} SET {names} WHERE {key} = %(id)s", {**columns, "id": lease.check().id})


@pytest.mark.parametrize("old", FullLoadStatus)
def test_illegal_full_load_steps_change_nothing(
    store: PostgresPipelineStore, lease: PostgresLease, state_url: str, old: FullLoadStatus
) -> None:
    for new in set(FullLoadStatus) - {old} - FULL_LOAD_STEPS[old]:
        _put(state_url, lease, "pipelines", full_load_status=old, full_load_completed_at="now", full_load_lsn="0/1")
        before = lease.check(), store.events(lease.check().name)
        with pytest.raises(IllegalTransitionError, match=f"{old} to {new}"):
            lease.set_full_load(new, cause=CAUSE, lsn=LOAD_LSN)
        assert (lease.check(), store.events(lease.check().name)) == before


@pytest.mark.parametrize("old", CdcStatus)
def test_illegal_cdc_steps_change_nothing(
    store: PostgresPipelineStore, lease: PostgresLease, state_url: str, old: CdcStatus
) -> None:
    for new in set(CdcStatus) - {old} - CDC_STEPS[old]:
        _put(state_url, lease, "pipelines", cdc_status=old)
        before = lease.check(), store.events(lease.check().name)
        with pytest.raises(IllegalTransitionError, match=f"{old} to {new}"):
            lease.set_cdc(new, cause=CAUSE)
        assert (lease.check(), store.events(lease.check().name)) == before


@pytest.mark.parametrize("old", TableState)
def test_illegal_table_steps_change_nothing(
    store: PostgresPipelineStore, lease: PostgresLease, state_url: str, old: TableState
) -> None:
    for new in set(TableState) - {old} - TABLE_STEPS[old]:
        _put(state_url, lease, "pipeline_tables", state=old, loaded_at="now", load_lsn="0/2", captured_from_lsn="0/1")
        before = lease.check(), store.events(lease.check().name)
        with pytest.raises(IllegalTransitionError, match=f"{old} to {new}"):
            lease.set_table("projects", new, cause=CAUSE)
        assert (lease.check(), store.events(lease.check().name)) == before


def test_every_legal_step_is_taken(store: PostgresPipelineStore, lease: PostgresLease, state_url: str) -> None:
    for old, news in TABLE_STEPS.items():
        for new in news:
            loaded = {"loaded_at": "now", "load_lsn": "0/2", "captured_from_lsn": "0/1"}
            _put(state_url, lease, "pipeline_tables", state=old, **loaded)
            lease.set_table("projects", new, cause=CAUSE)
            assert lease.check().table("projects").state is new
    for old_cdc, new_cdcs in CDC_STEPS.items():
        for new_cdc in new_cdcs:
            _put(state_url, lease, "pipelines", cdc_status=old_cdc)
            lease.set_cdc(new_cdc, cause=CAUSE)
            assert lease.check().cdc_status is new_cdc


def _load(lease: PostgresLease, *, captured_from: Lsn | None, read_at: Lsn | None) -> None:
    if captured_from is not None:
        lease.set_captured_from(["projects"], captured_from)
    lease.set_table("projects", TableState.PREPARED, cause=CAUSE)
    if read_at is not None:
        lease.set_load_position("projects", lsn=read_at, start_offset=0, rows_estimated=1, bytes_estimated=1)
    lease.set_table("projects", TableState.LOADING, cause=CAUSE)
    lease.set_table("projects", TableState.LOADED, cause=CAUSE)


@pytest.mark.parametrize(
    ("captured_from", "read_at", "why"),
    [
        # 0/F... is older than 10/0..., and sorts behind it as text.
        (Lsn.parse("10/0"), Lsn.parse("9/FFFFFFFF"), "loaded as of 9/FFFFFFFF"),
        (SLOT_LSN, None, "position of its load is unknown"),
        (None, LOAD_LSN, "from where its changes are complete"),
    ],
)
def test_a_load_that_may_lack_changes_does_not_become_loaded(
    lease: PostgresLease, captured_from: Lsn | None, read_at: Lsn | None, why: str
) -> None:
    with pytest.raises(IllegalTransitionError, match=why):
        _load(lease, captured_from=captured_from, read_at=read_at)
    assert lease.check().table("projects").state is TableState.LOADING


def test_a_load_at_the_very_position_of_the_capture_is_complete(lease: PostgresLease) -> None:
    _load(lease, captured_from=SLOT_LSN, read_at=SLOT_LSN)
    assert lease.check().table("projects").loaded_at is not None


def test_a_load_without_capture_needs_only_its_own_position(store: PostgresPipelineStore, name: str) -> None:
    store.ensure_pipeline(pipeline(name, Mode.FULL_LOAD_ONLY))
    with store.take_lease(name, run_id="run") as lease:
        _load(lease, captured_from=None, read_at=LOAD_LSN)


def test_changes_are_not_applied_to_a_table_that_is_not_loaded(lease: PostgresLease) -> None:
    lease.set_table("projects", TableState.PREPARED, cause=CAUSE)
    with pytest.raises(IllegalTransitionError, match="no load of it was verified"):
        lease.set_table("projects", TableState.CATCHING_UP, cause=CAUSE)


def test_a_failed_load_is_not_made_good_by_a_word(lease: PostgresLease) -> None:
    for step in ("captured from", "prepared", "load position", "loading"):
        STEPS[step].act(lease)
    lease.fail_table("projects", TableState.FAILED, REFUSED)
    for state in (TableState.CATCHING_UP, TableState.LOADED):
        with pytest.raises(IllegalTransitionError):
            lease.set_table("projects", state, cause=CAUSE)


@pytest.mark.parametrize("undoing", [TableState.RESYNC_REQUIRED, TableState.PREPARED])
def test_a_load_that_was_undone_must_be_done_again(lease: PostgresLease, undoing: TableState) -> None:
    _load(lease, captured_from=SLOT_LSN, read_at=LOAD_LSN)
    lease.set_table("projects", TableState.CATCHING_UP, cause=CAUSE)
    lease.set_table("projects", undoing, cause=CAUSE)
    lease.set_table("projects", TableState.FAILED, cause=CAUSE)
    with pytest.raises(IllegalTransitionError):
        lease.set_table("projects", TableState.CATCHING_UP, cause=CAUSE)


def test_a_sink_that_failed_goes_on_without_a_load(lease: PostgresLease) -> None:
    _load(lease, captured_from=SLOT_LSN, read_at=LOAD_LSN)
    lease.fail_table("projects", TableState.FAILED, REFUSED)
    lease.set_table("projects", TableState.LOADED, cause=CAUSE)
    lease.set_table("projects", TableState.CATCHING_UP, cause=CAUSE)


def test_cdc_only_applies_without_a_load(store: PostgresPipelineStore, name: str) -> None:
    store.ensure_pipeline(pipeline(name, Mode.CDC_ONLY))
    with store.take_lease(name, run_id="run") as lease:
        for state in (TableState.PREPARED, TableState.CATCHING_UP, TableState.STREAMING):
            lease.set_table("projects", state, cause=CAUSE)


def test_the_position_of_a_loaded_table_is_not_moved(lease: PostgresLease) -> None:
    _load(lease, captured_from=SLOT_LSN, read_at=LOAD_LSN)
    with pytest.raises(IllegalTransitionError, match="is loaded"):
        lease.set_load_position("projects", lsn=Lsn(1), start_offset=0, rows_estimated=0, bytes_estimated=0)


def test_a_new_load_position_sets_the_progress_to_zero(lease: PostgresLease) -> None:
    for step in ("prepared", "load position", "loading", "progress", "load position"):
        STEPS[step].act(lease)
    projects = lease.check().table("projects")
    assert (projects.rows_loaded, projects.bytes_loaded, projects.start_offset) == (0, 0, 7)
    assert (projects.rows_estimated, projects.bytes_estimated, projects.load_lsn) == (9, 900, LOAD_LSN)


def test_from_where_changes_are_complete_never_moves(lease: PostgresLease) -> None:
    lease.set_captured_from(["projects"], SLOT_LSN)
    lease.set_captured_from(["projects", "orders"], LOAD_LSN)
    record = lease.check()
    assert record.table("projects").captured_from_lsn == SLOT_LSN
    assert record.table("orders").captured_from_lsn == LOAD_LSN


def test_the_first_replica_identity_stays(lease: PostgresLease) -> None:
    lease.set_original_identity("projects", {"public.p1": "d"})
    lease.set_original_identity("projects", {"public.p1": "f", "public.p2": "n"})
    assert lease.check().table("projects").original_identities == {"public.p1": "d", "public.p2": "n"}


def test_names_are_given_once(lease: PostgresLease) -> None:
    STEPS["names"].act(lease)
    before = lease.check()
    STEPS["names"].act(lease)
    assert lease.check() == before
    with pytest.raises(IllegalTransitionError, match="already has the names of cdc_p"):
        lease.set_names(
            suffix="ffffff",
            slot="other",
            publication="cdc_p",
            source_connector="cdc_p_source",
            sink_prefix="cdc_p_sink",
        )
    assert lease.check() == before


def test_completed_needs_its_position(lease: PostgresLease) -> None:
    lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause=CAUSE)
    with pytest.raises(IllegalTransitionError, match="without its position"):
        lease.set_full_load(FullLoadStatus.COMPLETED, cause=CAUSE)
    lease.set_full_load(FullLoadStatus.COMPLETED, cause=CAUSE, lsn=LOAD_LSN)
    completed = lease.check()
    assert completed.full_load_completed_at is not None
    lease.set_full_load(FullLoadStatus.COMPLETED, cause=CAUSE, lsn=SLOT_LSN)
    assert lease.check() == completed
    lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause=CAUSE)
    assert (lease.check().full_load_completed_at, lease.check().full_load_lsn) == (None, None)


def test_only_trouble_fails_a_table(lease: PostgresLease) -> None:
    with pytest.raises(IllegalTransitionError, match="PREPARED is not a state of trouble"):
        lease.fail_table("projects", TableState.PREPARED, REFUSED)


def test_a_table_that_is_not_recorded_is_no_table(lease: PostgresLease) -> None:
    with pytest.raises(KeyError):
        lease.set_table("nobody", TableState.PREPARED, cause=CAUSE)


def test_a_note_cannot_look_like_a_change(lease: PostgresLease) -> None:
    with pytest.raises(ValueError, match="cdc_status is a column"):
        lease.note("cdc_status", "RUNNING", cause=CAUSE)
    with pytest.raises(ValueError, match="state is a column"):
        lease.note("state", "LOADED", cause=CAUSE, table="projects")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("pipelines", "mode"),
        ("pipelines", "status"),
        ("pipelines", "full_load_status"),
        ("pipelines", "cdc_status"),
        ("pipelines", "intent"),
        ("pipelines", "full_load_lsn"),
        ("pipelines", "suffix"),
        ("pipeline_tables", "state"),
        ("pipeline_tables", "intent"),
        ("pipeline_tables", "load_lsn"),
        ("pipeline_tables", "captured_from_lsn"),
    ],
)
def test_the_database_itself_refuses_other_words(lease: PostgresLease, state_url: str, table: str, column: str) -> None:
    assert column in metadata.tables[f"public.{table}"].c
    with pytest.raises(psycopg.errors.CheckViolation):
        _put(state_url, lease, table, **{column: "nonsense"})


def test_intents_are_the_words_of_the_model(store: PostgresPipelineStore, name: str) -> None:
    store.ensure_pipeline(pipeline(name))
    assert {store.write_intent(name, intent, cause=CAUSE).intent for intent in Intent} == set(Intent)
