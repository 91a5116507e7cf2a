"""Renders `docs/statuses.md` from the tables in `cdc_assets/model/status.py`.

`python -m cdc_assets_tests.unit.model.statuses_page` writes the page; a test compares it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from cdc_assets.model.status import (
    CDC_STEPS,
    FULL_LOAD_STEPS,
    STATUS_RULES,
    TABLE_STEPS,
    TROUBLE,
    CdcStatus,
    FullLoadStatus,
    Intent,
    PipelineStatus,
    StatusRule,
    TableState,
    is_aim_reached,
)

_Word = TypeVar("_Word", bound=StrEnum)
PAGE = Path(__file__).parents[3] / "docs" / "statuses.md"
_INTRODUCTION = """# Statuses

Written from `cdc_assets/model/status.py` by `python -m cdc_assets_tests.unit.model.statuses_page`; a test keeps it
current.

`intent` is what the operator wants, with a version that rises with every new wish. `full_load_status`, `cdc_status` and
each table's `state` are facts, changed only along the steps below, by the stages, each change in one transaction with
its event. `status` is derived from them by the first line of the truth table that fits, in the same transaction, and
never set by hand. INVALID is shown for a pipeline whose file cannot be used; no transition stores it.

## The truth table

`served`: the newest version of the intent was taken to its end, good or bad. `trouble`: a table is {trouble}. An empty
cell fits everything.

"""
_NEW_TRY = """
The same intent written again is a new try, with a new version, when the last one was served without reaching its aim:
{aims}.
"""
_POSITIONS = """
Where the mode loads, LOADED also needs a load position that is not older than the position from which the table's
changes are captured, and CATCHING_UP and STREAMING need a load that became LOADED.
"""


def render() -> str:
    """Return the whole page."""
    aims = "; ".join(
        f"{intent.value} aims at {_or(status for status in PipelineStatus if is_aim_reached(intent, status))}"
        for intent in Intent
    )
    parts = (
        _INTRODUCTION.format(trouble=_or(state for state in TableState if state in TROUBLE)),
        _table(
            ("intent", "served", "mode", "full_load_status", "cdc_status", "trouble", "status", "because"),
            (_cells(rule) for rule in STATUS_RULES),
        ),
        _NEW_TRY.format(aims=aims),
        _section("full_load_status", FullLoadStatus, FULL_LOAD_STEPS),
        _section("cdc_status", CdcStatus, CDC_STEPS),
        _section("The state of a table", TableState, TABLE_STEPS),
        _POSITIONS,
    )
    return "".join(parts)


def _cells(rule: StatusRule) -> tuple[str, ...]:
    return (
        rule.intent.value,
        _yes(rule.is_served),
        rule.mode.value if rule.mode else "",
        ", ".join(_in_order(rule.full_load or (), FullLoadStatus)),
        ", ".join(_in_order(rule.cdc or (), CdcStatus)),
        _yes(rule.has_trouble),
        f"**{rule.status.value}**",
        rule.why,
    )


def _section(title: str, words: type[_Word], steps: Mapping[_Word, frozenset[_Word]]) -> str:
    paragraphs = [" ".join(part.split()) for part in (words.__doc__ or "").split("\n\n")]
    text = "\n\n".join(paragraphs)
    rows = ((word.value, ", ".join(_in_order(steps[word], words))) for word in words)
    return f"\n## {title}\n\n{text}\n\n" + _table(("from", "to"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _in_order(words: Iterable[_Word], kind: type[_Word]) -> list[str]:
    chosen = set(words)
    return [word.value for word in kind if word in chosen]


def _or(words: Iterable[StrEnum]) -> str:
    *most, last = [word.value for word in words]
    return f"{', '.join(most)} or {last}"


def _yes(answer: bool | None) -> str:  # noqa: FBT001  a cell
    return {True: "yes", False: "no", None: ""}[answer]


def words_shown() -> set[str]:
    """Return every word a reader may look for."""
    return {word.value for kind in (Intent, FullLoadStatus, CdcStatus, PipelineStatus, TableState) for word in kind}


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
