"""Checks: `rows_match` and `cdc_healthy` on target tables, `definition_valid` on files that cannot be used.

None of them gates anything: a load verifies before its table is LOADED, and the states decide. Events come from the
load (`rows_match`), from the health sensor when a verdict changes (`cdc_healthy`) and from `reconcile`
(`definition_valid`); executed by hand a check says what the state tables say at that moment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from cdc_assets.model.errors import VerificationError
from cdc_assets.model.pipeline import Definitions, InvalidDefinition, Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import TableOutcome
from cdc_assets.model.status import CdcStatus, Intent, TableState
from cdc_assets.orchestration.commands import Commands
from cdc_assets.orchestration.keys import INVALID_FILES, OWNERS, file_tags, target_key
from cdc_assets.settings import Settings

ROWS_MATCH = "rows_match"
CDC_HEALTHY = "cdc_healthy"
DEFINITION_VALID = "definition_valid"
_TROUBLE = frozenset({TableState.QUARANTINED, TableState.RESYNC_REQUIRED, TableState.FAILED})
_LOADED = frozenset({TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED})
_DESCRIPTIONS = {
    ROWS_MATCH: (
        "Every row read from the source in the full load arrived in the target, compared chunk by chunk by count and"
        " content. When red: the run of the load names table, chunk and counts; start again."
    ),
    CDC_HEALTHY: (
        "Changes of the source table arrive in the target. When red: the cause is in the check's description and in the"
        " pipeline's last error; what can be restarted is restarted without you."
    ),
}

_VALID = (
    "The pipeline's file can be used. When red: the description names file, line and fix of each problem; the file is"
    " read again within seconds after it was corrected."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the state tables say of a table; `code` tells two causes apart without their sentences."""

    passed: bool
    why: str
    code: str = ""


def cdc_verdict(record: PipelineRecord, table: str) -> Verdict | None:
    """Return whether a table's changes arrive; None while nobody wants them to, or a start is under way."""
    if record.intent is not Intent.RUNNING or not record.mode.captures:
        return None
    row = record.table(table)
    if row.state in _TROUBLE:
        return Verdict(
            passed=False, why=row.last_error or f"the table is {row.state}", code=row.last_error_code or row.state
        )
    if record.cdc_status is CdcStatus.ERROR:
        return Verdict(
            passed=False,
            why=record.last_error or "the pipeline's streaming failed",
            code=record.last_error_code or "ERROR",
        )
    if record.cdc_status is CdcStatus.RUNNING and row.state is TableState.STREAMING:
        return Verdict(passed=True, why="changes arrive")
    return None


def load_verdict(record: PipelineRecord, table: str) -> Verdict:
    """Return whether a table's full load ended verified, as recorded."""
    row = record.table(table)
    if not record.mode.loads:
        return Verdict(passed=True, why="nothing is loaded in mode cdc_only")
    if row.state in _LOADED:
        return Verdict(passed=True, why=f"verified when it was loaded: {row.rows_loaded} rows at {row.load_lsn}")
    return Verdict(
        passed=False,
        why=row.last_error or f"not loaded: the table is {row.state}",
        code=row.last_error_code or row.state,
    )


def rows_match(key: dg.AssetKey, outcome: TableOutcome) -> list[dg.AssetCheckEvaluation]:
    """Return the check's event after a load: nothing for a table that was not loaded by it, or failed otherwise."""
    if outcome.error is not None and not isinstance(outcome.error, VerificationError):
        return []
    if outcome.error is None and outcome.seconds is None:
        return []
    return [
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=ROWS_MATCH,
            passed=outcome.error is None,
            description=str(outcome.error) if outcome.error else "every chunk equal by count and content",
            metadata={} if outcome.rows is None else {"rows": outcome.rows},
        )
    ]


