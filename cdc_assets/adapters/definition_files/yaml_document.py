"""A YAML file as plain values, with the line of every key and item.

No message of this module holds a value of the file: a password may stand where it must not.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt

Location = tuple[str | int, ...]
_QUOTED = re.compile(r"""(["'])(?:(?!\1).){2,}\1""")
# Aliases of aliases make a small file an endless one.
_MOST_VALUES = 100_000
_NO_SUCH_VALUE = "a value looks like a number, a date or a tag, and is none"


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


class _Constructor(RoundTripConstructor):
    """Says where a value stands that is not what it looks like; ruamel lets Python's own error through."""

    def construct_object(self, node: Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002  ruamel's signature
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, TypeError):
            raise ConstructorError(None, None, _NO_SUCH_VALUE, node.start_mark) from None


def read_document(path: Path, *, missing: tuple[str, str]) -> YamlDocument:
    """Read one YAML file; raises UnreadableFileError with file, line and fix, `missing` when there is no file."""
    try:
        text = _text(path)
        yaml = YAML(typ="rt", pure=True)
        yaml.Constructor = _Constructor
        # The warning would print the lines.
        yaml.composer.warn_double_anchors = False
        tree = yaml.load(text)
        return _document(path, tree)
    except FileNotFoundError as error:
        raise _unreadable(path, None, *missing) from error
    except OSError as error:
        raise _unreadable(path, None, f"cannot be read: {error.strerror}", "make it readable for this user") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, None, "is not UTF-8 text", "save it as UTF-8") from error
    except MarkedYAMLError as error:
        # A quote that is not closed is found at the end of the file.
        begins = error.context_mark if "end of stream" in str(error.problem) else None
        mark = begins or error.problem_mark or error.context_mark
        raise _unreadable(path, mark.line + 1 if mark else None, *_sentence(error)) from None
    except (YAMLError, OverflowError):
        raise _unreadable(path, None, "holds a character YAML does not allow", "save it as plain UTF-8 text") from None
    except RecursionError:
        raise _unreadable(path, None, "is nested too deep", "write lists and maps a few levels deep") from None


def _text(path: Path) -> str:
    # Reading a pipe or a device would wait for ever.
    if path.exists() and not path.is_file():
        raise _unreadable(path, None, "is no ordinary file", "put a YAML file in its place, or take it away")
    return path.read_text(encoding="utf-8")


def _document(path: Path, tree: object) -> YamlDocument:
    reading = _Reading(path)
    content = reading.plain(tree, (), ())
    return YamlDocument(path, content, reading.lines)


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
    if problem == _NO_SUCH_VALUE:
        return problem, "quote it when a text is meant, else correct it"
    # ruamel quotes pieces of the file, which may be a password in the wrong place.
    return f"is not YAML: {_QUOTED.sub('...', problem)}", "correct the line, or the one before it (indentation, quotes)"


@dataclass(slots=True)
class _Reading:
    """Turns ruamel's values into plain ones and notes where each stands."""

    path: Path
    lines: dict[Location, int] = field(default_factory=dict)
    count: int = 0

    def plain(self, node: object, location: Location, around: tuple[int, ...]) -> object:
        line = self.lines.get(location)
        if id(node) in around:
            raise _unreadable(self.path, line, "an alias holds itself", "write the values out")
        self.count += 1
        if self.count > _MOST_VALUES:
            what = f"holds more than {_MOST_VALUES:,} values, each use of an alias counted"
            raise _unreadable(self.path, line, what, "write the values out, without aliases")
        around = (*around, id(node))
        if isinstance(node, CommentedMap):
            return self._map(node, location, around)
        if isinstance(node, CommentedSeq):
            return self._list(node, location, around)
        return _scalar(self.path, node, line)

    def _map(self, node: CommentedMap, location: Location, around: tuple[int, ...]) -> object:
        self.lines.setdefault(location, node.lc.line + 1)
        values: dict[str, object] = {}
        for key, value in node.items():
            is_here = key in (node.lc.data or {})
            line = (node.lc.key(key)[0] if is_here else node.lc.line) + 1
            if not isinstance(key, str):
                raise _unreadable(self.path, line, "a key is no text", "quote the key")
            place = (*location, key)
            if is_here:
                self.lines[place] = line
            values[key] = self.plain(value, place, around)
        return values

    def _list(self, node: CommentedSeq, location: Location, around: tuple[int, ...]) -> object:
        self.lines.setdefault(location, node.lc.line + 1)
        items: list[object] = []
        for position, value in enumerate(node):
            place = (*location, position)
            # A list under a tag of its own has no lines.
            self.lines[place] = (node.lc.item(position)[0] if position in (node.lc.data or {}) else node.lc.line) + 1
            items.append(self.plain(value, place, around))
        return items


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
