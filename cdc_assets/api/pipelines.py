"""Pipelines: what they are and how they do, start and stop, their events, how far they are behind."""

from typing import Annotated

from fastapi import APIRouter, Query

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings
from cdc_assets.api.lookup import Key, all_documents, find_document
from cdc_assets.api.problems import Problem
from cdc_assets.api.shapes import EventShape, LagShape, PipelineShape
from cdc_assets.model.pipeline_document import Json, event_document, record_document
from cdc_assets.model.status import PipelineStatus
from cdc_assets.settings import Settings

router = APIRouter(prefix="/api/pipelines", tags=["pipelines"])
_MOST_EVENTS = 1000


@router.get("", response_model=list[PipelineShape], summary="Every pipeline")
def list_pipelines(settings: AppSettings) -> list[Json]:
    """List what a file defines or the state database records, by name."""
    return all_documents(settings)


@router.get("/{key}", response_model=PipelineShape, summary="One pipeline")
def read_pipeline(key: Key, settings: AppSettings) -> Json:
    """Show one pipeline with its tables."""
    return find_document(settings, key)


@router.post("/{key}/start", status_code=202, response_model=PipelineShape, summary="Start a pipeline")
def start_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a start; `status` shows when it is RUNNING. Nothing is done when it runs already."""
    name = _usable(settings, key)
    return record_document(wiring.request_start(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/stop", status_code=202, response_model=PipelineShape, summary="Stop a pipeline")
def stop_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a stop; its slot stays, a start goes on where it was. Nothing is done when it is stopped already."""
    name = find_document(settings, key)["name"]
    return record_document(wiring.request_stop(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/pause", status_code=202, response_model=PipelineShape, summary="Pause a pipeline")
def pause_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask for a pause: changes are kept, none is applied. 409 unless it is RUNNING or paused already."""
    name = _usable(settings, key)
    return record_document(wiring.request_pause(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/resume", status_code=202, response_model=PipelineShape, summary="Resume a paused pipeline")
def resume_pipeline(key: Key, settings: AppSettings) -> Json:
    """Ask a paused pipeline to go on where it was. 409 when it is stopped; nothing is done when it runs."""
    name = _usable(settings, key)
    return record_document(wiring.request_resume(settings, name), wiring.load_definitions(settings).find(name))


@router.post("/{key}/tables/{table}/pause", status_code=202, response_model=PipelineShape, summary="Pause a table")
def pause_table(key: Key, table: str, settings: AppSettings) -> Json:
    """Ask for one table's pause; the others flow. The state of the table shows when it is done."""
    name = _usable(settings, key)
    record = wiring.request_table_pause(settings, name, table)
    return record_document(record, wiring.load_definitions(settings).find(name))


@router.post("/{key}/tables/{table}/resume", status_code=202, response_model=PipelineShape, summary="Resume a table")
def resume_table(key: Key, table: str, settings: AppSettings) -> Json:
    """Ask one table to go on; one in quarantine is tried again at once."""
    name = _usable(settings, key)
    record = wiring.request_table_resume(settings, name, table)
    return record_document(record, wiring.load_definitions(settings).find(name))


@router.get("/{key}/events", response_model=list[EventShape], summary="What happened to a pipeline")
def read_events(
    key: Key,
    settings: AppSettings,
    limit: Annotated[int, Query(ge=1, le=_MOST_EVENTS, description="At most so many.")] = 100,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only those with a greater id.")] = 0,
) -> list[Json]:
    """List status changes and other events, oldest first; page on with the last `id` as `after`."""
    name = find_document(settings, key)["name"]
    return [event_document(event) for event in wiring.open_store(settings).events(name, after=after, limit=limit)]


@router.get("/{key}/lag", response_model=LagShape, summary="How far a pipeline is behind")
def read_lag(key: Key, settings: AppSettings) -> Json:
    """Measure now: WAL not yet in Kafka, and records not yet in the target, table by table."""
    name = _usable(settings, key)
    return wiring.read_lag(settings, name).as_json()


def _usable(settings: Settings, key: str) -> str:
    """Return the name of a pipeline whose file can be used."""
    found = find_document(settings, key)
    if found["status"] == PipelineStatus.INVALID:
        raise Problem(409, "DEFINITION_INVALID", found["last_error"], fix="correct the file")
    return str(found["name"])
