"""What one look for alerts hands to the next: problems that are open, findings and deaths told by events.

Stored as JSON beside the messages. Events become visible in another order than their ids say: a transaction that began
earlier may commit later. So ids of the last `_LATE` are kept one by one, and only what is older is below the mark.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from cdc_assets.model.alert import AlertKind
from cdc_assets.model.errors import RunDiedError
from cdc_assets.model.record import Event

# Longer than any transaction in the state database can last: the server ends it after seconds.
_LATE = timedelta(minutes=2)
FINDING_FIELD = "finding"
"""The field of the event that says a look at the stream found something, or finds it no more."""
EVERY_FINDING = "*"
"""The old value of such an event when nothing is known of what was found before."""
_DEATH_FIELD = "run"


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """A problem that was seen and is not over. `told_marks`: the tables it was told of; `clear_since`: gone since."""

    pipeline_id: str
    pipeline: str
    kind: AlertKind
    since: datetime
    told_at: datetime | None = None
    told_marks: tuple[str, ...] = ()
    clear_since: datetime | None = None

    @property
    def key(self) -> str:
        """One problem of a kind a pipeline."""
        return f"{self.pipeline}:{self.kind}"

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "pipeline_id": self.pipeline_id,
            "pipeline": self.pipeline,
            "kind": self.kind.value,
            "since": self.since.isoformat(),
            "told_at": _text(self.told_at),
            "told_marks": self.told_marks,
            "clear_since": _text(self.clear_since),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_json` made."""
        return cls(
            stored["pipeline_id"],
            stored["pipeline"],
            AlertKind(stored["kind"]),
            since=datetime.fromisoformat(stored["since"]),
            told_at=_time(stored["told_at"]),
            told_marks=tuple(stored["told_marks"]),
            clear_since=_time(stored["clear_since"]),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What the events have told of one pipeline: findings by `code:table`, and the last run that died."""

    findings: Mapping[str, str] = field(default_factory=dict)
    death: str = ""


@dataclass(frozen=True, slots=True)
class AlertMemory:
    """`mark`: every event up to this id was seen; `seen`: those above it. `runs`: the last Dagster run by pipeline."""

    mark: int = 0
    seen: Mapping[int, datetime] = field(default_factory=dict)
    told: Mapping[str, Told] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, OpenProblem] = field(default_factory=dict)

    def told_of(self, pipeline: str) -> Told:
        """What the events have told of that pipeline."""
        return self.told.get(pipeline, Told())

    def run_of(self, event: Event) -> str | None:
        """The Dagster run of an event, or the pipeline's last one."""
        return event.run_id if _is_run(event.run_id) else self.runs.get(event.pipeline_name)

    def unseen(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Those of the events that were not seen before, oldest first."""
        return tuple(event for event in events if event.id > self.mark and event.id not in self.seen)

    def after(self, events: Sequence[Event], fresh: Sequence[Event], *, now: datetime) -> Self:
        """Return the memory with `fresh` taken in; `events` are all that were read."""
        told, runs = dict(self.told), dict(self.runs)
        for event in fresh:
            name = event.pipeline_name
            was = told.get(name, Told())
            if event.field == FINDING_FIELD:
                told[name] = _with_finding(was, event)
            elif _is_death(event):
                told[name] = replace(was, death=event.new_value or event.cause or RunDiedError.code)
            elif event.field == "status" and event.new_value is None:
                # Dropped.
                told.pop(name, None)
                runs.pop(name, None)
            if event.run_id is not None and _is_run(event.run_id):
                runs[name] = event.run_id
        seen = dict(self.seen) | {event.id: event.at for event in events if event.id > self.mark}
        late = [id_ for id_, at in seen.items() if now - at <= _LATE]
        # Up to the first that is recent: a smaller id may still come behind that one only.
        mark = max([self.mark, *(id_ for id_ in seen if not late or id_ < min(late))])
        return replace(self, mark=mark, seen={id_: at for id_, at in seen.items() if id_ > mark}, told=told, runs=runs)

    def without_deaths(self, pipelines: Iterable[str]) -> Self:
        """Return the memory without the deaths of these pipelines."""
        done = set(pipelines)
        return replace(
            self, told={name: replace(each, death="") if name in done else each for name, each in self.told.items()}
        )

    def to_json(self) -> str:
        """As text for the store."""
        return json.dumps(
            {
                "mark": self.mark,
                "seen": {str(id_): at.isoformat() for id_, at in self.seen.items()},
                "told": {name: [dict(each.findings), each.death] for name, each in self.told.items()},
                "runs": dict(self.runs),
                "problems": [each.as_json() for each in self.problems.values()],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        stored: dict[str, Any] = json.loads(text)
        problems = [OpenProblem.from_json(each) for each in stored["problems"]]
        return cls(
            mark=stored["mark"],
            seen={int(id_): datetime.fromisoformat(at) for id_, at in stored["seen"].items()},
            told={name: Told(findings, death) for name, (findings, death) in stored["told"].items()},
            runs=stored["runs"],
            problems={problem.key: problem for problem in problems},
        )


def _with_finding(was: Told, event: Event) -> Told:
    findings = {} if event.old_value == EVERY_FINDING else dict(was.findings)
    table = event.table_name or ""
    if event.old_value is not None:
        findings.pop(f"{event.old_value}:{table}", None)
    if event.new_value is not None:
        findings[f"{event.new_value}:{table}"] = event.cause or event.new_value
    return replace(was, findings=findings)


def _is_death(event: Event) -> bool:
    if event.field == _DEATH_FIELD:
        return event.new_value is None and (event.cause or "").startswith(RunDiedError.code)
    return event.field == "last_error" and event.cause == RunDiedError.code and event.new_value is not None


def _is_run(run_id: str | None) -> bool:
    """Whether it is a run of Dagster's, not a sensor that changed something."""
    try:
        return run_id is not None and bool(UUID(run_id))
    except ValueError:
        return False


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
