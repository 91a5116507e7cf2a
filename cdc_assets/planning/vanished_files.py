"""Pipelines that were started and whose file is gone: nobody looks after them, so they are told like a bad file."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cdc_assets.model.pipeline import Definitions, InvalidDefinition
from cdc_assets.model.record import PipelineRecord


def with_vanished(definitions: Definitions, records: Iterable[PipelineRecord], directory: Path) -> Definitions:
    """Return the definitions with an invalid one for every file that a started pipeline misses."""
    known = {each.name for each in definitions.pipelines} | {each.name for each in definitions.invalid}
    gone = [record.name for record in records if record.suffix is not None and record.name not in known]
    return replace(definitions, invalid=(*definitions.invalid, *(_gone(name, directory) for name in gone)))


def _gone(name: str, directory: Path) -> InvalidDefinition:
    path = directory / f"{name}.yaml"
    # Who asks may look into another directory than the stack does: all that is known is that it is not in this one.
    what = f"{path} is not there; what the pipeline made goes on as it was, and without its file nobody looks after it"
    fix = (
        "put the file back, or set CDC_PIPELINES_DIR to the directory that has it; to be rid of the pipeline, then run "
        f"./cdc stop {name} and ./cdc drop {name}"
    )
    return InvalidDefinition(name, path, (f"{what}. Fix: {fix}",))
