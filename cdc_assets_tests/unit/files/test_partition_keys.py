"""A table's name is its partition in Dagster: what Dagster refuses, the file is refused for; what it takes is taken."""

import json

import dagster as dg
import pytest

from cdc_assets_tests.unit.files.test_pipeline_files import PIPELINE, Files, files

__all__ = ["files"]

_NAMES = (
    *("a...b", "...", "a\nb", "a\tb", "a\rb", "a\x07b", "a\x08b", "a\x0cb", "a\x0bb"),
    *(
        "a..b",
        "a.b",
        "a,b",
        "a|b",
        "a b",
        "[a]",
        "{a}",
        "a/b",
        "a:b",
        "Ünïcode",
        "select",
        '"',
        "'",
        "%",
        "$",
        "*",
        "\\",
    ),
)


def _dagster_takes(name: str) -> bool:
    try:
        dg.StaticPartitionsDefinition([name])
    except dg.DagsterInvalidDefinitionError:
        return False
    return True


@pytest.mark.parametrize("name", _NAMES)
def test_the_file_takes_what_dagster_takes(files: Files, name: str) -> None:
    # JSON is YAML, whatever is in the name.
    files.write("sales.yaml", PIPELINE.replace("  - projects_simple", f"  - {json.dumps(name)}"))
    if _dagster_takes(name):
        assert files.only_valid().tables[0].partition_key == name
    else:
        assert "neither control characters nor three dots" in files.only_problem()


def test_dagster_refuses_some() -> None:
    assert {_dagster_takes(name) for name in _NAMES} == {True, False}
