"""What a start would do, as values: `plan` prints them, nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdc_assets.model.pipeline import Mode


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table of the plan; `row_estimate` is the planner's (-1 unknown), `left_out`: what the copy will not have.

    `refused`: why nothing can be done for it, empty when it can.
    """

    source_table: str
    target_table: str
    size_bytes: int
    row_estimate: int
    left_out: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """DDL text in the order it would be run, and connectors as they would be configured, without secrets."""

    pipeline: str
    mode: Mode
    source: str
    target: str
    tables: tuple[PlannedTable, ...]
    ddl: tuple[str, ...]
    connectors: Mapping[str, Mapping[str, str]]
