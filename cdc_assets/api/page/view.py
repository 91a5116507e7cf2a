"""What the page shows of each pipeline, made from its document: words, tones, progress, the buttons that make sense.

Pure: the templates only place it.
"""

from dataclasses import dataclass
from enum import StrEnum

from cdc_assets.api.page.links import DagsterLinks
from cdc_assets.model.pipeline_document import Json
from cdc_assets.model.status import Intent, PipelineStatus, TableState

_FIX = ". Fix: "
_KIB = 1024


class Tone(StrEnum):
    """Colour and sign of a word; the word itself always stands beside it."""

    GOOD = "good"
    BUSY = "busy"
    HELD = "held"
    BAD = "bad"


_P, _T = PipelineStatus, TableState
_STATUS_TONES = {
    _P.NOT_STARTED: Tone.HELD,
    _P.STARTING: Tone.BUSY,
    _P.RUNNING: Tone.GOOD,
    _P.PAUSED: Tone.HELD,
    _P.STOPPING: Tone.BUSY,
    _P.STOPPED: Tone.HELD,
    _P.COMPLETED: Tone.GOOD,
    _P.ERROR: Tone.BAD,
    _P.INVALID: Tone.BAD,
}
_TABLE_TONES = {
    _T.NOT_STARTED: Tone.HELD,
    _T.PREPARED: Tone.BUSY,
    _T.LOADING: Tone.BUSY,
    _T.LOADED: Tone.GOOD,
    _T.CATCHING_UP: Tone.BUSY,
    _T.STREAMING: Tone.GOOD,
    _T.PAUSED: Tone.HELD,
    _T.QUARANTINED: Tone.BAD,
    _T.RESYNC_REQUIRED: Tone.BAD,
    _T.FAILED: Tone.BAD,
}
_ACTIONS = {
    _P.NOT_STARTED: ("start",),
    _P.STARTING: ("stop",),
    _P.RUNNING: ("pause", "stop"),
    _P.PAUSED: ("resume", "stop"),
    _P.STOPPING: ("start",),
    _P.STOPPED: ("start",),
    _P.COMPLETED: ("stop",),
    _P.ERROR: ("start", "stop"),
    _P.INVALID: (),
}
_FLOWING = frozenset({_T.CATCHING_UP, _T.STREAMING})
_HELD = frozenset({_T.PAUSED, _T.QUARANTINED})
_UNLOADED = frozenset({_T.NOT_STARTED, _T.PREPARED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong, and the way out."""

    code: str
    what: str
    fix: str

    @classmethod
    def of(cls, document: Json) -> "Trouble | None":
        """Return the last error of a pipeline's or a table's document."""
        sentence = document.get("last_error")
        if not sentence:
            return None
        what, _, fix = str(sentence).partition(_FIX)
        return cls(str(document.get("last_error_code") or "ERROR"), what, fix)


@dataclass(frozen=True, slots=True)
class TableView:
    """One line of a pipeline's tables; `percent` is None while nothing is being loaded."""

    name: str
    target: str
    state: str
    tone: Tone
    percent: int | None
    loaded: str
    trouble: Trouble | None
    action: str | None
    link: str | None


@dataclass(frozen=True, slots=True)
class PipelineView:
    """One pipeline as a card; trouble that is told beside a table is not told twice."""

    name: str
    status: str
    tone: Tone
    mode: str
    source: str
    target: str
    changed: str | None
    summary: str
    percent: int | None
    trouble: Trouble | None
    actions: tuple[str, ...]
    streams: bool
    tables: tuple[TableView, ...]
    assets: str
    runs: str | None

    @property
    def is_quiet(self) -> bool:
        """Nothing here wants to be read: no trouble and nothing under way."""
        return self.tone in {Tone.GOOD, Tone.HELD} and all(
            table.tone in {Tone.GOOD, Tone.HELD} for table in self.tables
        )


def pipeline_view(document: Json, links: DagsterLinks) -> PipelineView:
    """Return the card of a pipeline's document."""
    status = PipelineStatus(document["status"])
    tables = tuple(_table_view(table, document, links) for table in document["tables"])
    trouble = Trouble.of(document)
    is_usable = status is not PipelineStatus.INVALID
    return PipelineView(
        name=document["name"],
        status=status,
        tone=_STATUS_TONES[status],
        mode=str(document["mode"] or "").replace("_", " "),
        source=_place(document["source"]),
        target=_place(document["target"]),
        changed=document["updated_at"],
        summary=_summary(tables),
        percent=_overall(document["tables"]) if any(table.percent is not None for table in tables) else None,
        trouble=None if any(table.trouble == trouble for table in tables) else trouble,
        actions=_ACTIONS[status],
        streams=document["mode"] != "full_load_only" and document["slot_name"] is not None,
        tables=tables,
        assets=links.group(document["name"]) if is_usable else links.file(document["name"]),
        runs=links.runs(document["name"]) if is_usable else None,
    )


def _table_view(table: Json, document: Json, links: DagsterLinks) -> TableView:
    state = TableState(table["state"])
    target = document["target"]
    return TableView(
        name=table["name"],
        target=table["target_table"],
        state=state,
        tone=_TABLE_TONES[state],
        percent=_percent(table) if state is TableState.LOADING else None,
        loaded=_loaded(table, state),
        trouble=Trouble.of(table),
        action=_table_action(state, document),
        link=None if target is None else links.table(target, table["target_table"]),
    )


def _table_action(state: TableState, document: Json) -> str | None:
    if document["intent"] != Intent.RUNNING or document["status"] == PipelineStatus.INVALID:
        return None
    if state in _FLOWING:
        return "pause"
    return "resume" if state in _HELD else None


def _loaded(table: Json, state: TableState) -> str:
    if state in _UNLOADED:
        return ""
    rows = f"{table['rows_loaded']:,} rows"
    if state is TableState.LOADING:
        rows = f"{table['rows_loaded']:,} of about {table['rows_estimated'] or 0:,} rows"
    size = table.get("bytes_loaded")
    return f"{rows}, {bytes_text(size)}" if size else rows


def _percent(table: Json) -> int:
    """How much of a table is loaded; an estimate, so 100 is left to the state LOADED."""
    estimated = table["rows_estimated"] or 0
    return min(99, 100 * table["rows_loaded"] // estimated) if estimated else 0


def _overall(tables: list[Json]) -> int:
    estimated = sum(table["rows_estimated"] or 0 for table in tables)
    return min(99, 100 * sum(table["rows_loaded"] for table in tables) // estimated) if estimated else 0


def _summary(tables: tuple[TableView, ...]) -> str:
    """Count the tables by their state, trouble first."""
    order = (Tone.BAD, Tone.BUSY, Tone.HELD, Tone.GOOD)
    counts: dict[str, int] = {}
    for table in sorted(tables, key=lambda each: order.index(each.tone)):
        counts[table.state] = counts.get(table.state, 0) + 1
    told = ", ".join(f"{count} {state.replace('_', ' ').lower()}" for state, count in counts.items())
    return f"{len(tables)} {'table' if len(tables) == 1 else 'tables'}{f': {told}' if told else ''}"


def _place(endpoint: Json | None) -> str:
    if endpoint is None:
        return ""
    return f"{endpoint['connection']}: {endpoint['database']}.{endpoint['schema']}"


def bytes_text(count: int) -> str:
    """Write a size with its unit."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIB
    return f"{size:.1f} TiB"
