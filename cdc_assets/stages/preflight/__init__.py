"""Named checks before anything is changed: what could lose or damage something is refused by name, with the fix.

Called by `check` and by every run before its first step. The checks are pure functions of facts that `gather` reads
once, in sessions that
only read. Known gap: a row that grows large after the start is not seen.
"""

from collections.abc import Sequence

from cdc_assets.model.errors import CdcAssetsError, SourceLockedError, TargetLockedError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.stages.preflight.exclude_checks import check_excluded
from cdc_assets.stages.preflight.facts import PreflightFacts, SourceFacts, TargetFacts
from cdc_assets.stages.preflight.findings import Findings
from cdc_assets.stages.preflight.gather import Neighbours, gather
from cdc_assets.stages.preflight.row_checks import check_rows
from cdc_assets.stages.preflight.server_checks import check_encodings
from cdc_assets.stages.preflight.source_checks import check_source
from cdc_assets.stages.preflight.stream_checks import check_stream
from cdc_assets.stages.preflight.table_checks import check_tables
from cdc_assets.stages.preflight.target_checks import check_places, check_target
from cdc_assets.stages.preflight.type_checks import check_types

__all__ = ["Neighbours", "judge", "preflight"]


def preflight(
    pipeline: Pipeline, neighbours: Neighbours, *, others: Sequence[Pipeline], record: PipelineRecord | None
) -> tuple[PreflightCheck, ...]:
    """Check one pipeline and return every check; changes nothing and raises for no side that is away.

    `others`: the other valid pipelines of the files. `record`: what is recorded of this one, None when it never was.
    """
    return judge(gather(pipeline, neighbours, others=others, record=record))


def judge(facts: PreflightFacts) -> tuple[PreflightCheck, ...]:
    """Judge the facts: the checks in the order of the data's way."""
    findings = Findings(facts.pipeline.name)
    check_places(facts, findings)
    match facts.source:
        case SourceFacts() as source:
            check_source(facts, source, findings)
            if source.has_schema_usage:
                check_tables(facts.pipeline, source, findings)
                check_excluded(facts, source, findings)
                check_types(facts.pipeline, source, findings)
                check_rows(facts, source, findings)
        case SourceLockedError() as error:
            findings.fail("source_locked", error.message, error.hint, table=error.table)
        case CdcAssetsError() as error:
            findings.fail("source_login", error.message, error.hint)
    match facts.target:
        case TargetFacts() as target:
            check_target(facts, target, findings)
        case TargetLockedError() as error:
            findings.fail("target_locked", error.message, error.hint, table=error.table)
        case CdcAssetsError() as error:
            findings.fail("target_login", error.message, error.hint)
    if isinstance(facts.source, SourceFacts) and isinstance(facts.target, TargetFacts):
        check_encodings(facts.source.server, facts.target.server, findings)
    check_stream(facts, findings)
    return findings.checks()
