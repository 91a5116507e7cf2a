"""Reads the files of an installation into `Definitions`; one bad file never takes the others down.

Called by `cdc_assets.wiring` for every command, request and sensor tick. A bad connection makes the pipelines invalid
that use it, no other.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from cdc_assets.adapters.definition_files.complaints import complaints
from cdc_assets.adapters.definition_files.connection_schema import ConnectionEntry, SecretEntry
from cdc_assets.adapters.definition_files.fields import CONNECTION_NAME, PIPELINE_NAME
from cdc_assets.adapters.definition_files.pipeline_schema import PipelineFile, SourceEntry, TargetEntry
from cdc_assets.adapters.definition_files.yaml_document import (
    FileProblem,
    UnreadableFileError,
    YamlDocument,
    read_document,
)
from cdc_assets.model.pipeline import (
    AllTables,
    Connection,
    Definitions,
    Endpoint,
    InvalidDefinition,
    Mode,
    Options,
    Pipeline,
    Product,
    SecretReference,
    Tls,
)
from cdc_assets.model.table import TableMapping, TableName

CONNECTIONS = "connections"
NAME_FIX = "a to z, 0 to 9 and _, a letter first, at most 40 characters"
DIRECTORY = "pipelines"
_NO_CONNECTIONS = ("the file does not exist", "make it, or set CDC_CONNECTIONS_FILE to where it is")
_PORTS: Mapping[Product, int] = {"postgres": 5432, "sqlserver": 1433}
_NO_PIPELINE = ("is a link to a file that does not exist", "make that file, or remove the link")


@dataclass(slots=True)
class _Connections:
    path: Path
    usable: dict[str, Connection] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    problems: list[FileProblem] = field(default_factory=list)
    is_readable: bool = True


def load(pipelines_dir: Path, connections_file: Path) -> Definitions:
    """Read every pipeline file and the connections file; bad ones are in `invalid`, with every problem found."""
    pipelines: list[Pipeline] = []
    invalid: list[InvalidDefinition] = []
    try:
        files = _pipeline_files(pipelines_dir)
    except OSError as error:
        files = []
        problem = FileProblem(
            pipelines_dir, None, f"cannot be listed: {error.strerror}", "set CDC_PIPELINES_DIR to a readable directory"
        )
        invalid.append(InvalidDefinition(DIRECTORY, pipelines_dir, (str(problem),)))
    connections = _read_connections(connections_file)
    # A missing connections file is no fault of a directory without pipelines.
    if connections.problems and (files or connections_file.exists()):
        invalid.append(InvalidDefinition(CONNECTIONS, connections_file, _sentences(connections.problems)))
    for path in files:
        found = _read_pipeline(path, connections)
        if isinstance(found, Pipeline):
            pipelines.append(found)
        else:
            invalid.append(InvalidDefinition(path.stem, path, _sentences(found)))
    return Definitions(tuple(pipelines), tuple(invalid))


def read_one(path: Path, connections_file: Path) -> Pipeline | list[FileProblem]:
    """Read one pipeline file: the pipeline, or every problem that was found."""
    return _read_pipeline(path, _read_connections(connections_file))


def _pipeline_files(directory: Path) -> list[Path]:
    """List the files that mean to be pipelines; a directory that is not there holds none."""
    if not directory.exists():
        return []
    return sorted(
        path for path in directory.iterdir() if path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")
    )


def _sentences(problems: list[FileProblem]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in sorted(problems, key=lambda problem: problem.line or 0))


def _read_connections(path: Path) -> _Connections:
    connections = _Connections(path)
    try:
        document = read_document(path, missing=_NO_CONNECTIONS)
    except UnreadableFileError as error:
        connections.problems.append(error.problem)
        connections.is_readable = False
        return connections
    content = document.content
    if content is None:
        return connections
    if not isinstance(content, dict):
        connections.problems.append(
            document.problem((), "the file should be a map of names", "write `NAME:` and the connection's keys below")
        )
        connections.is_readable = False
        return connections
    for name, entry in content.items():
        if not CONNECTION_NAME.fullmatch(name):
            what = f"{name!r} is no name for a connection"
            fix = "rename it: letters, digits, _ . and -, a letter, a digit or _ first, at most 63 characters"
            connections.problems.append(document.problem((name,), what, fix))
            connections.bad.add(name)
            continue
        try:
            checked = ConnectionEntry.model_validate(entry)
        except ValidationError as error:
            connections.bad.add(name)
            connections.problems.extend(complaints(document, error, ConnectionEntry, below=(name,)))
        else:
            connections.usable[name] = _connection(name, checked, path.parent)
    return connections


def _connection(name: str, entry: ConnectionEntry, directory: Path) -> Connection:
    ca_file = entry.tls.ca_file
    return Connection(
        name=name,
        kind=entry.kind,
        host=entry.host,
        port=entry.port or _PORTS[entry.kind],
        user=entry.user,
        password=_secret(entry.password, directory),
        connect_host=entry.connect_host,
        connect_port=entry.connect_port,
        connect_password=entry.connect_password,
        tls=Tls(entry.tls.mode, None if ca_file is None else directory / ca_file),
        driver=entry.driver,
        trust_server_certificate=entry.trust_server_certificate,
    )


def _secret(entry: SecretEntry, directory: Path) -> SecretReference:
    return SecretReference(entry.env, None if entry.file is None else directory / entry.file)


def _read_pipeline(path: Path, connections: _Connections) -> Pipeline | list[FileProblem]:
    problems = _name_problems(path)
    try:
        document = read_document(path, missing=_NO_PIPELINE)
    except UnreadableFileError as error:
        return [*problems, error.problem]
    try:
        content = PipelineFile.model_validate(document.content)
    except ValidationError as error:
        return [*problems, *complaints(document, error, PipelineFile)]
    source = _endpoint(document, "source", content.source, connections, problems)
    target = _endpoint(document, "target", content.target, connections, problems)
    if source is not None and source.connection.kind != "postgres":
        place, fix = ("source", "connection"), "name a connection of kind postgres"
        problems.append(document.problem(place, f"{source.connection.name} is no PostgreSQL server", fix))
    if problems or source is None or target is None:
        return problems
    return Pipeline(
        name=path.stem,
        mode=Mode(content.mode),
        source=source,
        target=target,
        tables=tuple(
            TableMapping(
                TableName(source.schema, table.name),
                TableName(target.schema, table.target or table.name),
                tuple(table.key or ()),
                tuple(table.columns.exclude),
            )
            for table in content.tables
        ),
        options=Options(
            if_target_not_empty=content.options.if_target_not_empty,
            load_streams=content.options.load_streams,
            chunk_mb=content.options.chunk_mb,
            max_mb_per_s=content.options.max_mb_per_s,
            accept_inexact=tuple(content.options.accept_inexact),
        ),
        publication=content.source.publication,
        all_tables=AllTables(tuple(content.except_), content.add_new_tables) if content.says_all else None,
    )


def _name_problems(path: Path) -> list[FileProblem]:
    if path.suffix != ".yaml":
        return [FileProblem(path, None, "the name must end in .yaml", f"rename it to {path.stem}.yaml")]
    if not PIPELINE_NAME.fullmatch(path.stem):
        what = f"{path.stem} is no name for a pipeline"
        return [FileProblem(path, None, what, f"rename it: {NAME_FIX}")]
    return []


def _endpoint(
    document: YamlDocument,
    side: str,
    entry: SourceEntry | TargetEntry,
    connections: _Connections,
    problems: list[FileProblem],
) -> Endpoint | None:
    place = (side, "connection")
    name = entry.connection
    if name in connections.usable:
        return Endpoint(connections.usable[name], entry.database, entry.schema_)
    if name in connections.bad or not connections.is_readable:
        what = f"{side}.connection {name} cannot be used: {connections.path} has problems of its own"
        problems.append(document.problem(place, what, f"correct {connections.path}"))
    else:
        near = difflib.get_close_matches(name, connections.usable, n=1)
        fix = f"did you mean `{near[0]}`?" if near else f"add {name} to {connections.path}"
        problems.append(document.problem(place, f"{side}.connection {name} is not in {connections.path}", fix))
    return None
