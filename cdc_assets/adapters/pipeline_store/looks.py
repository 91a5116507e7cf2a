"""The last look at each stream: an observation, not state, so without lease and event."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.tables import pipeline_looks, pipelines
from cdc_assets.model.last_look import LastLook, LookFinding
from cdc_assets.planning.drift import Baseline


class PostgresLooks:
    """The table `pipeline_looks`. StateDatabaseError when the state database does not answer."""

    def __init__(self, database_url: str) -> None:
        """Remember where the state database is; nothing connects before the first call."""
        self._database = StateDatabase(database_url)

    def close(self) -> None:
        """Close the pooled sessions."""
        self._database.close()

    def baseline(self, pipeline_id: UUID, *, root: str) -> Baseline | None:
        """Return what the last look at that generation of the pipeline left to compare with, or None."""
        query = select(pipeline_looks.c.baseline).where(
            pipeline_looks.c.pipeline_id == pipeline_id, pipeline_looks.c.root == root
        )
        with self._database.read() as connection:
            text = connection.execute(query).scalar_one_or_none()
        return None if text is None else Baseline.from_json(text)

    def keep(self, pipeline_id: UUID, look: LastLook, baseline: Baseline, *, root: str) -> None:
        """Keep a look in place of the one before; nothing for a pipeline that was dropped meanwhile."""
        values = {
            "root": root,
            "baseline": baseline.to_json(),
            "observed_at": look.observed_at,
            "level": look.level,
            "findings": json.dumps([_written(finding) for finding in look.findings]),
        }
        with self._database.change() as connection:
            known = (
                select(pipelines.c.id).where(pipelines.c.id == pipeline_id).with_for_update(key_share=True, read=True)
            )
            if connection.execute(known).first() is None:
                return
            connection.execute(
                insert(pipeline_looks)
                .values(pipeline_id=pipeline_id, **values)
                .on_conflict_do_update(index_elements=["pipeline_id"], set_=values)
            )


def read_look(row: Any) -> LastLook | None:  # noqa: ANN401  a row of whichever query
    """Make the value of the columns `observed_at`, `level` and `findings`; None where there was no look."""
    if row["observed_at"] is None:
        return None
    return LastLook(row["observed_at"], row["level"], tuple(_read(stored) for stored in json.loads(row["findings"])))


def _written(finding: LookFinding) -> list[str | None]:
    times = [None if time is None else time.isoformat() for time in (finding.since, finding.fails_at)]
    return [finding.level, finding.code, finding.sentence, finding.table, *times]


def _read(stored: list[str | None]) -> LookFinding:
    level, code, sentence, table, since, fails_at = stored
    return LookFinding(str(level), str(code), str(sentence), table, _time(since), _time(fails_at))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
