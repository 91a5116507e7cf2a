"""A YAML file as plain values, with the line of every key and item.

No message of this module holds a value of the file: a password may stand where it must not.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt

Location = tuple[str | int, ...]
_QUOTED = re.compile(r"""(["'])(?:(?!\1).){2,}\1""")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong in a file, where, and the way out; `line` is None when the whole file is meant."""

    path: Path
    line: int | None
    what: str
    fix: str

    def __str__(self) -> str:
        """`file:line: what. Fix: ...`, as every list of problems prints it."""
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.what}. Fix: {self.fix}"


class UnreadableFileError(Exception):
    """A file is no YAML document, or no file that can be read; caught by the reader of this package."""

    def __init__(self, problem: FileProblem) -> None:
        """Keep the problem."""
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """The content of a file as plain Python values, and where each of them stands."""

    path: Path
    content: object
    lines: dict[Location, int] = field(repr=False)

    def line(self, location: Location) -> int:
        """Return the line of that key or item, or of the nearest one around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(self, location: Location, what: str, fix: str) -> FileProblem:
        """Make a problem at that key or item."""
        return FileProblem(self.path, self.line(location), what, fix)


def read_document(path: Path) -> YamlDocument:
    """Read one YAML file; raises UnreadableFileError with file, line and fix."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = YAML(typ="rt", pure=True).load(text)
    except FileNotFoundError as error:
        raise _unreadable(path, None, "the file does not exist", "make it, or set its place") from error
    except OSError as error:
        raise _unreadable(path, None, f"cannot be read: {error.strerror}", "make it readable for this user") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, None, "is not UTF-8 text", "save it as UTF-8") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(path, mark.line + 1 if mark else None, *_sentence(error)) from None
    except YAMLError:
        raise _unreadable(path, None, "holds a character YAML does not allow", "save it as plain UTF-8 text") from None
    lines: dict[Location, int] = {}
    content = _plain(path, tree, (), lines, ())
    return YamlDocument(path, content, lines)


def _unreadable(path: Path, line: int | None, what: str, fix: str) -> UnreadableFileError:
    return UnreadableFileError(FileProblem(path, line, what, fix))


def _sentence(error: MarkedYAMLError) -> tuple[str, str]:
    problem = str(error.problem or error.context or "is not YAML")
    if isinstance(error, DuplicateKeyError):
        key = re.match(r'found duplicate key "([^"]*)"', problem)
        return f"the key {key[1] if key else ''} stands twice", "keep one of the two"
    if isinstance(error, ComposerError):
        return "is more than one document, or uses an alias (*name) that is not defined", (
            "keep one document, and quote a text that begins with *"
        )
    # ruamel quotes pieces of the file, which may be a password in the wrong place.
    return f"is not YAML: {_QUOTED.sub('...', problem)}", "correct the line, or the one before it (indentation, quotes)"


def _plain(path: Path, node: object, location: Location, lines: dict[Location, int], around: tuple[int, ...]) -> object:
    if id(node) in around:
        raise _unreadable(path, lines.get(location), "an alias holds itself", "write the values out")
    around = (*around, id(node))
    if isinstance(node, CommentedMap):
        lines.setdefault(location, node.lc.line + 1)
        values: dict[str, object] = {}
        for key, value in node.items():
            if not isinstance(key, str):
                raise _unreadable(path, node.lc.line + 1, "a key is no text", "quote the key")
            place = (*location, key)
            if key in (node.lc.data or {}):
                lines[place] = node.lc.key(key)[0] + 1
            values[key] = _plain(path, value, place, lines, around)
        return values
    if isinstance(node, CommentedSeq):
        lines.setdefault(location, node.lc.line + 1)
        items: list[object] = []
        for position, value in enumerate(node):
            place = (*location, position)
            lines[place] = node.lc.item(position)[0] + 1
            items.append(_plain(path, value, place, lines, around))
        return items
    return _scalar(path, node, lines.get(location))


def _scalar(path: Path, node: object, line: int | None) -> object:
    match node:
        case ScalarBoolean() | bool():
            return bool(node)
        case ScalarInt() | int():
            return int(node)
        case ScalarFloat() | float():
            return float(node)
        case str():
            return str(node)
        case None:
            return None
        case _:
            raise _unreadable(path, line, "a value is neither text, number, list nor map", "quote the value")
