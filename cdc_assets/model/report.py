"""What a stage tells its caller: progress while it works, outcomes when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.position import Lsn


class Stage(StrEnum):
    """The four things that exist after a start, in the order they come to be; also the names of the Dagster assets."""

    TARGET_SCHEMA = "target_schema"
    LOADED_TABLE = "loaded_table"
    SOURCE_CONNECTOR = "source_connector"
    SINK_CONNECTOR = "sink_connector"


@dataclass(frozen=True, slots=True)
class ReportedColumn:
    """A column of a target table as it was made; `type` is text of the target's dialect."""

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class TableOutcome:
    """How one table left a stage: `error` is None when it is good; figures only where the stage has them.

    `seconds`: how long this run took to load it, None when it was loaded before; `statements`: what makes its target
    table, key and indexes; `connector`: the one that looks after it.
    """

    error: CdcAssetsError | None = None
    rows: int | None = None
    size_bytes: int | None = None
    seconds: float | None = None
    lsn: Lsn | None = None
    note: str = ""
    columns: tuple[ReportedColumn, ...] = ()
    statements: tuple[str, ...] = ()
    connector: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether the table may go on to the next stage."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A moment of a running load: sums over its tables; `eta_seconds` is None while nothing can be said."""

    rows: int
    size_bytes: int
    bytes_estimated: int
    bytes_per_second: float
    eta_seconds: float | None
    snapshot_age_seconds: float

    def __str__(self) -> str:
        """One line for the run's log."""
        done = f"{self.rows:,} rows, {self.size_bytes / 1e6:,.1f} MB at {self.bytes_per_second / 1e6:,.1f} MB/s"
        eta = "" if self.eta_seconds is None else f", about {self.eta_seconds:,.0f} s left"
        return f"{done}{eta}; the snapshot is {self.snapshot_age_seconds:,.0f} s old"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run did: an outcome for every stage it ran and every table it ran it for."""

    outcomes: Mapping[Stage, Mapping[str, TableOutcome]] = field(default_factory=dict)
    already_served: bool = False

    @property
    def failed(self) -> Mapping[str, CdcAssetsError]:
        """The first error of each table that failed."""
        errors: dict[str, CdcAssetsError] = {}
        for outcomes in self.outcomes.values():
            for table, outcome in outcomes.items():
                if outcome.error is not None:
                    errors.setdefault(table, outcome.error)
        return errors


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What `drop` removed, and what it still found afterwards: nothing, when it went well. An entry names one thing."""

    pipeline: str
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
