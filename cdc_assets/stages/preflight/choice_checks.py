"""Which tables `tables: all` means, and which of the source it does not."""

from cdc_assets.model.errors import DefinitionError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import PreflightCheck
from cdc_assets.planning.table_choice import Choice
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "tables_chosen"


def check_choice(pipeline: Pipeline, choice: Choice | DefinitionError | None) -> tuple[PreflightCheck, ...]:
    """Say how the choice went; `choice` is None for a pipeline that lists its tables, or whose source does not tell."""
    findings = Findings(pipeline.name)
    match choice:
        case DefinitionError() as error:
            findings.fail(_CHECK, error.message, error.hint or "")
        case Choice(left_out=left_out) if left_out:
            what = f"in {pipeline.source} and not copied, because they came later: {', '.join(left_out)}"
            findings.warn(_CHECK, what, "set `add_new_tables: true`, or name them under `except`")
        case Choice(tables=tables):
            findings.passed(_CHECK, f"`tables: all` means {len(tables)} tables: {', '.join(tables)}")
        case None:
            pass
    return findings.checks()
