"""The last look at a stream is there for whoever asks, and what the next has to compare with is not forgotten."""

from datetime import UTC, datetime, timedelta

from cdc_assets.adapters.pipeline_store import PostgresLooks, PostgresPipelineStore
from cdc_assets.model.last_look import LastLook, LookFinding
from cdc_assets.model.pipeline_document import record_document
from cdc_assets.model.status import Intent
from cdc_assets.model.watch import SlotCounters
from cdc_assets.planning.drift import Baseline, TableBaseline
from cdc_assets_tests.integration.state.steps import pipeline

_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
_BASELINE = Baseline(
    (1, 2),
    SlotCounters("s", 3, 4),
    {"a": TableBaseline(5, "x", (5, 6), "l")},
)
_LOOK = LastLook(
    _AT,
    "DEGRADED",
    (
        LookFinding("DEGRADED", "NOT_FLOWING", "nobody reads", since=_AT, fails_at=_AT + timedelta(seconds=4)),
        LookFinding("DEGRADED", "TARGET_NOT_OURS", "dropped", table="a"),
    ),
)


def test_a_look_is_kept_with_its_pipeline(state_url: str, store: PostgresPipelineStore, wanted: str) -> None:
    looks = PostgresLooks(state_url)
    record = store.find(wanted)
    assert record is not None
    assert record.last_look is None
    assert looks.baseline(record.id, root="r1") is None
    looks.keep(record.id, LastLook(_AT, "HEALTHY"), Baseline(), root="r1")
    looks.keep(record.id, _LOOK, _BASELINE, root="r1")
    assert looks.baseline(record.id, root="r1") == _BASELINE
    assert looks.baseline(record.id, root="r2") is None, "another generation has other tables"
    found = store.find(wanted)
    assert found is not None
    assert found.last_look == _LOOK
    assert found == record, "an observation is no state"
    health = record_document(found, None)["health"]
    assert (health["level"], health["observed_at"]) == ("DEGRADED", _AT.isoformat())
    assert [(each["table"], each["since"], each["fails_at"]) for each in health["findings"]] == [
        (None, "2026-11-24T12:00:00+00:00", "2026-11-24T12:00:04+00:00"),
        ("a", None, None),
    ]
    store.write_intent(wanted, Intent.STOPPED, cause="a test")
    stopped = store.find(wanted)
    assert stopped is not None
    assert record_document(stopped, None)["health"] is None, "nobody looks at it any more"
    looks.close()


def test_a_look_at_what_was_dropped_meanwhile_leaves_nothing(
    state_url: str, store: PostgresPipelineStore, name: str
) -> None:
    looks = PostgresLooks(state_url)
    record = store.ensure_pipeline(pipeline(name))
    looks.keep(record.id, _LOOK, _BASELINE, root="r1")
    store.forget(name)
    assert looks.baseline(record.id, root="r1") is None
    looks.keep(record.id, _LOOK, _BASELINE, root="r1")
    assert looks.baseline(record.id, root="r1") is None
    looks.close()
