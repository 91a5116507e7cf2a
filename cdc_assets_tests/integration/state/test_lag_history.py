"""Samples of the lag are there for whoever asks later, and the table does not grow for ever."""

from datetime import timedelta

import psycopg

from cdc_assets.adapters.pipeline_store import PostgresLagHistory, PostgresPipelineStore
from cdc_assets_tests.integration.state.steps import pipeline

_HOUR = timedelta(hours=1)


def test_samples_are_kept_for_a_day_and_go_with_their_pipeline(state_url: str) -> None:
    store, history = PostgresPipelineStore(state_url), PostgresLagHistory(state_url)
    one = store.ensure_pipeline(pipeline("one"))
    other = store.ensure_pipeline(pipeline("other"))
    with psycopg.connect(state_url, autocommit=True) as session:
        session.execute(
            "INSERT INTO pipeline_lag SELECT %s, clock_timestamp() - age, 1, 1"
            " FROM unnest('{25 hours,23 hours,30 minutes}'::interval[]) age",
            [one.id],
        )
        history.add(one.id, bytes_behind=256, records_behind=None)
        history.add(other.id, bytes_behind=None, records_behind=7)
        told = [(each.bytes_behind, each.records_behind) for each in history.since(one.id, _HOUR)]
        assert told == [(1, 1), (256, None)], "oldest first, and nothing of before"
        assert len(history.since(one.id, timedelta(days=2))) == 3, "what is older than a day is forgotten"
        newest = history.last(timedelta(minutes=1))
        assert {key: (each.bytes_behind, each.records_behind) for key, each in newest.items()} == {
            one.id: (256, None),
            other.id: (None, 7),
        }
        store.forget("one")
        assert session.execute("SELECT DISTINCT pipeline_id FROM pipeline_lag").fetchall() == [(other.id,)]
    store.close()
    history.close()
