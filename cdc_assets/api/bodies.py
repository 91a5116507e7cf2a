"""What a body has to hold, for the OpenAPI document: the JSON Schema of the files, which is what checks it."""

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from cdc_assets import wiring

_NAME = "^[a-z][a-z0-9_]{0,39}$"
_EXAMPLE = {
    "mode": "full_load_and_cdc",
    "source": {"connection": "app", "database": "cdctest", "schema": "public"},
    "target": {"connection": "warehouse", "database": "cdctest", "schema": "dbo"},
    "tables": ["projects_simple", {"name": "orders", "target": "orders_copy", "columns": {"exclude": ["notes"]}}],
    "options": {"load_streams": 2},
}


def _written_out(schema: object, definitions: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Return a schema without references: OpenAPI keeps its shapes elsewhere. Examples are of a file, not JSON."""
    if isinstance(schema, list):
        return [_written_out(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        return _written_out(named, definitions) | _written_out(_without(schema, "$ref"), definitions)
    kept = _without(schema, "$defs")
    if isinstance(kept.get("examples"), list):
        kept = _without(kept, "examples")
    return {key: _written_out(value, definitions) for key, value in kept.items()}


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {each: value for each, value in schema.items() if each != key}


def _content() -> dict[str, Any]:
    schema = wiring.pipeline_schema()
    return {**_written_out(schema, schema["$defs"]), "title": "A pipeline's content", "examples": [_EXAMPLE]}


def _with_name() -> dict[str, Any]:
    content = _content()
    name = {"type": "string", "pattern": _NAME, "description": "The pipeline's name, which is that of its file."}
    return {
        **content,
        "title": "A new pipeline",
        "properties": {"name": name, **content["properties"]},
        "required": ["name", *content["required"]],
        "examples": [{"name": "final_test2", **_EXAMPLE}],
    }


def _whole(value: object) -> object:
    """Write 2.0 as 2: JSON has one kind of number, the files have two."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(each) for key, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case _:
            return value


# Checked by what reads the files: one place knows the keys, and says what is wrong in the same words.
NewPipeline = Annotated[dict[str, Any], AfterValidator(_whole), WithJsonSchema(_with_name())]
Content = Annotated[dict[str, Any], AfterValidator(_whole), WithJsonSchema(_content())]
