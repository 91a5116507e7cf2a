"""What may stand in a pipeline's file: strict models, each field with its meaning and an example.

`json_schema` makes the editors' schemas from these models and those of `connection_schema`.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from cdc_assets.adapters.definition_files.connection_schema import StrictEntry
from cdc_assets.adapters.definition_files.fields import (
    Identifier,
    SchemaName,
    TableColumn,
    TargetName,
    refused,
    target_table,
)

_COLUMN = re.compile(r".+\..+", re.DOTALL)


def _short_table(value: object) -> object:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise refused(
            "must be a table's name, or a map with `name`",
            "write for example `- orders`, and quote a name that looks like a number",
        )
    return value


def _all_or_listed(value: object, listed: ValidatorFunctionWrapHandler) -> object:
    """Take `all` for the empty list, which nobody may write."""
    if value == "all":
        return []
    if isinstance(value, str):
        raise refused("must be `all`, or a list of tables", "write `tables: all`, or list the tables, one a line")
    return listed(value)


def _second(names: list[str]) -> int | None:
    """Return the position of the first name that was there before."""
    return next((position for position, name in enumerate(names) if name in names[:position]), None)


class SourceEntry(StrictEntry):
    """Where the tables are read."""

    connection: Identifier = Field(description="Name in the connections file.", examples=["app"])
    database: Identifier = Field(description="Database.", examples=["app"])
    # pydantic keeps the name `schema` for itself.
    schema_: SchemaName = Field(alias="schema", description="Schema of the tables.", examples=["public"])
    publication: Identifier | None = Field(
        default=None,
        description="Publication made by the tables' owner; the product makes its own when unset.",
        examples=["cdc_app"],
    )


class TargetEntry(StrictEntry):
    """Where the tables are written."""

    connection: Identifier = Field(description="Name in the connections file.", examples=["warehouse"])
    database: Identifier = Field(description="Database.", examples=["warehouse"])
    schema_: SchemaName = Field(
        alias="schema", description="Schema of the copies; made when it is absent.", examples=["dbo"]
    )


class ColumnsEntry(StrictEntry):
    """Which columns of a table are copied."""

    exclude: list[Identifier] = Field(
        default=[],
        json_schema_extra={"uniqueItems": True},
        description="Columns that the target does not get: not made, not loaded, not sent. Never columns of the key.",
        examples=["[notes]"],
    )


class TableEntry(StrictEntry):
    """One table."""

    name: Identifier = Field(description="Name of the source table, without its schema.", examples=["orders"])
    target: TargetName | None = Field(
        default=None, description="Name of the target table; the same name when unset.", examples=["orders_copy"]
    )
    key: Annotated[list[Identifier], Field(min_length=1, json_schema_extra={"uniqueItems": True})] | None = Field(
        default=None,
        description="Columns that find a row, only for a table without a primary key; unique and NOT NULL.",
        examples=["[tenant_id, order_no]"],
    )
    columns: ColumnsEntry = Field(
        default=ColumnsEntry(), description="Which columns are copied.", examples=["{exclude: [notes]}"]
    )

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        if self.key and (again := _second(self.key)) is not None:
            raise refused("`key` names a column twice", "name each column once", at=("key", again))
        excluded = self.columns.exclude
        if (again := _second(excluded)) is not None:
            raise refused(
                "`columns.exclude` names a column twice", "name each column once", at=("columns", "exclude", again)
            )
        both = next((position for position, name in enumerate(excluded) if name in (self.key or ())), None)
        if both is not None:
            raise refused(
                f"`columns.exclude` names {excluded[both]}, which is part of `key`",
                "take it out of one of the two: without the key a change cannot find its row",
                at=("columns", "exclude", both),
            )
        if self.target is None:
            target_table(self.name)
        return self


class OptionsEntry(StrictEntry):
    """How the pipeline loads; the defaults are safe on a production source."""

    if_target_not_empty: Literal["fail", "replace"] = Field(
        default="fail",
        description="fail, or replace: drop and make again the listed tables, never one with dependents.",
        examples=["fail"],
    )
    load_streams: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Tables and chunks read at once; at most half of the source's cores.", examples=[2]
    )
    chunk_mb: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=128, description="Megabytes of a table that are copied and verified as one piece.", examples=[128]
    )
    max_mb_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Limit of the load in megabytes a second; null for none.", examples=[50]
    )
    accept_inexact: list[TableColumn] = Field(
        default=[],
        description="table.column whose type cannot be guaranteed: a warning instead of a refusal.",
        examples=["[orders.discount]"],
    )


class PipelineFile(StrictEntry):
    """A pipeline: one source schema, one target schema, the tables between them."""

    mode: Literal["full_load_only", "full_load_and_cdc", "cdc_only"] = Field(
        description="full_load_only: copy the rows; full_load_and_cdc: copy them, then apply every change; "
        "cdc_only: apply changes to tables that are there.",
        examples=["full_load_and_cdc"],
    )
    source: SourceEntry = Field(description="Where the tables are read.", examples=["{connection: app, ...}"])
    target: TargetEntry = Field(description="Where they are written.", examples=["{connection: warehouse, ...}"])
    tables: Annotated[
        list[Annotated[TableEntry, BeforeValidator(_short_table, json_schema_input_type=Identifier | TableEntry)]],
        Field(min_length=1),
        WrapValidator(
            _all_or_listed,
            json_schema_input_type=Literal["all"] | Annotated[list[Identifier | TableEntry], Field(min_length=1)],
        ),
    ] = Field(
        description="The tables, by name or with their settings; or all: every table of the source schema.",
        examples=["[orders]"],
    )
    # `except` is a word of Python.
    except_: list[Identifier] = Field(
        default=[],
        alias="except",
        json_schema_extra={"uniqueItems": True},
        description="With `tables: all`: tables that are left out.",
        examples=["[audit_log]"],
    )
    add_new_tables: bool = Field(
        default=False,
        description="With `tables: all`: a table that is made in the source later is taken up by itself; else it is "
        "reported.",
        examples=[True],
    )
    options: OptionsEntry = Field(
        default=OptionsEntry(), description="How the pipeline loads.", examples=["{load_streams: 2}"]
    )

    @model_validator(mode="after")
    def _tables_once(self) -> Self:
        for kind, names in (
            ("source", [table.name for table in self.tables]),
            ("target", [table.target or table.name for table in self.tables]),
        ):
            again = _second(names)
            if again is not None:
                what = f"`tables` names the {kind} table {names[again]} twice"
                raise refused(what, "keep one of the two", at=("tables", again))
        again = _second(self.except_)
        if again is not None:
            what = f"`except` names {self.except_[again]} twice"
            raise refused(what, "keep one of the two", at=("except", again))
        if not self.says_all:
            for key in ("except", "add_new_tables"):
                if getattr(self, "except_" if key == "except" else key):
                    raise refused(
                        f"`{key}` goes with `tables: all` only", "take it out, or write `tables: all`", at=(key,)
                    )
        self._require_known_columns()
        return self

    @property
    def says_all(self) -> bool:
        """Whether the tables are those of the schema."""
        return not self.tables

    def _require_known_columns(self) -> None:
        known = {table.name for table in self.tables}
        for position, entry in enumerate(self.options.accept_inexact):
            listed = any(entry.startswith(f"{name}.") and len(entry) > len(name) + 1 for name in known)
            if not listed and not (self.says_all and _COLUMN.fullmatch(entry)):
                raise refused(
                    f"`options.accept_inexact` names {entry}, which is no table.column of this pipeline",
                    "write `table.column` with a table of `tables`",
                    at=("options", "accept_inexact", position),
                )


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema of a pipeline's file."""
    return PipelineFile.model_json_schema(mode="validation")
