"""What a benchmark found: figures for programs, sheets for people, and the aims with what was measured."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it is printed; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at; `is_ceiling` says that less is better."""

    words: str
    wanted: float
    measured: float
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the figure is on the right side."""
        return self.measured <= self.wanted if self.is_ceiling else self.measured >= self.wanted

    def as_json(self) -> Mapping[str, Any]:
        """Return it for programs."""
        return {"aim": self.words, "wanted": self.wanted, "measured": round(self.measured, 3), "met": self.is_met}


@dataclass(frozen=True, slots=True)
class BenchReport:
    """The whole of a benchmark's answer."""

    bench: str
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    figures: Mapping[str, Any]
    sheets: Sequence[Sheet]
    aims: Sequence[Aim] = field(default=())
    notes: Sequence[str] = field(default=())

    def as_json(self) -> Mapping[str, Any]:
        """Return it for programs."""
        return {
            "bench": self.bench,
            "options": self.options,
            "machine": self.machine,
            "figures": self.figures,
            "aims": [aim.as_json() for aim in self.aims],
            "notes": list(self.notes),
        }


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Return median, least and most of some runs."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def shown_spread(values: Sequence[float], digits: int = 1) -> str:
    """Return median, least and most for people."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Machine:
    """The machine, and how much others asked of it from the beginning to the end."""

    load_at_begin: tuple[float, ...] = field(default_factory=psutil.getloadavg)

    def as_json(self) -> Mapping[str, Any]:
        """Return the machine with its load averages (1, 5, 15 minutes), the benchmark's own work in them."""
        return {
            "system": f"{platform.system()} {platform.release()}",
            "processor": platform.machine(),
            "cores": psutil.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "python": platform.python_version(),
            "load_at_begin": [round(each, 2) for each in self.load_at_begin],
            "load_at_end": [round(each, 2) for each in psutil.getloadavg()],
        }
