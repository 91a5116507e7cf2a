"""Samples of how far pipelines are behind: measurements, not state, so without lease and event."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.tables import pipeline_lag
from cdc_assets.model.lag_sample import LagSample

KEPT = timedelta(days=1)


class PostgresLagHistory:
    """The table `pipeline_lag`. StateDatabaseError when the state database does not answer."""

    def __init__(self, database_url: str) -> None:
        """Remember where the state database is; nothing connects before the first call."""
        self._database = StateDatabase(database_url)

    def close(self) -> None:
        """Close the pooled sessions."""
        self._database.close()

    def add(self, pipeline_id: UUID, *, bytes_behind: int | None, records_behind: int | None) -> None:
        """Keep a sample of now, and forget those of the pipeline that are older than a day."""
        old = pipeline_lag.c.at < func.clock_timestamp() - KEPT
        with self._database.change() as connection:
            connection.execute(delete(pipeline_lag).where(pipeline_lag.c.pipeline_id == pipeline_id, old))
            connection.execute(
                insert(pipeline_lag).values(
                    pipeline_id=pipeline_id,
                    at=func.clock_timestamp(),
                    bytes_behind=bytes_behind,
                    records_behind=records_behind,
                )
            )

    def last(self, age: timedelta) -> dict[UUID, LagSample]:
        """Return the newest sample of every pipeline that has one not older than `age`."""
        newest = (
            select(pipeline_lag)
            .where(pipeline_lag.c.at >= func.clock_timestamp() - age)
            .ext(distinct_on(pipeline_lag.c.pipeline_id))
        )
        query = newest.order_by(pipeline_lag.c.pipeline_id, pipeline_lag.c.at.desc())
        with self._database.read() as connection:
            return {
                row["pipeline_id"]: LagSample(row["at"], row["bytes_behind"], row["records_behind"])
                for row in connection.execute(query).mappings()
            }

    def since(self, pipeline_id: UUID, age: timedelta) -> Sequence[LagSample]:
        """Return the samples of a pipeline that are not older than `age`, oldest first."""
        query = (
            select(pipeline_lag.c.at, pipeline_lag.c.bytes_behind, pipeline_lag.c.records_behind)
            .where(pipeline_lag.c.pipeline_id == pipeline_id, pipeline_lag.c.at >= func.clock_timestamp() - age)
            .order_by(pipeline_lag.c.at)
        )
        with self._database.read() as connection:
            return [LagSample(*row) for row in connection.execute(query)]
