"""A pipeline as its file defines it, and the outside names that are computed from it once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from cdc_assets.model.table import TableMapping, TableName

Product = Literal["postgres", "sqlserver"]
"""The database products that a connection may name."""


class Mode(StrEnum):
    """What a pipeline does."""

    FULL_LOAD_ONLY = "full_load_only"
    FULL_LOAD_AND_CDC = "full_load_and_cdc"
    CDC_ONLY = "cdc_only"

    @property
    def loads(self) -> bool:
        """Whether the rows that are there at the start are copied."""
        return self is not Mode.CDC_ONLY

    @property
    def captures(self) -> bool:
        """Whether later changes are captured and applied."""
        return self is not Mode.FULL_LOAD_ONLY


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is read from when it is needed; never the secret itself. Exactly one of the two is set."""

    env: str | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted: libpq's `sslmode` words and the file with the authority's certificate."""

    mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One entry of `connections.yaml`.

    `connect_host`, `connect_port`: the same server as Kafka Connect sees it; `connect_password`: a config-provider
    reference for a remote Connect, None when the product writes the secret file of the embedded one.
    `driver`: the installed ODBC driver for control statements, None for the one that comes with mssql-python;
    `trust_server_certificate`: its certificate is not checked. Both of kind sqlserver only.
    """

    name: str
    kind: Product
    host: str
    port: int
    user: str
    password: SecretReference
    connect_host: str | None = None
    connect_port: int | None = None
    connect_password: str | None = None
    tls: Tls = Tls()
    driver: str | None = None
    trust_server_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A database and schema on a connection: one side of a pipeline."""

    connection: Connection
    database: str
    schema: str

    def __str__(self) -> str:
        """`database.schema`, as the log lines print it."""
        return f"{self.database}.{self.schema}"


@dataclass(frozen=True, slots=True)
class Options:
    """How a pipeline loads; the defaults are safe on a production source."""

    if_target_not_empty: Literal["fail", "replace"] = "fail"
    load_streams: int = 2
    chunk_mb: int = 128
    max_mb_per_s: float | None = None
    accept_inexact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllTables:
    """`tables: all`: every table of the source schema but `excluded`; `adds_new`: also those that come later."""

    excluded: tuple[str, ...] = ()
    adds_new: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One source database and schema, one target schema, the tables between them (`pipelines/NAME.yaml`).

    `all_tables`: the file says `tables: all`; `tables` are then those that were found and recorded, none before that.
    """

    name: str
    mode: Mode
    source: Endpoint
    target: Endpoint
    tables: tuple[TableMapping, ...]
    options: Options = Options()
    publication: str | None = None
    all_tables: AllTables | None = None

    def with_tables(self, names: Iterable[str]) -> "Pipeline":
        """The same pipeline over these source tables, each under its own name in the target."""
        mappings = [TableMapping(TableName(self.source.schema, n), TableName(self.target.schema, n)) for n in names]
        return replace(self, tables=tuple(sorted(mappings, key=lambda mapping: mapping.partition_key)))

    def mapping(self, partition_key: str) -> TableMapping:
        """The table of that Dagster partition; KeyError when the file has none."""
        for mapping in self.tables:
            if mapping.partition_key == partition_key:
                return mapping
        raise KeyError(partition_key)


@dataclass(frozen=True, slots=True)
class InvalidDefinition:
    """A file that cannot be used.

    `name` is the pipeline it would define (or `connections`), `problems` are sentences with line and fix.
    """

    name: str
    path: Path
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything the files of this installation define; one bad file never takes the others down."""

    pipelines: tuple[Pipeline, ...]
    invalid: tuple[InvalidDefinition, ...] = ()

    def find(self, name: str) -> Pipeline | None:
        """The valid pipeline of that name, or None."""
        return next((pipeline for pipeline in self.pipelines if pipeline.name == name), None)
