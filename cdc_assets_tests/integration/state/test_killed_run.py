"""A run killed with SIGKILL at each of its transitions, just before and just after the commit: the next one goes on.

The kill points are reached by the process itself (a hook at its COMMIT, an answer after it).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.model.errors import LeaseHeldError, RunDiedError
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import Intent, derive_status
from cdc_assets_tests.integration.state.conftest import LONG
from cdc_assets_tests.integration.state.run_process import AT_COMMIT, OK, RunProcess, run_process
from cdc_assets_tests.integration.state.steps import STEPS, pipeline

NAMES = tuple(STEPS)
EPOCH = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


@pytest.fixture
def run(state_url: str) -> Iterator[RunProcess]:
    with run_process(state_url, life=LONG) as process:
        yield process


@pytest.fixture(scope="module")
def undisturbed(store: PostgresPipelineStore) -> PipelineRecord:
    """The same life without a kill."""
    store.ensure_pipeline(pipeline("undisturbed"))
    store.write_intent("undisturbed", Intent.RUNNING, cause="a test")
    with store.take_lease("undisturbed", run_id="only") as lease:
        for step in STEPS.values():
            step.act(lease)
        return lease.check()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("killed_at", NAMES)
def test_the_next_run_goes_on_where_a_killed_one_was(  # noqa: PLR0917  pytest passes by name
    store: PostgresPipelineStore,
    wanted: str,
    run: RunProcess,
    let_lease_run_out: Callable[[str], None],
    undisturbed: PipelineRecord,
    killed_at: str,
    moment: str,
) -> None:
    done = NAMES[: NAMES.index(killed_at)]
    assert run.take(wanted, "first") == OK
    for name in done:
        assert run.ask("do", name) == OK
    before = _progress(store.find(wanted))
    if moment == "before":
        assert run.ask("wait at commit") == OK
        assert run.ask("do", killed_at) == AT_COMMIT
    else:
        assert run.ask("do", killed_at) == OK
    run.kill()

    with pytest.raises(LeaseHeldError), store.take_lease(wanted, run_id="too early"):
        pass
    let_lease_run_out(wanted)
    with store.take_lease(wanted, run_id="second") as lease:
        found = lease.check()
        _require_sound(found)
        if moment == "before":
            assert _progress(found) == before
        for name in NAMES[NAMES.index(killed_at) :]:
            STEPS[name].act(lease)
        ended = lease.check()
    assert _facts(ended) == _facts(undisturbed)
    deaths = [event for event in store.events(wanted, limit=1000) if event.field == "run"]
    assert [(event.old_value, (event.cause or "").split(":")[0]) for event in deaths] == [("first", RunDiedError.code)]


def _require_sound(record: PipelineRecord) -> None:
    """The row is one that the truth table knows, with the status it derives."""
    assert record.status is derive_status(
        intent=record.intent,
        is_served=record.served_version >= record.intent_version,
        mode=record.mode,
        full_load=record.full_load_status,
        cdc=record.cdc_status,
        tables={table.state for table in record.tables},
    )


def _progress(record: PipelineRecord | None) -> PipelineRecord:
    """The facts without the pipeline's last error, which names the death."""
    return replace(_facts(record), last_error=None, last_error_code=None, last_error_at=None, failed_step=None)


def _facts(record: PipelineRecord | None) -> PipelineRecord:
    """What must be equal: everything but identity, clock and lease."""
    assert record is not None
    tables = tuple(
        replace(table, updated_at=EPOCH, loaded_at=EPOCH if table.loaded_at else None) for table in record.tables
    )
    return replace(
        record,
        id=None,  # type: ignore[arg-type]
        name="",
        tables=tables,
        created_at=EPOCH,
        updated_at=EPOCH,
        full_load_completed_at=EPOCH if record.full_load_completed_at else None,
        last_error_at=EPOCH if record.last_error_at else None,
        lease_epoch=0,
        lease_holder=None,
        lease_expires_at=None,
        lease_taken_at=None,
        lease_is_live=False,
    )
