"""Writes pipeline files: only what a reader accepts, comments kept, and never half a file."""

import os
import tempfile
from collections.abc import Mapping, MutableMapping
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cdc_assets.adapters.definition_files.fields import PIPELINE_NAME
from cdc_assets.adapters.definition_files.reader import NAME_FIX, read_one
from cdc_assets.model.errors import DefinitionConflictError, DefinitionError
from cdc_assets.model.pipeline import Pipeline


def write(pipelines_dir: Path, connections_file: Path, name: str, content: Mapping[str, object], *, new: bool) -> None:
    """Make a pipeline's file, or change it to this content; comments beside what stays are kept.

    DefinitionError names every key that cannot be used, before anything is written; DefinitionConflictError when a new
    one exists already, when there is none to change, or when the directory cannot be written.
    """
    if not PIPELINE_NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} is no name for a pipeline", hint=NAME_FIX)
    path = pipelines_dir / f"{name}.yaml"
    if new and path.exists():
        raise DefinitionConflictError(f"{path} exists already", hint="change it, or choose another name")
    text = _render(path, content)
    _require_usable(name, text, connections_file)
    try:
        pipelines_dir.mkdir(parents=True, exist_ok=True)
        _replace(path, text, new=new)
    except FileExistsError as error:
        raise DefinitionConflictError(f"{path} exists already", hint="change it, or choose another name") from error
    except OSError as error:
        raise _not_written(path, error) from error


def delete(pipelines_dir: Path, name: str) -> None:
    """Delete a pipeline's file; DefinitionConflictError when the directory does not let us."""
    path = pipelines_dir / f"{name}.yaml"
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> DefinitionConflictError:
    return DefinitionConflictError(
        f"{path} cannot be written: {error.strerror}", hint="make the directory writable for the API's user, or edit it"
    )


def _render(path: Path, content: Mapping[str, object]) -> str:
    yaml = YAML(typ="rt", pure=True)
    # As a hand would write it: two blanks, the dash of a list inside.
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(path.read_text(encoding="utf-8")) if path.exists() else None
    if not isinstance(tree, CommentedMap):
        tree = CommentedMap()
    _merge(tree, content)
    stream = StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _merge(tree: MutableMapping[str, object], content: Mapping[str, object]) -> None:
    for key in [key for key in tree if key not in content]:
        del tree[key]
    for key, value in content.items():
        old = tree.get(key)
        if isinstance(old, CommentedMap) and isinstance(value, Mapping):
            _merge(old, value)
        elif isinstance(old, CommentedSeq) and isinstance(value, list):
            _merge_list(old, value)
        elif key not in tree or old != value:
            tree[key] = value


def _merge_list(items: CommentedSeq, wanted: list[object]) -> None:
    """Bring a list to its new items in place: an item that stays keeps the comments beside it."""
    for position in reversed(range(len(items))):
        if items[position] not in wanted:
            del items[position]
    if list(items) != [each for each in wanted if each in items]:
        items.clear()
    for position, each in enumerate(wanted):
        if position >= len(items) or items[position] != each:
            items.insert(position, each)


def _require_usable(name: str, text: str, connections_file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cdc-check-") as directory:
        draft = Path(directory) / f"{name}.yaml"
        draft.write_text(text, encoding="utf-8")
        found = read_one(draft, connections_file)
    if not isinstance(found, Pipeline):
        raise DefinitionError(
            "; ".join(problem.what for problem in found),
            hint="; ".join(dict.fromkeys(problem.fix for problem in found)),
        )


def _replace(path: Path, text: str, *, new: bool) -> None:
    # The reader passes over names that begin with a dot.
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).chmod(0o644)
        if new:
            os.link(draft, path)
        else:
            Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
