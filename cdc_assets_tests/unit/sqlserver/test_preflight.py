"""What `check` says of a SQL Server target, and of a machine without its drivers' libraries."""

import subprocess
import sys
from dataclasses import replace

import pytest

from cdc_assets.adapters.sqlserver import SqlServerTarget
from cdc_assets.adapters.sqlserver.catalog import type_text
from cdc_assets.dialects.sqlserver import missing_library
from cdc_assets.model.errors import SchemaCreationError, TargetError
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, SecretReference
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.table import (
    ColumnDefinition,
    ColumnType,
    IndexDefinition,
    TableDefinition,
    TableMapping,
    TableName,
)
from cdc_assets.stages.target_tables import unindexed, wanted_table
from cdc_assets_tests.unit.preflight.facts import Case

_LOGIN = Connection("w", "sqlserver", "ms", 1433, "loader", SecretReference(env="P"))
_GOOD = (
    Case()
    .pipeline(target=Endpoint(_LOGIN, "dw", "dbo"))
    .target_server(product="sqlserver", version=160000, system_identifier=None)
)
_MAPPING = TableMapping(TableName("public", "t"), TableName("dbo", "t"))


def _found(case: Case) -> list[PreflightCheck]:
    return [check for check in case.found() if check.name.startswith("target_")]


def test_a_server_that_has_all_passes() -> None:
    assert _found(_GOOD) == []


def test_a_login_that_does_not_see_the_sinks_cannot_capture() -> None:
    (check,) = _found(_GOOD.target_server(may_see_sessions=False))

    assert (check.name, check.status) == ("target_sessions", CheckStatus.FAIL)
    assert "GRANT VIEW SERVER STATE TO [loader];" in check.fix
    assert _found(_GOOD.target_server(may_see_sessions=False).pipeline(mode=Mode.FULL_LOAD_ONLY)) == []


def test_an_old_server_is_a_warning() -> None:
    (check,) = _found(_GOOD.target_server(version=120000))

    assert (check.name, check.status) == ("target_version", CheckStatus.WARN)
    assert "SQL Server 12.0" in check.what


def test_names_that_are_one_without_case_are_refused() -> None:
    names = [TableMapping(TableName("public", name), TableName("dbo", name)) for name in ("orders", "Orders")]
    found = [check for check in _found(_GOOD.pipeline(tables=tuple(names))) if check.name == "target_names"]

    assert [check.table for check in found] == ["orders", "Orders"]
    assert "are one" in found[0].what


def test_the_rights_are_asked_for_in_its_own_language() -> None:
    (check,) = _found(_GOOD.target(may_create_in=False))
    assert "GRANT CREATE TABLE TO [" in check.fix
    assert "ON SCHEMA::[dbo] TO [" in check.fix
    (check,) = _found(_GOOD.target(has_schema=False).target_server(may_create_schema=False))
    assert "CREATE SCHEMA [dbo] AUTHORIZATION [" in check.fix


@pytest.mark.parametrize(
    ("driver", "module", "error", "words"),
    [
        (
            None,
            "mssql_python",
            "libltdl.so.7: cannot open shared object file",
            "apt-get install libltdl7",
        ),
        ("FreeTDS", "pyodbc", "libodbc.so.2: cannot open shared object file", "apt-get install libodbc2"),
        (None, "mssql_python", "No module named 'mssql_python'", "requirements.lock"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, driver: str | None, module: str, error: str, words: str
) -> None:
    def refuse(name: str) -> object:
        assert name == module
        raise ImportError(error)

    monkeypatch.setattr("cdc_assets.adapters.sqlserver.session.import_module", refuse)
    target = SqlServerTarget(Endpoint(replace(_LOGIN, driver=driver), "dw", "dbo"), password="p", pipeline="p", epoch=1)

    with pytest.raises(TargetError, match="cannot be loaded here") as caught:
        target.server()
    assert words in caught.value.hint
    assert module in caught.value.message


def test_every_other_part_of_the_product_loads_without_its_drivers() -> None:
    script = """
import sys
drivers = {"mssql_python", "pyodbc", "pyarrow", "adbc_driver_postgresql"}
sys.modules.update(dict.fromkeys(drivers))
import cdc_assets.wiring.parts, cdc_assets.wiring.inspection, cdc_assets.wiring.run, cdc_assets.cli, cdc_assets.api
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    assert missing_library("login failed") is None


def _definition(*columns: ColumnDefinition, indexes: tuple[IndexDefinition, ...] = ()) -> TableDefinition:
    return TableDefinition(_MAPPING.source, "r", 1, columns, ("id",), indexes)


def _column(name: str, base: str, **more: object) -> ColumnDefinition:
    kind = ColumnType(base, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=base)
    return ColumnDefinition(name, kind, nullable=name != "id", **more)  # type: ignore[arg-type]


def test_a_wide_index_is_left_out_and_plan_says_so() -> None:
    by_id = IndexDefinition("by_id", False, True, ("id", "n"), definition="USING btree")  # noqa: FBT003
    by_text = IndexDefinition("by_text", False, True, ("txt",), definition="USING btree")  # noqa: FBT003
    table = _definition(_column("id", "int8"), _column("n", "int4"), _column("txt", "text"), indexes=(by_id, by_text))

    wanted = wanted_table(table, _MAPPING, captured=False, product="sqlserver")

    assert [index.name for index in wanted.indexes] == ["by_id"]
    assert unindexed(table, wanted, _MAPPING) == ("index by_text (too wide for the target)",)
    assert wanted.enums == ()


def test_a_default_stays_behind_and_a_generated_column_is_refused() -> None:
    table = _definition(_column("id", "int8", default="7"))
    assert wanted_table(table, _MAPPING, captured=False, product="sqlserver").columns[0].default_sql is None
    assert wanted_table(table, _MAPPING, captured=False, product="postgres").columns[0].default_sql == "7"

    table = _definition(_column("id", "int8"), _column("g", "int4", generated="stored", default="id + 1"))
    with pytest.raises(SchemaCreationError, match="an expression of PostgreSQL"):
        wanted_table(table, _MAPPING, captured=False, product="sqlserver")


@pytest.mark.parametrize(
    ("name", "length", "precision", "scale", "text"),
    [
        ("nvarchar", 900, 0, 0, "nvarchar(450)"),
        ("nvarchar", -1, 0, 0, "nvarchar(max)"),
        ("varbinary", -1, 0, 0, "varbinary(max)"),
        ("decimal", 9, 10, 2, "decimal(10,2)"),
        ("datetimeoffset", 10, 34, 7, "datetimeoffset(7)"),
        ("float", 8, 53, 0, "float(53)"),
        ("bigint", 8, 19, 0, "bigint"),
    ],
)
def test_an_existing_type_is_written_as_a_wanted_one(
    name: str, length: int, precision: int, scale: int, text: str
) -> None:
    assert type_text(name, length, precision, scale) == text
