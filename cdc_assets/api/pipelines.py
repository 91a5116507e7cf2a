"""Pipelines: what they are and how they do, start and stop, their events, how far they are behind."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings
from cdc_assets.api.lookup import Key, all_documents, find_document, usable_name
from cdc_assets.api.paging import PAGED, EventsAsked, HistoryAsked, Paging, PipelinesAsked
from cdc_assets.api.shapes import EventShape, LagSampleShape, LagShape, PipelineShape
from cdc_assets.model.pipeline_document import Json, event_document, lag_sample_document, record_document

router = APIRouter(prefix="/api/pipelines", tags=["pipelines"])


@router.get("", response_model=list[PipelineShape], responses=PAGED, summary="Every pipeline")
def list_pipelines(
    settings: AppSettings,
    paging: Paging,
    asked: Annotated[PipelinesAsked, Query()],
) -> list[Json]:
    """List what a file defines or the state database records, by name; the header `Link` leads to the next page."""
    found = [document for document in all_documents(settings) if document["name"] > asked.after]
    shown = found[: asked.limit]
    if len(found) > asked.limit:
        paging.link(shown, limit=asked.limit, key="name")
    return shown


@router.get("/{key}", response_model=PipelineShape, summary="One pipeline")
def read_pipeline(key: Key, settings: AppSettings) -> Json:
    """Show one pipeline with its tables."""
    return find_document(settings, key)


@router.post("/{key}/start", status_code=202, response_model=PipelineShape, summary="Start a pipeline")
def start_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a start; `status` shows when it is RUNNING. Nothing is done when it runs already."""
    name = usable_name(settings, key)
    return record_document(wiring.request_start(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/stop", status_code=202, response_model=PipelineShape, summary="Stop a pipeline")
def stop_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a stop; its slot stays, a start goes on where it was. Nothing is done when it is stopped already."""
    name = find_document(settings, key)["name"]
    return record_document(wiring.request_stop(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/pause", status_code=202, response_model=PipelineShape, summary="Pause a pipeline")
def pause_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a pause: changes are kept, none is applied. 409 unless it is RUNNING or paused already."""
    name = usable_name(settings, key)
    return record_document(wiring.request_pause(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/resume", status_code=202, response_model=PipelineShape, summary="Resume a paused pipeline")
def resume_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask a paused pipeline to go on where it was. 409 when it is stopped; nothing is done when it runs."""
    name = usable_name(settings, key)
    return record_document(wiring.request_resume(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/tables/{table}/pause", status_code=202, response_model=PipelineShape, summary="Pause a table")
def pause_table(key: Key, table: str, settings: AppSettings) -> Json:
    """Ask for one table's pause; the others flow. The state of the table shows when it is done."""
    name = usable_name(settings, key)
    record = wiring.request_table_pause(settings, name, table)
    return record_document(record, wiring.load_definitions(settings).find(name))


@router.post("/{key}/tables/{table}/resume", status_code=202, response_model=PipelineShape, summary="Resume a table")
def resume_table(key: Key, table: str, settings: AppSettings) -> Json:
    """Ask one table to go on; one in quarantine is tried again at once."""
    name = usable_name(settings, key)
    record = wiring.request_table_resume(settings, name, table)
    return record_document(record, wiring.load_definitions(settings).find(name))


@router.get("/{key}/events", response_model=list[EventShape], responses=PAGED, summary="What happened to a pipeline")
def read_events(
    key: Key,
    settings: AppSettings,
    paging: Paging,
    asked: Annotated[EventsAsked, Query()],
) -> list[Json]:
    """List status changes and other events, oldest first; page on with the last `id` as `after`, or with `Link`."""
    name = find_document(settings, key)["name"]
    events = wiring.open_store(settings).events(name, after=asked.after, limit=asked.limit)
    found = [event_document(event) for event in events]
    if len(found) == asked.limit:
        paging.link(found, limit=asked.limit, key="id")
    return found


@router.get("/{key}/lag", response_model=LagShape, summary="How far a pipeline is behind")
def read_lag(key: Key, settings: AppSettings) -> Json:
    """Measure now: WAL not yet in Kafka, and records not yet in the target, table by table."""
    name = usable_name(settings, key)
    return wiring.read_lag(settings, name).as_json()


@router.get("/{key}/lag/history", response_model=list[LagSampleShape], summary="How far a pipeline was behind")
def read_lag_history(
    key: Key,
    settings: AppSettings,
    asked: Annotated[HistoryAsked, Query()],
) -> list[Json]:
    """List what the health sensor measured every few seconds while the pipeline streamed, oldest first; kept a day."""
    pipeline_id = find_document(settings, key)["id"]
    if pipeline_id is None:
        return []
    samples = wiring.open_lag_history(settings).since(UUID(pipeline_id), timedelta(minutes=asked.minutes))
    return [lag_sample_document(sample) for sample in samples]