def cdc_healthy(key: dg.AssetKey, verdict: Verdict, observed_at: datetime | None) -> dg.AssetCheckEvaluation:
    """Return the check's event for a verdict that changed; `observed_at`: the last look, None before the first."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=CDC_HEALTHY,
        passed=verdict.passed,
        description=verdict.why,
        metadata={} if observed_at is None else {"observed_at": dg.MetadataValue.timestamp(observed_at)},
    )


def table_checks(
    settings: Settings, pipelines: Sequence[Pipeline], commands: Commands
) -> list[dg.AssetChecksDefinition]:
    """Declare the checks of every target table; a check that is not declared is not shown.

    Of two pipelines that name one target table, which `check` refuses, the first declares: a key may be declared once.
    """
    declared: set[dg.AssetKey] = set()
    checks = []
    for pipeline in pipelines:
        keys = {target_key(pipeline, mapping): mapping.partition_key for mapping in pipeline.tables}
        own = {key: table for key, table in keys.items() if key not in declared}
        declared |= own.keys()
        if own:
            checks.append(_table_checks(settings, pipeline, commands, own))
    return checks


def _table_checks(
    settings: Settings, pipeline: Pipeline, commands: Commands, tables: Mapping[dg.AssetKey, str]
) -> dg.AssetChecksDefinition:
    names = (ROWS_MATCH, CDC_HEALTHY) if pipeline.mode.captures else (ROWS_MATCH,)

    def execute(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        record = commands.open_store(settings).find(pipeline.name)
        for key in context.selected_asset_check_keys:
            verdict = _recorded(record, tables[key.asset_key], key.name)
            yield dg.AssetCheckResult(
                asset_key=key.asset_key, check_name=key.name, passed=verdict.passed, description=verdict.why
            )

    specs = [dg.AssetCheckSpec(name, asset=key, description=_DESCRIPTIONS[name]) for name in names for key in tables]
    return _checks(f"{pipeline.name}__checks", specs, execute)


def _recorded(record: PipelineRecord | None, table: str, check: str) -> Verdict:
    if record is None or table not in {row.source_table for row in record.tables}:
        return Verdict(passed=False, why="the pipeline was never started")
    if check == ROWS_MATCH:
        return load_verdict(record, table)
    at = f"intent {record.intent}, cdc {record.cdc_status}, table {record.table(table).state}"
    return cdc_verdict(record, table) or Verdict(passed=False, why=f"changes do not arrive: {at}")


def invalid_assets(invalid: Sequence[InvalidDefinition]) -> list[dg.AssetSpec]:
    """Return an asset `[P]` for every file that cannot be used, so that it is seen where its pipeline is looked for."""
    return [
        dg.AssetSpec(
            dg.AssetKey([name]),
            description=f"The file `{name}` cannot be used:\n\n{_listed(problems)}\n\nThe other pipelines work. A"
            " pipeline of this name that runs goes on as it was. Correct the file: it is read again within seconds, and"
            " this asset goes away.",
            group_name=INVALID_FILES,
            owners=OWNERS,
            kinds={"yaml"},
            tags=file_tags(),
        )
        for name, problems in problems_by_name(invalid).items()
    ]


def definition_checks(
    settings: Settings, invalid: Sequence[InvalidDefinition], commands: Commands
) -> list[dg.AssetChecksDefinition]:
    """Declare `definition_valid` on the assets of bad files; executed by hand it reads the file again."""
    if not invalid:
        return []

    def execute(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        problems = problems_by_name(commands.known_definitions(settings).invalid)
        for key in context.selected_asset_check_keys:
            found = problems.get(key.asset_key.path[0], ())
            yield dg.AssetCheckResult(
                asset_key=key.asset_key, check_name=key.name, passed=not found, description=_listed(found)
            )

    specs = [
        dg.AssetCheckSpec(DEFINITION_VALID, asset=dg.AssetKey([name]), description=_VALID)
        for name in problems_by_name(invalid)
    ]
    return [_checks("definition_files__checks", specs, execute)]


def definition_events(definitions: Definitions) -> dict[str, dg.AssetCheckEvaluation]:
    """Return the failed check of every bad file, by its name."""
    return {
        name: dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey([name]), check_name=DEFINITION_VALID, passed=False, description=_listed(problems)
        )
        for name, problems in problems_by_name(definitions.invalid).items()
    }


def problems_by_name(invalid: Sequence[InvalidDefinition]) -> Mapping[str, tuple[str, ...]]:
    """Return every problem of each name: NAME.yaml and NAME.yml may both be bad."""
    problems: dict[str, tuple[str, ...]] = {}
    for each in invalid:
        problems[each.name] = problems.get(each.name, ()) + each.problems
    return problems


def _listed(problems: Sequence[str]) -> str:
    return "\n".join(f"- {problem}" for problem in problems)


def _checks(
    name: str,
    specs: Sequence[dg.AssetCheckSpec],
    execute: Callable[[dg.AssetCheckExecutionContext], Iterator[dg.AssetCheckResult]],
) -> dg.AssetChecksDefinition:
    # Built from an op, because the decorator makes output names from keys, and a table's name need not be one.
    outputs = {f"check_{number}": spec for number, spec in enumerate(specs)}
    step = dg.op(name=name, out={output: dg.Out(dg.Nothing, is_required=False) for output in outputs})(execute)
    checks: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        keys_by_input_name={},
        node_def=step,
        check_specs_by_output_name=outputs,
        resource_defs={},
        can_subset=True,
    )
    return checks
