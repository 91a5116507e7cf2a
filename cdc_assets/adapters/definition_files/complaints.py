"""What pydantic refuses, said as a sentence with line and fix."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from cdc_assets.adapters.definition_files.yaml_document import FileProblem, Location, YamlDocument

_NOT_SUPPORTED = {
    "driver": "`driver` is not supported: connections are PostgreSQL only",
    "trust_server_certificate": "`trust_server_certificate` is not supported: connections are PostgreSQL only",
}
_WHOLE_DOCUMENT = "the file"


def complaints(
    document: YamlDocument, error: ValidationError, model: type[BaseModel], *, below: Location = ()
) -> tuple[FileProblem, ...]:
    """Turn every refusal into a problem of the file; `below` is where the model's content stands in it."""
    return tuple(
        _complaint(document, dict(problem), model, below)
        for problem in error.errors(include_url=False, include_input=False)
    )


def _complaint(document: YamlDocument, problem: dict[str, Any], model: type[BaseModel], below: Location) -> FileProblem:
    location: Location = tuple(problem["loc"])
    name = _dotted((*below, *location))
    place = (*below, *location)
    match problem["type"]:
        case "extra_forbidden":
            return document.problem(place, *_unknown_key(str(location[-1]), _model_at(model, location[:-1]), name))
        case "missing":
            return document.problem(place, f"{name} is missing", _example(model, location, "add"))
        case "refused":
            what, fix = problem["ctx"]["what"], problem["ctx"]["fix"]
            where = (*place, *problem["ctx"]["at"])
            return document.problem(where, f"{name}: {what}" if location else what, fix)
        case "literal_error" if location[-1] == "kind":
            what = f"{name}: only postgres and sqlserver are supported"
            return document.problem(place, what, "write `kind: postgres` or `kind: sqlserver`")
        case "too_short":
            return document.problem(place, f"{name}: must hold at least one entry", _example(model, location, "write"))
        case _:
            what = str(problem["msg"]).replace("Input should", "should").replace("a valid dictionary", "a map")
            return document.problem(place, f"{name}: {_in_yaml_words(what)}", _example(model, location, "write"))


def _in_yaml_words(what: str) -> str:
    if "instance of" in what:
        return "should be a map of keys and values"
    return what[0].lower() + what[1:]


def _unknown_key(key: str, model: type[BaseModel] | None, name: str) -> tuple[str, str]:
    if key in _NOT_SUPPORTED:
        return _NOT_SUPPORTED[key], f"remove the key {name}"
    known = [field.alias or field_name for field_name, field in model.model_fields.items()] if model else []
    near = difflib.get_close_matches(key, known, n=1)
    fix = f"did you mean `{near[0]}`?" if near else f"remove it; known here: {', '.join(known)}"
    return f"unknown key {name}", fix


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or _WHOLE_DOCUMENT


def _example(model: type[BaseModel], location: Location, verb: str) -> str:
    keys = [part for part in location if isinstance(part, str)]
    if keys:
        around = _model_at(model, location[: location.index(keys[-1])])
        for field_name, field in around.model_fields.items() if around else ():
            if keys[-1] == (field.alias or field_name) and field.examples:
                return f"{verb} for example `{keys[-1]}: {field.examples[0]}`"
    needed = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return f"write its keys: {', '.join(needed)}; see docs/configuration.md"


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or here is None:
            continue
        fields = {field.alias or field_name: field for field_name, field in here.model_fields.items()}
        here = _model_in(fields[part].annotation) if part in fields else None
    return here


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
