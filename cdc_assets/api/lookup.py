"""Finds the pipeline that a path names."""

from typing import Annotated

from fastapi import Path

from cdc_assets import wiring
from cdc_assets.api.problems import Problem
from cdc_assets.model.errors import UnknownPipelineError
from cdc_assets.model.pipeline_document import Json, pipeline_documents
from cdc_assets.model.status import PipelineStatus
from cdc_assets.settings import Settings

Key = Annotated[str, Path(description="A pipeline's id or name.", examples=["final_test2"])]


def all_documents(settings: Settings) -> list[Json]:
    """Every pipeline that a file defines or the state database records."""
    return pipeline_documents(wiring.known_definitions(settings), wiring.open_store(settings).list_pipelines())


def find_document(settings: Settings, key: str) -> Json:
    """The pipeline of that id or name; UnknownPipelineError names the known ones."""
    documents = all_documents(settings)
    for document in documents:
        if key in {document["name"], document["id"]}:
            return document
    known = ", ".join(document["name"] for document in documents) or "none"
    raise UnknownPipelineError(
        f"there is no pipeline {key} (known: {known})",
        hint="see GET /api/pipelines, or the files in CDC_PIPELINES_DIR",
    )


def usable_name(settings: Settings, key: str) -> str:
    """The name of a pipeline whose file can be used; Problem 409 says why it cannot."""
    found = find_document(settings, key)
    if found["status"] == PipelineStatus.INVALID:
        raise Problem(409, "DEFINITION_INVALID", found["last_error"], fix="correct the file")
    return str(found["name"])
