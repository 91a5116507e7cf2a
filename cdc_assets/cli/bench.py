"""The verbs that measure: bench load, bench stream, bench scale."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdc_assets.cli.follow import follow
from cdc_assets.cli.rendering import print_json, say, terminal
from cdc_assets.cli.stack import fetch_bar
from cdc_assets.embedded.bench.load import bench_load
from cdc_assets.embedded.bench.load_sqlserver import bench_load_sqlserver
from cdc_assets.embedded.bench.report import BenchReport, Sheet
from cdc_assets.embedded.bench.scale import bench_scale
from cdc_assets.embedded.bench.stream import bench_stream
from cdc_assets.embedded.supervisor import StopRequested
from cdc_assets.model.errors import BenchError
from cdc_assets.wiring.basics import load_settings

app = typer.Typer(help="Measure on servers of its own, beside a peer in the same run.", no_args_is_help=True)

_SIZES = (1, 10, 50, 100)


class LoadTarget(StrEnum):
    """What a load is measured into."""

    POSTGRES = "postgres"
    SQLSERVER = "sqlserver"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="bench")


@app.callback()
def bench() -> None:
    """Measure on servers of its own, beside a peer in the same run."""


@app.command("load")
def load(
    rows: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="Rows of the largest of the three tables.")
    ] = 1000000,
    rounds: Annotated[int, typer.Option(min=1, metavar="ROUNDS", help="How often each contender loads.")] = 5,
    streams: Annotated[
        int, typer.Option(min=1, max=32, metavar="STREAMS", help="Tables and chunks that our load reads at once.")
    ] = 2,
    client_bin: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Where psql, pg_dump and pg_restore are; else looked for.")
    ] = None,
    target: Annotated[
        LoadTarget,
        typer.Option(help="Into what: postgres, a server of its own, or sqlserver, the one of CDC_TEST_SQLSERVER_URL."),
    ] = LoadTarget.POSTGRES,
    *,
    as_json: AsJson = False,
) -> None:
    """Measure the verified full load beside peers that verify nothing.

    Into PostgreSQL: pg_dump | pg_restore and psql COPY | psql COPY. Into SQL Server: pyodbc with fast_executemany.
    """
    settings = load_settings()
    with _stoppable():
        if target is LoadTarget.SQLSERVER:
            report = bench_load_sqlserver(
                settings, rows=rows, rounds=rounds, streams=streams, report=_say, progress_bar=fetch_bar
            )
        else:
            report = bench_load(
                settings,
                rows=rows,
                rounds=rounds,
                streams=streams,
                client_bin=client_bin,
                report=_say,
                progress_bar=fetch_bar,
            )
    _show(report, as_json=as_json)


@app.command("stream")
def stream(
    rows: Annotated[int, typer.Option(min=100, metavar="ROWS", help="Changes of the backlog.")] = 100000,
    rounds: Annotated[int, typer.Option(min=1, metavar="ROUNDS", help="How often each contender gets a backlog.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long single changes are written at each rate.")
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """Measure changes beside CREATE SUBSCRIPTION and Debezium's default settings: a backlog, and single ones."""
    settings = load_settings()
    with _stoppable():
        report = bench_stream(settings, rows=rows, rounds=rounds, seconds=seconds, report=_say, progress_bar=fetch_bar)
    _show(report, as_json=as_json)


@app.command("scale")
def scale(
    tables: Annotated[
        list[int] | None,
        typer.Option(
            min=1, metavar="TABLES", help="Tables of a pipeline; may be repeated. 1, 10, 50 and 100 when left out."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, metavar="ROWS", help="Rows of each table.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, metavar="ROUNDS", help="How often each size is started.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure how long a start takes and how much memory the stack has then, for more and more tables."""
    settings = load_settings()
    with _stoppable():
        report = bench_scale(
            settings,
            tables=tables or _SIZES,
            rows=rows,
            rounds=rounds,
            follow=follow,
            report=_say,
            progress_bar=fetch_bar,
        )
    _show(report, as_json=as_json)


@contextmanager
def _stoppable() -> Iterator[None]:
    try:
        yield
    except StopRequested:
        raise BenchError("stopped before the benchmark was done", hint="run it again; nothing of it is left") from None


def _say(line: str) -> None:
    # The standard output is for the answer.
    typer.echo(line, err=True)


def _show(report: BenchReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_json())
        return
    console = terminal()
    options = ", ".join(f"{name} {value}" for name, value in report.options.items())
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    console.print(Text(f"bench {report.bench}: {options}\non {machine}"), soft_wrap=True)
    for sheet in report.sheets:
        _print_sheet(console, sheet)
    for aim in report.aims:
        side = "at most" if aim.is_ceiling else "at least"
        mark = ("met   ", "green") if aim.is_met else ("MISSED", "bold red")
        line = Text.assemble(mark, f"  {aim.words}: {aim.measured:.2f}, aimed at {side} {aim.wanted:g}")
        say(console, line, hanging=8)
    for note in report.notes:
        say(console, Text(note))


def _print_sheet(console: Console, sheet: Sheet) -> None:
    console.print(Text(f"\n{sheet.title}", style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(sheet.columns):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    console.print()
