"""Intents and what follows from them: asking for a start or a stop, and the tick that turns wishes into runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.errors import (
    CdcAssetsError,
    LeaseHeldError,
    NotPossibleNowError,
    RunDiedError,
    UnknownPipelineError,
    UnknownTableError,
)
from cdc_assets.model.pipeline import Definitions, Pipeline
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, TableState
from cdc_assets.planning.run_requests import AskRun, GiveUp, PauseIdle, StopIdle, Wait, decide, is_silent, run_key
from cdc_assets.ports.runs import RunLookup
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings
from cdc_assets.stages.stop import stop
from cdc_assets.wiring.basics import load_definitions, open_store
from cdc_assets.wiring.parts import stage_context
from cdc_assets.wiring.pauses import follow_table_intents, pause_idle, release_now
from cdc_assets.wiring.table_choice import record_first_tables, record_tables

_PAUSABLE = frozenset({TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED})


@dataclass(frozen=True, slots=True)
class RunWish:
    """A run of `P__sync` that Dagster shall start, once for its `run_key`."""

    pipeline: str
    version: int
    attempt: int
    run_key: str
    tables: tuple[str, ...]


def find_pipeline(definitions: Definitions, name: str) -> Pipeline:
    """Return the valid pipeline of that name.

    UnknownPipelineError names the known ones, or why the file cannot be used.
    """
    pipeline = definitions.find(name)
    if pipeline is not None:
        return pipeline
    for invalid in definitions.invalid:
        if invalid.name == name:
            problems = "; ".join(invalid.problems)
            raise UnknownPipelineError(f"pipeline {name} cannot be used: {problems}", hint="correct the file")
    known = ", ".join(sorted(each.name for each in definitions.pipelines)) or "none"
    raise UnknownPipelineError(
        f"there is no pipeline {name} (known: {known})", hint="see the files in CDC_PIPELINES_DIR"
    )


def request_start(settings: Settings, name: str) -> PipelineRecord:
    """Write the intent RUNNING; returns the pipeline as recorded then. A running pipeline is left as it is.

    With `tables: all` the source is asked first; its errors pass through, and nothing is written then.
    """
    pipeline = find_pipeline(load_definitions(settings), name)
    store = open_store(settings)
    record_tables(settings, pipeline)
    return store.write_intent(name, Intent.RUNNING, cause="start was asked for")


def request_stop(settings: Settings, name: str) -> PipelineRecord:
    """Write the intent STOPPED; a stopped or never-started pipeline is left as it is."""
    store = open_store(settings)
    if store.find(name) is None:
        store.ensure_pipeline(find_pipeline(load_definitions(settings), name))
    return store.write_intent(name, Intent.STOPPED, cause="stop was asked for")


def request_pause(settings: Settings, name: str) -> PipelineRecord:
    """Write the intent PAUSED; a paused pipeline is left as it is.

    NotPossibleNowError, and nothing is written, unless changes arrive and no load is under way.
    """
    store = open_store(settings)
    record = store.find(name)
    if record is None:
        find_pipeline(load_definitions(settings), name)
        raise NotPossibleNowError(
            f"pipeline {name} was never started: only one that is RUNNING can be paused", hint=f"./cdc start {name}"
        )
    if record.intent is Intent.PAUSED:
        return record
    if record.intent is not Intent.RUNNING or record.cdc_status is not CdcStatus.RUNNING:
        raise NotPossibleNowError(
            f"pipeline {name} is {record.status} (cdc {record.cdc_status}): only one that is RUNNING can be paused",
            hint=f"see ./cdc status {name}; ./cdc stop {name} works in every state",
        )
    if record.full_load_status is FullLoadStatus.IN_PROGRESS:
        raise NotPossibleNowError(
            f"pipeline {name} is loading tables: a load cannot be paused", hint="wait for its end, or stop the pipeline"
        )
    return store.write_intent(name, Intent.PAUSED, cause="pause was asked for")


def request_resume(settings: Settings, name: str) -> PipelineRecord:
    """Write the intent RUNNING for a paused pipeline; a running one is left as it is, NotPossibleNowError else."""
    store = open_store(settings)
    record = store.find(name)
    if record is None:
        find_pipeline(load_definitions(settings), name)
        raise NotPossibleNowError(
            f"pipeline {name} was never started, not paused: there is nothing to resume", hint=f"./cdc start {name}"
        )
    if record.intent is Intent.RUNNING:
        return record
    if record.intent is not Intent.PAUSED:
        raise NotPossibleNowError(
            f"pipeline {name} is {record.status}, not paused: there is nothing to resume", hint=f"./cdc start {name}"
        )
    return store.write_intent(name, Intent.RUNNING, cause="resume was asked for")


def request_table_pause(settings: Settings, name: str, table: str) -> PipelineRecord:
    """Write the intent PAUSED of a table whose changes are applied; the other tables go on."""
    store = open_store(settings)
    state = _table(_recorded(settings, store, name, table), table).state
    if state not in _PAUSABLE:
        raise NotPossibleNowError(
            f"table {table} of pipeline {name} is {state}: only a table whose changes are applied can be paused",
            hint=f"see ./cdc status {name}",
        )
    return store.write_table_intent(name, table, Intent.PAUSED, cause="pause was asked for")


def request_table_resume(settings: Settings, name: str, table: str) -> PipelineRecord:
    """Write the intent RUNNING of a table; one in quarantine is tried again at once, LeaseHeldError while a run works.

    The tick lets a paused one go on; when the whole pipeline is paused or stopped, that is at its resume or start.
    """
    store = open_store(settings)
    row = _table(_recorded(settings, store, name, table), table)
    record = store.write_table_intent(name, table, Intent.RUNNING, cause="resume was asked for")
    if row.state is TableState.QUARANTINED and record.intent is Intent.RUNNING:
        release_now(settings, store, find_pipeline(load_definitions(settings), name), [table])
    return store.find(name) or record


def _recorded(settings: Settings, store: PipelineStore, name: str, table: str) -> PipelineRecord:
    """Return what is recorded; NotPossibleNowError for a table of a pipeline of which nothing is."""
    record = store.find(name)
    if record is not None:
        return record
    tables = [mapping.source.name for mapping in find_pipeline(load_definitions(settings), name).tables]
    if table not in tables:
        raise _unknown_table(name, table, tables)
    raise NotPossibleNowError(
        f"table {table} of pipeline {name} was never loaded: there is nothing to pause or to resume",
        hint=f"./cdc start {name}",
    )


def _table(record: PipelineRecord, table: str) -> TableRecord:
    for row in record.tables:
        if row.source_table == table:
            return row
    raise _unknown_table(record.name, table, [row.source_table for row in record.tables])


def _unknown_table(pipeline: str, table: str, known: Sequence[str]) -> UnknownTableError:
    return UnknownTableError(
        f"pipeline {pipeline} has no table {table} (known: {', '.join(known)})", hint=f"see ./cdc status {pipeline}"
    )


def reconcile(settings: Settings, runs: RunLookup, *, log: Callable[[str], None]) -> tuple[RunWish, ...]:
    """One tick: return the runs to ask Dagster for, stop idle pipelines, give up what died too often.

    Trouble with one pipeline is recorded on it and does not keep the others waiting.
    """
    store = open_store(settings)
    record_first_tables(settings, store, log=log)
    definitions = load_definitions(settings)
    wishes: list[RunWish] = []
    for record in _settled_records(store):
        defined = definitions.find(record.name)
        if defined is None:
            continue
        wish = _reconcile_one(settings, store, defined, record, runs=runs, log=log)
        if wish is not None:
            wishes.append(wish)
    return tuple(wishes)


def _settled_records(store: PipelineStore) -> tuple[PipelineRecord, ...]:
    """Read the pipelines; a holder fallen silent is waited for to speak or to be dead.

    The next tick is seconds away: a death just after this one would be noticed a whole tick too late.
    """
    life = store.lease_duration()
    return Retrying(
        stop=stop_after_delay(life),
        wait=wait_fixed(0.5),
        retry=retry_if_result(lambda records: any(is_silent(record, life) for record in records)),
        retry_error_callback=lambda _state: store.list_pipelines(),
    )(store.list_pipelines)


def _reconcile_one(
    settings: Settings,
    store: PipelineStore,
    pipeline: Pipeline,
    record: PipelineRecord,
    *,
    runs: RunLookup,
    log: Callable[[str], None],
) -> RunWish | None:
    asked = run_key(record.name, record.intent_version, record.attempt)
    decision = decide(
        record,
        now=SystemClock().now(),
        run_is_pending=record.attempt > 0 and runs.is_pending(asked),
        holder_is_alive=record.lease_holder is None or runs.is_alive(record.lease_holder),
    )
    match decision:
        case Wait():
            follow_table_intents(settings, store, pipeline, record, log)
            return None
        case AskRun(version=version, after_death=after_death):
            tables = tuple(mapping.partition_key for mapping in pipeline.tables)
            if not tables:
                log(f"no run of {record.name} is asked for: its tables are not known yet")
                return None
            attempt = store.note_run_asked(record.name, version=version, died=_died(record) if after_death else None)
            log(f"asking for a run of {record.name}, intent version {version}, attempt {attempt}")
            return RunWish(record.name, version, attempt, run_key(record.name, version, attempt), tables)
        case GiveUp(version=version, attempts=attempts):
            error = RunDiedError(
                f"{attempts} runs of {record.name} in a row ended without a word",
                hint="look at the runs in Dagster and at the machine's memory, then start the pipeline again",
            )
            store.give_up(record.name, version=version, error=error)
            return None
        case PauseIdle(version=version):
            pause_idle(settings, store, pipeline, version, log)
            return None
        case StopIdle(version=version):
            _stop_idle(settings, store, pipeline, version, log)
            return None


def _died(record: PipelineRecord) -> RunDiedError:
    return RunDiedError(
        f"the run of {record.name} (attempt {max(record.attempt, 1)}) ended without a word: killed, out of memory, "
        "or its machine restarted",
        hint="nothing to do while it is tried again; its log in Dagster tells how far it came",
    )


def _stop_idle(
    settings: Settings, store: PipelineStore, pipeline: Pipeline, version: int, log: Callable[[str], None]
) -> None:
    try:
        with store.take_lease(pipeline.name, run_id="reconcile", serves=version) as lease:
            try:
                stop(stage_context(settings, pipeline, lease, log=log))
            except CdcAssetsError as error:
                # Not served: the next tick tries again, and the user sees why it takes so long.
                lease.fail("stop", error)
                return
            lease.serve()
    except LeaseHeldError as error:
        log(f"stop of {pipeline.name} waits: {error.message}")
