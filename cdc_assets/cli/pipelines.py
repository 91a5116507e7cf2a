"""The verbs that concern pipelines: check, plan, start, stop, status, drop; they call `wiring` and show its answers."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live
from tenacity import Retrying, retry_if_result, wait_fixed

from cdc_assets import wiring
from cdc_assets.cli import rendering
from cdc_assets.cli.follow import LoadMeter, follow, shown
from cdc_assets.cli.messages import print_failure, print_note
from cdc_assets.cli.names import Name, SomeName
from cdc_assets.model.errors import DefinitionError, UnknownPipelineError
from cdc_assets.model.pipeline import Definitions, InvalidDefinition, Pipeline
from cdc_assets.model.pipeline_document import Json, pipeline_documents, record_document
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import TROUBLE, Intent, PipelineStatus
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings

FAILED = 1
INTERRUPTED = 130
_WATCH_SECONDS = 1.0
_STARTED = frozenset({PipelineStatus.RUNNING, PipelineStatus.COMPLETED})
_STOPPED = frozenset({PipelineStatus.STOPPED, PipelineStatus.NOT_STARTED})


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return when it is accepted; ./cdc status shows the rest.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Seconds to wait at most; the work itself goes on.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (check, plan, start, stop, status, drop):
        app.command()(verb)


def check(name: SomeName = None, as_json: AsJson = False) -> None:
    """Check what could lose or damage something, change nothing; exit 1 when a check fails."""
    settings = wiring.load_settings()
    definitions = wiring.known_definitions(settings)
    _require_known(settings, definitions, name)
    checks = [
        *_alert_checks(settings),
        *(found for invalid in _chosen_invalid(definitions, name) for found in _invalid_checks(invalid)),
        *(found for pipeline in _chosen(definitions, name) for found in _checks(settings, pipeline)),
    ]
    if as_json:
        rendering.print_json([found.as_json() for found in checks])
    elif checks:
        rendering.print_checks(rendering.terminal(), checks, _places(definitions))
    else:
        typer.echo(f"There is no pipeline file in {settings.pipelines_dir}.")
    if any(found.status is CheckStatus.FAIL for found in checks):
        raise typer.Exit(FAILED)


def plan(name: Name, as_json: AsJson = False) -> None:
    """Show what a start would do: tables and sizes, DDL, connectors, what is left out. Changes nothing."""
    settings = wiring.load_settings()
    found = wiring.plan(settings, usable(settings, name))
    if as_json:
        rendering.print_json(rendering.plan_json(found))
    else:
        rendering.print_plan(rendering.terminal(), found)


def start(
    name: Name,
    create_database: Annotated[
        bool, typer.Option("--create-database", help="First make the target's database, where it is missing.")
    ] = False,
    timeout: Timeout = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Start a pipeline; returns when it is RUNNING (COMPLETED for full_load_only), exit 1 with the cause else."""
    settings = wiring.load_settings()
    pipeline = usable(settings, name)
    if create_database and wiring.make_target_database(pipeline):
        print_note(f"Made database {pipeline.target.database} on {pipeline.target.connection.name}.")
    asked = wiring.request_start(settings, name)
    follow_to_end(settings, asked, is_started, timeout=timeout, no_wait=no_wait, as_json=as_json)


def stop(name: Name, timeout: Timeout = None, no_wait: NoWait = False, as_json: AsJson = False) -> None:
    """Stop a pipeline; returns when it is STOPPED. Its slot stays: a start goes on where it was."""
    settings = wiring.load_settings()
    _require_known(settings, wiring.load_definitions(settings), name)
    asked = wiring.request_stop(settings, name)
    follow_to_end(settings, asked, _is_stopped, timeout=timeout, no_wait=no_wait, as_json=as_json)


