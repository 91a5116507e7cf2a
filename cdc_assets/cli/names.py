"""Arguments that name a pipeline or a table, and what a shell completes them with: the files alone."""

from typing import Annotated

import typer

from cdc_assets import wiring
from cdc_assets.model.errors import CdcAssetsError


def pipeline_names(incomplete: str) -> list[str]:
    """Return the pipelines whose names begin so; nothing when the files cannot be read: a shell shows no errors."""
    try:
        settings = wiring.load_settings()
    except CdcAssetsError:
        return []
    definitions = wiring.load_definitions(settings)
    # The connections file is no pipeline, though its problems are listed beside theirs.
    bad = {each.name for each in definitions.invalid if each.path.parent == settings.pipelines_dir}
    names = {each.name for each in definitions.pipelines} | bad
    return sorted(name for name in names if name.startswith(incomplete))


def table_names(incomplete: str) -> list[str]:
    """Return the source tables of all pipelines whose names begin so."""
    try:
        definitions = wiring.load_definitions(wiring.load_settings())
    except CdcAssetsError:
        return []
    names = {mapping.partition_key for each in definitions.pipelines for mapping in each.tables}
    return sorted(name for name in names if name.startswith(incomplete))


Name = Annotated[
    str, typer.Argument(metavar="P", help="Pipeline: a file pipelines/P.yaml.", autocompletion=pipeline_names)
]
SomeName = Annotated[
    str | None, typer.Argument(metavar="[P]", help="One pipeline; all when left out.", autocompletion=pipeline_names)
]
OneTable = Annotated[
    str | None,
    typer.Option("-t", "--table", metavar="T", help="One table, by its source name.", autocompletion=table_names),
]
