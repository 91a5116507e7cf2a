"""JSON Schemas of the files, for editors.

`python -m cdc_assets.adapters.definition_files.json_schema` writes them to `docs/schema`.
"""

import json
from pathlib import Path

from pydantic import TypeAdapter

from cdc_assets.adapters.definition_files.connection_schema import ConnectionEntry
from cdc_assets.adapters.definition_files.pipeline_schema import pipeline_schema

DIRECTORY = Path(__file__).resolve().parents[3] / "docs" / "schema"


def json_schemas() -> dict[str, str]:
    """Return the text of every schema file, by file name."""
    connections = TypeAdapter(dict[str, ConnectionEntry]).json_schema(mode="validation")
    return {
        "pipeline.json": _text("A pipeline of cdc_assets (pipelines/NAME.yaml)", pipeline_schema()),
        "connections.json": _text("The connections of cdc_assets (connections.yaml)", connections),
    }


def _text(title: str, schema: dict[str, object]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | schema | {"title": title}, indent=2) + "\n"


if __name__ == "__main__":
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, text in json_schemas().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
