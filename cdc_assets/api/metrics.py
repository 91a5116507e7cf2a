"""Figures for Prometheus, read from the state database at each scrape."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings
from cdc_assets.model.lag_sample import LagSample
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import PipelineStatus, TableState

router = APIRouter(tags=["metrics"])
# An older sample is of a stream that nobody looks at any more.
_NEW = timedelta(minutes=1)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text."}},
    summary="Figures for Prometheus",
)
def metrics(settings: AppSettings) -> Response:
    """Show states and progress; every name begins with `cdc_assets_`."""
    registry = CollectorRegistry(auto_describe=False)
    lag = wiring.open_lag_history(settings).last(_NEW)
    registry.register(_Pipelines(wiring.open_store(settings).list_pipelines(), lag))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Pipelines(Collector):
    """Gauges of recorded pipelines. A state is one series a word, 1 for the one that holds: it can be summed."""

    def __init__(self, records: tuple[PipelineRecord, ...], lag: Mapping[UUID, LagSample]) -> None:
        self._records = records
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        status = GaugeMetricFamily("cdc_assets_pipeline_status", "1 for its status.", labels=["pipeline", "status"])
        changed = GaugeMetricFamily(
            "cdc_assets_pipeline_updated_timestamp_seconds", "When its row was last changed.", labels=["pipeline"]
        )
        state = GaugeMetricFamily(
            "cdc_assets_table_state", "1 for the state it has.", labels=["pipeline", "table", "state"]
        )
        rows = GaugeMetricFamily(
            "cdc_assets_table_rows_loaded", "Rows its full load has copied.", labels=["pipeline", "table"]
        )
        size = GaugeMetricFamily(
            "cdc_assets_table_loaded_bytes", "Bytes its full load has copied.", labels=["pipeline", "table"]
        )
        wal = GaugeMetricFamily(
            "cdc_assets_pipeline_bytes_behind",
            "WAL not proved to be in Kafka; absent while unknown.",
            labels=["pipeline"],
        )
        kept = GaugeMetricFamily(
            "cdc_assets_pipeline_records_behind", "Records not applied yet, where known.", labels=["pipeline"]
        )
        for record in self._records:
            sample = self._lag.get(record.id)
            if sample is not None and sample.bytes_behind is not None:
                wal.add_metric([record.name], sample.bytes_behind)
            if sample is not None and sample.records_behind is not None:
                kept.add_metric([record.name], sample.records_behind)
            changed.add_metric([record.name], record.updated_at.timestamp())
            for word in PipelineStatus:
                status.add_metric([record.name, word], float(record.status is word))
            for table in record.tables:
                rows.add_metric([record.name, table.source_table], table.rows_loaded)
                size.add_metric([record.name, table.source_table], table.bytes_loaded)
                for each in TableState:
                    state.add_metric([record.name, table.source_table, each], float(table.state is each))
        yield from (status, changed, state, rows, size, wal, kept)
