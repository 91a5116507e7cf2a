"""Everything that is known of one pipeline in one report, to be read by whoever is asked for help."""

from collections.abc import Callable, Mapping
from typing import Any

from cdc_assets.model.errors import CdcAssetsError, UnknownPipelineError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.pipeline_document import Json, event_document, pipeline_documents
from cdc_assets.model.position import SlotPosition
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.wiring.alerts import alert_report
from cdc_assets.wiring.basics import known_definitions, open_store
from cdc_assets.wiring.inspection import read_lag
from cdc_assets.wiring.parts import open_connect, open_source
from cdc_assets.wiring.vitality import vital_signs

_PATIENCE_SECONDS = 2
_EVENTS_SHOWN = 30
_PAGE = 1000


def diagnose(settings: Settings, name: str) -> Json:
    """Return statuses, slots, lag, connectors, the last events and the settings; what cannot be asked says why.

    StateDatabaseError without a state database, UnknownPipelineError for a name nobody knows. No secret and no row
    value is in it.
    """
    definitions, store = known_definitions(settings), open_store(settings)
    record, definition = store.find(name), definitions.find(name)
    documents = {each["name"]: each for each in pipeline_documents(definitions, store.list_pipelines())}
    if name not in documents:
        known = ", ".join(documents) or "none"
        raise UnknownPipelineError(f"there is no pipeline {name} (known: {known})", hint="see ./cdc status")
    report: Json = {
        "pipeline": documents[name],
        "platform": {what: cause or "ok" for what, cause in vital_signs(settings).items()},
        "slots": None,
        "lag": None,
        "connectors": None,
        "events": [event_document(event) for event in _last_events(store, name)],
        "alerts": _asked(lambda: alert_report(settings)),
        "settings": settings.shown(),
    }
    if definition is not None and definition.mode.captures and record is not None and record.slot_name is not None:
        report["slots"] = _asked(lambda: _slots(definition, record))
        report["lag"] = _asked(lambda: read_lag(settings, name).as_json())
        report["connectors"] = _asked(lambda: _connectors(settings, record))
    return report


def _asked(question: Callable[[], object]) -> object:
    try:
        return question()
    except CdcAssetsError as error:
        return f"unknown: {error}"


def _last_events(store: PipelineStore, name: str) -> tuple[Event, ...]:
    kept: tuple[Event, ...] = ()
    while page := store.events(name, after=kept[-1].id if kept else 0, limit=_PAGE):
        kept = (*kept, *page)[-_EVENTS_SHOWN:]
    return kept


def _slots(definition: Pipeline, record: PipelineRecord) -> list[Json]:
    source = open_source(definition, is_read_only=True, patience_seconds=_PATIENCE_SECONDS)
    slots = source.slots_like(record.slot_name or "")
    return [_slot(slot) for slot in slots]


def _slot(slot: SlotPosition) -> Json:
    return {
        "name": slot.name,
        "active_pid": slot.active_pid,
        "confirmed_flush_lsn": str(slot.confirmed_flush_lsn),
        "restart_lsn": None if slot.restart_lsn is None else str(slot.restart_lsn),
        "wal_status": slot.wal_status,
    }


def _connectors(settings: Settings, record: PipelineRecord) -> Mapping[str, Any]:
    reports = open_connect(settings, patience_seconds=_PATIENCE_SECONDS).reports()
    wanted = [record.debezium_connector_name, *(table.sink_connector_name for table in record.tables)]
    return {
        name: "not in Kafka Connect"
        if name not in reports
        else {
            "state": reports[name].state,
            "tasks": [f"{task.id} {task.state} on {task.worker}" for task in reports[name].tasks],
            "failure": reports[name].failure,
        }
        for name in wanted
        if name is not None
    }
