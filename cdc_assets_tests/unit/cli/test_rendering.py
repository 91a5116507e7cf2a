"""What is printed fits a terminal of 80 columns, and no name in it is cut."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

from cdc_assets.cli.diagnosis import print_report
from cdc_assets.cli.follow import load_view
from cdc_assets.cli.rendering import (
    print_answers,
    print_checks,
    print_plan,
    print_removal,
    status_detail,
    status_table,
)
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.report import LoadProgress, RemovalReport
from cdc_assets.model.status import PipelineStatus
from cdc_assets.planning.start_plan import PlannedTable, StartPlan
from cdc_assets_tests.services.records import pipeline_row

WIDTH = 80
LONG = "p" + "_long" * 7 + "_name"
TABLE = "t" + "_wide" * 12
PIPELINE: dict[str, Any] = {
    "name": LONG,
    "mode": "full_load_and_cdc",
    "status": "STOPPING",
    "full_load_status": "IN_PROGRESS",
    "cdc_status": "NOT_STARTED",
    "last_error": f"target warehouse (db.example.org:5432/{LONG}) does not answer. Fix: start it, or correct the file",
    "source": {"connection": "app", "database": LONG, "schema": "public"},
    "target": {"connection": "warehouse", "database": LONG, "schema": "dbo"},
    "tables": [
        {
            "name": TABLE,
            "target_table": f"{TABLE}_copy",
            "state": "RESYNC_REQUIRED",
            "rows_loaded": 123_456_789,
            "rows_estimated": 1_234_567_890,
            "last_error": None,
        }
    ],
}


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), width=WIDTH, force_terminal=True, highlight=False, color_system=None)


def shown(terminal: Console) -> list[str]:
    assert isinstance(terminal.file, io.StringIO)
    lines = terminal.file.getvalue().splitlines()
    assert [line for line in lines if cell_len(line) > WIDTH] == []
    assert "…" not in "".join(lines)
    return lines


def letters(lines: list[str]) -> str:
    return "".join("".join(lines).split())


def column(lines: list[str], heading: str) -> str:
    """What stands below a heading, put together again."""
    head = next(position for position, line in enumerate(lines) if heading in line)
    begin = lines[head].index(heading)
    return "".join(line[begin:].partition(" ")[0] for line in lines[head + 1 :])


def test_the_list_of_pipelines(terminal: Console) -> None:
    terminal.print(status_table([PIPELINE | {"last_error": None}]))
    lines = shown(terminal)
    assert column(lines, "PIPELINE") == LONG
    for word in ("STOPPING", "IN_PROGRESS", "NOT_STARTED", "123,456,789"):
        assert any(word in line for line in lines)


def test_one_pipeline_with_its_tables(terminal: Console) -> None:
    terminal.print(status_detail(PIPELINE, progress="12 MB of 24 MB"))
    lines = shown(terminal)
    for word in ("RESYNC_REQUIRED", "123,456,789", "1,234,567,890"):
        assert any(word in line for line in lines)
    assert column([line for line in lines if not line.startswith("target")], "TABLE").startswith(TABLE)


def test_what_is_in_trouble_is_seen_by_who_watches_more_than_fits_the_terminal() -> None:
    rows = 24
    screen = io.StringIO()
    terminal = Console(file=screen, width=WIDTH, height=rows, force_terminal=True, highlight=False, color_system=None)
    good = PIPELINE["tables"][0] | {"state": "STREAMING", "target_table": "t"}
    tables = [good | {"name": f"t{number:02}"} for number in range(60)]
    tables[-1] |= {"state": "QUARANTINED", "last_error": "the target refuses a record. Fix: mend the row"}
    with Live(console=terminal, auto_refresh=False) as live:
        live.update(status_detail(PIPELINE | {"tables": tables}, is_watched=True), refresh=True)
        seen = screen.getvalue().splitlines()[:rows]
    assert any("t59: the target refuses a record. Fix: mend the row" in line for line in seen)
    assert any("t59" in line and "QUARANTINED" in line for line in seen)
    terminal.file = screen = io.StringIO()
    terminal.print(status_table([PIPELINE | {"name": f"p{number:02}"} for number in range(60)], is_watched=True))
    assert "p00: target warehouse" in screen.getvalue().splitlines()[0]


def test_checks(terminal: Console) -> None:
    check = PreflightCheck(
        "source_session_limits", CheckStatus.FAIL, "sales", "word " * 40, f"ALTER ROLE {LONG} SET x; " + "word " * 40
    )
    print_checks(terminal, [check], {})
    lines = shown(terminal)
    assert sum("word" in line for line in lines) > 4
    assert letters(lines).count("word") == 80


def test_a_plan(terminal: Console) -> None:
    table = PlannedTable(TABLE, f"{TABLE}_copy", 10**12, 10**9, ("foreign key orders_customer_fkey", "trigger audit"))
    plan = StartPlan("sales", Mode.FULL_LOAD_ONLY, "app:shop.public", "dw:dw.dbo", (table,), (), {})
    print_plan(terminal, plan)
    text = letters(shown(terminal))
    assert "1,000,000,000" in text
    assert "trigger" in text


def test_a_refused_table_of_a_plan(terminal: Console) -> None:
    table = PlannedTable(TABLE, TABLE, 1, 1, (), refused=PIPELINE["last_error"])
    print_plan(terminal, StartPlan("sales", Mode.FULL_LOAD_ONLY, "app:shop.public", "dw:dw.dbo", (table,), (), {}))
    assert "doesnotanswer" in letters(shown(terminal))


def test_what_was_removed_and_what_is_left(terminal: Console) -> None:
    slot, topic = f"replication slot cdc_{LONG} in database {LONG}", f"topic cdc.{LONG}.1.5f0c1c.public.{TABLE}"
    print_removal(terminal, RemovalReport(LONG, removed=(slot,), left=(topic,)))
    text = letters(shown(terminal))
    assert letters([slot]) in text
    assert letters([topic]) in text


def test_a_diagnosis(terminal: Console) -> None:
    cause = "the cause of it " * 10
    report = {
        "pipeline": PIPELINE,
        "platform": {"kafka_connect": PIPELINE["last_error"]},
        "slots": None,
        "connectors": {f"cdc_{LONG}_sink_{TABLE}": {"state": "FAILED", "tasks": [f"0 FAILED on {LONG}:8083"]}},
        "events": [{"id": 17, "at": "2026-01-31T08:00:05+00:00", "field": "cdc_status", "cause": cause}],
    }
    print_report(terminal, report)
    lines = shown(terminal)
    assert letters([cause]) in letters(lines)
    assert {"pipeline", "slots", "  none"} <= set(lines)


def test_how_receivers_took_a_message(terminal: Console) -> None:
    print_answers(terminal, {"ops": None, LONG: "the receiver did not take the message: " + "word " * 30})
    text = letters(shown(terminal))
    assert "okops:thereceivertookthemessage" in text
    assert text.count("word") == 30


def test_the_last_look_is_shown_with_when_it_was_and_what_is_not_an_error_yet(terminal: Console) -> None:
    finding = {
        "level": "DEGRADED",
        "code": "NOT_FLOWING",
        "table": None,
        "sentence": "nobody reads the replication slot. Fix: wait",
        "since": "2026-11-24T12:00:00+00:00",
        "fails_at": "2026-11-24T12:00:04+00:00",
    }
    known = finding | {"sentence": PIPELINE["last_error"], "fails_at": None}
    health = {"level": "FAILED", "observed_at": "2026-11-24T12:00:01+00:00", "findings": [known, finding]}
    terminal.print(status_detail(PIPELINE | {"health": health}))
    text = letters(shown(terminal))
    assert "lastlook2026-11-24T12:00:01+00:00:FAILED" in text
    assert "nobodyreadsthereplicationslot.Fix:wait(afailurefrom2026-11-24T12:00:04+00:00on)" in text
    assert text.count("doesnotanswer") == 1, "what is the last error already is not said twice"


def test_a_load_that_is_waited_for(terminal: Console) -> None:
    load = LoadProgress(
        rows=12_345_678_901,
        size_bytes=1_234_567_000_000,
        bytes_estimated=9_000_000_000_000,
        bytes_per_second=25_300_000,
        eta_seconds=306_937,
        snapshot_age_seconds=48_797,
    )
    terminal.print(load_view(pipeline_row(name=LONG, status=PipelineStatus.STARTING), load))
    text = letters(shown(terminal))
    assert f"{LONG}STARTING" in text
    assert "12,345,678,901rows,1,234,567.0MBat25.3MB/s,about306,937sleft;thesnapshotis48,797sold" in text
    assert "\u2501" in text, "a bar"
