"""Editors check what the product checks."""

from cdc_assets.adapters.definition_files.json_schema import DIRECTORY, json_schemas


def test_the_schemas_in_docs_are_current() -> None:
    for name, text in json_schemas().items():
        assert (DIRECTORY / name).read_text(encoding="utf-8") == text, (
            "run python -m cdc_assets.adapters.definition_files.json_schema"
        )
