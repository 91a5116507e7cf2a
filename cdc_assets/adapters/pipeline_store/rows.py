"""Rows of the state tables as values of the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from cdc_assets.adapters.pipeline_store.looks import read_look
from cdc_assets.adapters.pipeline_store.tables import pipeline_leases, pipeline_looks, pipeline_tables, pipelines
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import Event, PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState

Row = Mapping[Any, Any]

LEASE_IS_LIVE = and_(
    pipeline_leases.c.released_at.is_(None),
    func.coalesce(pipeline_leases.c.expires_at > func.clock_timestamp(), False),
).label("lease_is_live")
_LEASE_TIME_LEFT = (pipeline_leases.c.expires_at - func.clock_timestamp()).label("lease_time_left")


def read_pipelines(connection: Connection, name: str | None = None) -> tuple[PipelineRecord, ...]:
    """Every recorded pipeline with its tables and its lease, by name; or the one of that name."""
    query: Select[Any] = (
        select(
            pipelines,
            pipeline_leases.c.epoch.label("lease_epoch"),
            pipeline_leases.c.holder.label("lease_holder"),
            pipeline_leases.c.serves.label("lease_serves"),
            pipeline_leases.c.acquired_at.label("lease_taken_at"),
            pipeline_leases.c.expires_at.label("lease_expires_at"),
            _LEASE_TIME_LEFT,
            LEASE_IS_LIVE,
            pipeline_looks.c.observed_at,
            pipeline_looks.c.level,
            pipeline_looks.c.findings,
        )
        .join_from(pipelines, pipeline_leases)
        .outerjoin(pipeline_looks, pipeline_looks.c.pipeline_id == pipelines.c.id)
        .order_by(pipelines.c.name)
    )
    tables = select(pipeline_tables).order_by(pipeline_tables.c.source_table)
    if name is not None:
        query = query.where(pipelines.c.name == name)
        tables = tables.join_from(pipeline_tables, pipelines).where(pipelines.c.name == name)
    by_pipeline: dict[Any, list[Row]] = {}
    for row in connection.execute(tables).mappings():
        by_pipeline.setdefault(row["pipeline_id"], []).append(row)
    return tuple(
        pipeline_record(row, by_pipeline.get(row["id"], ())) for row in connection.execute(query).mappings().all()
    )


def pipeline_record(row: Row, tables: Sequence[Row]) -> PipelineRecord:
    """Make the value of a row of `pipelines` joined with its lease."""
    values = {name: value for name, value in row.items() if name not in {"observed_at", "level", "findings"}}
    return PipelineRecord(
        **values
        | {
            "mode": Mode(row["mode"]),
            "status": PipelineStatus(row["status"]),
            "full_load_status": FullLoadStatus(row["full_load_status"]),
            "cdc_status": CdcStatus(row["cdc_status"]),
            "full_load_lsn": _lsn(row["full_load_lsn"]),
            "intent": Intent(row["intent"]),
            "tables": tuple(table_record(table) for table in tables),
            "last_look": read_look(row),
        }
    )


def table_record(row: Row) -> TableRecord:
    """Make the value of a row of `pipeline_tables`."""
    values = {name: value for name, value in row.items() if name != "pipeline_id"}
    return TableRecord(
        **values
        | {
            "state": TableState(row["state"]),
            "intent": Intent(row["intent"]),
            "load_lsn": _lsn(row["load_lsn"]),
            "captured_from_lsn": _lsn(row["captured_from_lsn"]),
        }
    )


def event_record(row: Row) -> Event:
    """Make the value of a row of `pipeline_events`."""
    return Event(**row)


def _lsn(text: str | None) -> Lsn | None:
    return None if text is None else Lsn.parse(text)
