"""Pipeline files made, changed and deleted for somebody who does not sit at the machine."""

from collections.abc import Mapping
from typing import Any

from cdc_assets.adapters import definition_files
from cdc_assets.model.errors import DefinitionConflictError, UnknownPipelineError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import PipelineStatus
from cdc_assets.settings import Settings
from cdc_assets.wiring.basics import load_definitions, open_store
from cdc_assets.wiring.control import find_pipeline
from cdc_assets.wiring.removal import drop

_AT_REST = frozenset({PipelineStatus.NOT_STARTED, PipelineStatus.STOPPED, PipelineStatus.COMPLETED})


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema of a pipeline's content: the one its file is written to in an editor."""
    return definition_files.pipeline_schema()


def create_pipeline(settings: Settings, name: str, content: Mapping[str, object]) -> PipelineRecord:
    """Write a new pipeline's file and record it; the errors of `definition_files.write` before anything is written."""
    definition_files.write(settings.pipelines_dir, settings.connections_file, name, content, new=True)
    return open_store(settings).ensure_pipeline(_written(settings, name))


def change_pipeline(settings: Settings, name: str, content: Mapping[str, object]) -> PipelineRecord:
    """Change a pipeline's file; a running pipeline takes it up within seconds, as any edit of it."""
    _require_file(settings, name)
    definition_files.write(settings.pipelines_dir, settings.connections_file, name, content, new=False)
    return open_store(settings).ensure_pipeline(_written(settings, name))


def delete_pipeline(settings: Settings, name: str) -> None:
    """Remove what a pipeline has made, as `drop` does, then its file; target tables stay.

    DefinitionConflictError while it is at work, or when something of it could not be removed: the file stays then,
    because only it says where to look.
    """
    _require_file(settings, name)
    store = open_store(settings)
    record = store.find(name)
    if record is not None and record.status not in _AT_REST:
        raise DefinitionConflictError(
            f"pipeline {name} is {record.status}", hint=f"stop it first: POST /api/pipelines/{name}/stop"
        )
    if record is not None and record.suffix is None:
        store.forget(name)
    elif record is not None:
        report = drop(settings, name, drop_target=False)
        if report.left:
            raise DefinitionConflictError(
                f"of pipeline {name} is left: {', '.join(report.left)}", hint="mend the cause and delete it again"
            )
    definition_files.delete(settings.pipelines_dir, name)


def _require_file(settings: Settings, name: str) -> None:
    if not (settings.pipelines_dir / f"{name}.yaml").exists():
        raise UnknownPipelineError(f"there is no file of a pipeline {name}", hint="see GET /api/pipelines")


def _written(settings: Settings, name: str) -> Pipeline:
    return find_pipeline(load_definitions(settings), name)