def status(
    name: SomeName = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the recorded state of one or all pipelines."""
    settings = wiring.load_settings()
    store = wiring.open_store(settings)
    _require_known(settings, wiring.load_definitions(settings), name)
    meter = LoadMeter(store)
    if watch:
        _watch(
            lambda: _status_view(settings, store, meter, name, is_watched=True),
            lambda: _status_json(settings, store, name),
            as_json,
        )
    elif as_json:
        rendering.print_json(_status_json(settings, store, name))
    else:
        rendering.terminal().print(_status_view(settings, store, meter, name))


def drop(
    name: Name,
    drop_target: Annotated[bool, typer.Option("--drop-target", help="Also drop the target tables.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove everything of a pipeline but its file and its events: connectors, topics, slot, publication, state."""
    settings = wiring.load_settings()
    _require_known(settings, wiring.load_definitions(settings), name)
    report = wiring.drop(settings, name, drop_target=drop_target)
    if as_json:
        rendering.print_json(rendering.removal_json(report))
    else:
        rendering.print_removal(rendering.terminal(), report)
    if report.left:
        raise typer.Exit(FAILED)


def usable(settings: Settings, name: str) -> Pipeline:
    """Return the pipeline of a file that can be used; needs the state database, as `_require_known` does."""
    definitions = wiring.load_definitions(settings)
    _require_known(settings, definitions, name)
    return wiring.find_pipeline(definitions, name)


def _require_known(settings: Settings, definitions: Definitions, name: str | None) -> None:
    """Raise UnknownPipelineError unless the name stands for a file or a record; needs the state database."""
    recorded = {record.name for record in wiring.open_store(settings).list_pipelines()}
    known = recorded | _defined(definitions)
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise UnknownPipelineError(
            f"there is no pipeline {name} (known: {listed})", hint=f"see the files in {settings.pipelines_dir}"
        )


def _defined(definitions: Definitions) -> set[str]:
    return {each.name for each in definitions.pipelines} | {each.name for each in definitions.invalid}


def _chosen(definitions: Definitions, name: str | None) -> Sequence[Pipeline]:
    return [pipeline for pipeline in definitions.pipelines if name in {None, pipeline.name}]


def _chosen_invalid(definitions: Definitions, name: str | None) -> Sequence[InvalidDefinition]:
    return [invalid for invalid in definitions.invalid if name in {None, invalid.name}]


def _checks(settings: Settings, pipeline: Pipeline) -> Sequence[PreflightCheck]:
    valid = PreflightCheck("definition_valid", CheckStatus.PASS, pipeline.name, "the file can be used")
    return [valid, *wiring.check(settings, pipeline)]


def _invalid_checks(invalid: InvalidDefinition) -> Sequence[PreflightCheck]:
    parted = [rendering.split_sentence(problem) for problem in invalid.problems]
    return [PreflightCheck("definition_valid", CheckStatus.FAIL, invalid.name, what, fix) for what, fix in parted]


def _alert_checks(settings: Settings) -> Sequence[PreflightCheck]:
    """Return what is wrong with the alerts file: nobody is told of anything then, and no pipeline works the worse."""
    try:
        wiring.alert_rules(settings)
    except DefinitionError as error:
        return [PreflightCheck("alerts_valid", CheckStatus.WARN, "alerts", error.message, error.hint)]
    return []


def _places(definitions: Definitions) -> dict[tuple[str, str], str]:
    return {
        (pipeline.name, side): f"the {side}, connection {endpoint.connection.name}, database {endpoint.database}"
        for pipeline in definitions.pipelines
        for side, endpoint in (("source", pipeline.source), ("target", pipeline.target))
    }


def is_started(record: PipelineRecord) -> bool:
    """Whether a start has ended, good or bad."""
    return record.status in _STARTED or record.status is PipelineStatus.ERROR


def _is_stopped(record: PipelineRecord) -> bool:
    return record.status in _STOPPED


def follow_to_end(
    settings: Settings,
    asked: PipelineRecord,
    is_done: Callable[[PipelineRecord], bool],
    *,
    timeout: float | None,
    no_wait: bool,
    as_json: bool,
    table: str | None = None,
) -> None:
    """Wait until it is done and show how it ended, of the pipeline or of one table; exit 1 when that is in trouble."""
    record, begun = asked, time.monotonic()
    if not no_wait:
        try:
            with shown(settings, rendering.terminal(), is_quiet=as_json) as show:
                record = follow(settings, asked, is_done=is_done, show=show, timeout_seconds=timeout)
        except KeyboardInterrupt:
            print_note(f"{asked.name}: not waited for any longer; it goes on: ./cdc status {asked.name} --watch")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        definition = wiring.load_definitions(settings).find(record.name)
        rendering.print_json(record_document(record, definition))
    elif table is not None:
        row = record.table(table)
        typer.echo(f"{record.name}.{table}: {row.intent} is wanted, {row.state} after {time.monotonic() - begun:.1f} s")
    elif no_wait:
        typer.echo(f"{record.name}: {record.intent} was asked for (status {record.status})")
    else:
        typer.echo(f"{record.name}: {record.status} after {time.monotonic() - begun:.1f} s")
    if no_wait:
        return
    if table is not None:
        row = record.table(table)
        if row.state in TROUBLE and row.intent is Intent.RUNNING:
            print_failure(*rendering.split_sentence(row.last_error or f"table {table} is {row.state}"))
            raise typer.Exit(FAILED)
    elif record.status is PipelineStatus.ERROR:
        _fail_with_cause(record)


def _fail_with_cause(record: PipelineRecord) -> None:
    tables = [f"{table.source_table}: {table.last_error}" for table in record.tables if table.last_error]
    sentence = record.last_error or "; ".join(tables) or f"pipeline {record.name} is in ERROR without a recorded cause"
    print_failure(*rendering.split_sentence(sentence))
    raise typer.Exit(FAILED)


def _status_json(settings: Settings, store: PipelineStore, name: str | None) -> object:
    pipelines = _pipelines_json(settings, store, name)
    return pipelines if name is None else pipelines[0]


def _pipelines_json(settings: Settings, store: PipelineStore, name: str | None) -> list[Json]:
    documents = pipeline_documents(wiring.known_definitions(settings), store.list_pipelines())
    found = [document for document in documents if name in {None, document["name"]}]
    if name is not None and not found:
        raise UnknownPipelineError(f"pipeline {name} is gone", hint="look at ./cdc status")
    return found


def _status_view(
    settings: Settings, store: PipelineStore, meter: LoadMeter, name: str | None, *, is_watched: bool = False
) -> RenderableType:
    pipelines = _pipelines_json(settings, store, name)
    if name is None:
        if not pipelines:
            return f"There is no pipeline in {settings.pipelines_dir}."
        return rendering.status_table(pipelines, is_watched=is_watched)
    record = store.find(name)
    load = None if record is None else meter.observe(record)
    return rendering.status_detail(pipelines[0], progress="" if load is None else str(load), is_watched=is_watched)


def _watch(view: Callable[[], RenderableType], as_value: Callable[[], object], as_json: bool) -> None:
    # After every result: `retry_always` would also try again after an error and after Ctrl-C in the middle of a look.
    again = Retrying(retry=retry_if_result(lambda _: True), wait=wait_fixed(_WATCH_SECONDS))
    console = rendering.terminal()
    try:
        if as_json:
            again(lambda: rendering.print_json(as_value()))
        elif console.is_terminal:
            with Live(view(), console=console, auto_refresh=False) as live:
                again(lambda: live.update(view(), refresh=True))
        else:
            again(lambda: console.print(view()))
    except KeyboardInterrupt:
        return
