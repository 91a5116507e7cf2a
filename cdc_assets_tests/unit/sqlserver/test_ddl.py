"""The T-SQL of a plan, as a golden text that another parser understands."""

import pytest

from cdc_assets.adapters.sqlserver.bookkeeping import ENSURE_CHUNKS, ENSURE_STATE, NAMES, RECEIPT
from cdc_assets.adapters.sqlserver.ddl import ddl
from cdc_assets.dialects.sqlserver import names_equal_without_case, quote, refusal
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import (
    AddIndex,
    AddKey,
    CreateEnum,
    CreateSchema,
    CreateTable,
    DropTable,
    TableChange,
    TakeUpTable,
    TargetColumn,
)
from cdc_assets_tests.unit.sqlserver.tsql import parsed

_TABLE = TableName("dbo", "We ird")
_COLUMNS = (
    TargetColumn("id", "bigint", nullable=False),
    TargetColumn("na]me", "nvarchar(450)", nullable=False, collation_sql="Latin1_General_100_BIN2"),
    TargetColumn("price", "decimal(10,2)", nullable=True),
)


@pytest.mark.parametrize(
    ("change", "text", "kind"),
    [
        (CreateSchema("d'w"), "EXEC(N'CREATE SCHEMA [d''w]')", None),
        (
            CreateTable(_TABLE, _COLUMNS),
            (
                "CREATE TABLE [dbo].[We ird] ([id] bigint NOT NULL, [na]]me] nvarchar(450) COLLATE "
                "Latin1_General_100_BIN2 NOT NULL, [price] decimal(10,2) NULL)"
            ),
            "Create",
        ),
        (TakeUpTable(_TABLE, 1), "SELECT TOP (1) 1 AS held FROM [dbo].[We ird] WITH (TABLOCKX, HOLDLOCK)", "Select"),
        (DropTable(_TABLE, 1), "DROP TABLE [dbo].[We ird]", "Drop"),
        (AddKey(_TABLE, ("id", "na]me")), "ALTER TABLE [dbo].[We ird] ADD PRIMARY KEY ([id], [na]]me])", "Alter"),
        (AddIndex(_TABLE, "by price", ("price",)), "CREATE INDEX [by price] ON [dbo].[We ird] ([price])", "Create"),
    ],
)
def test_a_change_is_one_statement(change: TableChange, text: str, kind: str | None) -> None:
    assert ddl(change) == text
    if kind is not None:
        assert parsed(text) == [kind]


def test_there_are_no_enum_types() -> None:
    with pytest.raises(ValueError, match="no enum types"):
        ddl(CreateEnum("dbo", "mood", ("a",)))


def test_the_bookkeeping_is_t_sql() -> None:
    assert parsed(ENSURE_STATE.format(state="[dbo].[cdc_assets_state]", names=NAMES)) == ["Create"]
    assert parsed(ENSURE_CHUNKS.format(chunks="[dbo].[cdc_load_chunk_1]", names=NAMES)) == ["Create"]
    assert parsed(RECEIPT.format(chunks="[dbo].[cdc_load_chunk_1]")) == ["Insert"]


def test_no_identifier_ends_its_quotes() -> None:
    assert quote("a]; DROP TABLE x --") == "[a]]; DROP TABLE x --]"
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


def test_names_that_are_one_to_a_server_that_ignores_case() -> None:
    assert names_equal_without_case(["Orders", "orders", "Größe", "GRÖSSE", "x"]) == (
        ("Orders", "orders"),
        ("Größe", "GRÖSSE"),
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            (
                "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of PRIMARY KEY constraint 'PK_t'. "
                "Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (s3cret)."
            ),
            "Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'",
        ),
        (
            "String or binary data would be truncated in table 'dw.dbo.t', column 'n'. Truncated value: 's3cret'.",
            "String or binary data would be truncated in table 'dw.dbo.t', column 'n'",
        ),
        (
            "Conversion failed when converting the nvarchar value 's3cret' to data type int.",
            "Conversion failed when converting the nvarchar value '...' to data type int",
        ),
        ("", "no reason was given"),
    ],
)
def test_a_refusal_names_the_place_and_never_a_value(said: str, told: str) -> None:
    assert refusal(said) == told
