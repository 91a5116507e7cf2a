"""Pipeline files, made, changed and deleted over HTTP: the same keys as in the file, and `name`."""

from fastapi import APIRouter, Response

from cdc_assets import wiring
from cdc_assets.api.access import AppSettings
from cdc_assets.api.bodies import Content, NewPipeline
from cdc_assets.api.lookup import Key, find_document
from cdc_assets.api.shapes import PipelineShape
from cdc_assets.model.errors import DefinitionError
from cdc_assets.model.pipeline_document import Json, record_document
from cdc_assets.model.record import PipelineRecord
from cdc_assets.settings import Settings

router = APIRouter(prefix="/api/pipelines", tags=["definitions"])


@router.post("", status_code=201, response_model=PipelineShape, summary="Make a pipeline")
def create_pipeline(body: NewPipeline, settings: AppSettings, response: Response) -> Json:
    """Check everything, then write the pipeline's file; start it with `/start`."""
    content = dict(body)
    name = content.pop("name", None)
    if not isinstance(name, str):
        raise DefinitionError("name is missing or no text", hint="add a name: a to z, 0 to 9 and _, a letter first")
    record = wiring.create_pipeline(settings, name, content)
    response.headers["Location"] = f"{router.prefix}/{name}"
    return _shown(settings, record)


@router.put("/{key}", response_model=PipelineShape, summary="Change a pipeline")
def change_pipeline(key: Key, body: Content, settings: AppSettings) -> Json:
    """Check everything, then change the pipeline's file to this content, comments kept; what runs takes it up."""
    name, content = find_document(settings, key)["name"], dict(body)
    if content.pop("name", name) != name:
        raise DefinitionError("name differs from the pipeline's: it cannot be renamed", hint="leave name out")
    return _shown(settings, wiring.change_pipeline(settings, name, content))


@router.delete("/{key}", status_code=204, summary="Delete a pipeline")
def delete_pipeline(key: Key, settings: AppSettings) -> None:
    """Remove a pipeline at rest: connectors, topics, slot, publication, state rows and its file; target tables stay."""
    wiring.delete_pipeline(settings, find_document(settings, key)["name"])


def _shown(settings: Settings, record: PipelineRecord) -> Json:
    return record_document(record, wiring.load_definitions(settings).find(record.name))
