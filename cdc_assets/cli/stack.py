"""The verbs that concern the servers: up, down, test."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cdc_assets.embedded import jars
from cdc_assets.embedded.api import api_url
from cdc_assets.embedded.stack import Stack
from cdc_assets.embedded.supervisor import StopRequested, end_supervisor, make_home
from cdc_assets.model.errors import CdcAssetsError, EmbeddedStackError
from cdc_assets.settings import Settings, checkout

STOP_SECONDS = 180
FAILED = 1
PYTEST_CODES = {0: 0, 4: 2}
"""pytest's own for: all passed, wrong use; everything else has failed."""
_SUITE = f"""
import signal, sys, pytest
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: in order
sys.exit({PYTEST_CODES}.get(int(pytest.main(sys.argv[1:])), {FAILED}))
"""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(up)
    app.command()(down)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test)


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is healthy; ./cdc down stops it.")] = False,
    insecure_ui: Annotated[
        bool, typer.Option("--insecure-ui", help="Let CDC_UI_HOST open the web page, which has no login, to others.")
    ] = False,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the stack: the embedded servers (only where no address is configured) and Dagster, until Ctrl-C."""
    if ready_fd is not None:
        _refuse_closed(ready_fd)
    settings = Settings.load()
    if detach:
        _start_in_background(settings, insecure_ui=insecure_ui)
        return
    listener = _Listener(ready_fd)
    stack = Stack(settings, report=listener.say, progress_bar=fetch_bar, insecure_ui=insecure_ui)
    try:
        with stack.running() as supervisor:
            for line in addresses(settings):
                listener.say(line)
            listener.ready()
            supervisor.watch()
    except StopRequested:
        typer.echo("Stopped.")
    except CdcAssetsError as error:
        listener.failed(error)
        raise


def down() -> None:
    """Stop the stack of this state directory: connectors first, PostgreSQL last."""
    settings = Settings.load()
    typer.echo("Stopped." if end_supervisor(settings.home, STOP_SECONDS) else f"Nothing runs on {settings.home}.")


def test(context: typer.Context) -> None:
    """Run the test suite; it starts and stops every server it needs. Arguments go to pytest."""
    os.chdir(checkout())
    # In our place, so that what ends the command ends the suite, and with it the servers.
    os.execv(sys.executable, [sys.executable, "-c", _SUITE, *context.args])  # noqa: S606


def addresses(settings: Settings) -> list[str]:
    """Return what a user wants to open or connect to, one line each."""
    return [
        f"State database   127.0.0.1:{settings.embedded_pg_port} (user cdc, database cdctest)"
        if settings.is_embedded_postgres
        else "State database   CDC_DATABASE_URL",
        f"Kafka            {settings.kafka_bootstrap}",
        f"Kafka Connect    {settings.connect_url}",
        f"Dagster          http://{settings.ui_host}:{settings.ui_port}",
        f"Pipelines' page  {api_url(settings)}/",
        f"HTTP API         {api_url(settings)}/docs",
        f"Logs             {settings.logs_dir}",
    ]


@contextmanager
def fetch_bar(size_bytes: int) -> Iterator[jars.Progress]:
    """Show a bar while the servers' files arrive; nothing moves where the output is no terminal."""
    columns = (TextColumn("  "), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size_bytes)
        yield lambda _name, count: bar.advance(task, count)


class _Listener:
    """Who is told how the start goes: the terminal, and the `up --detach` that waits for us."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def say(self, line: str) -> None:
        typer.echo(line)
        self._send({"say": line})

    def ready(self) -> None:
        self._send({"ready": True})
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def failed(self, error: CdcAssetsError) -> None:
        self._send({"message": error.message, "hint": error.hint})

    def _send(self, message: dict[str, str | bool]) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, (json.dumps(message) + "\n").encode())


def _refuse_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):
        msg = "no open descriptor; ./cdc up --detach hands it over"
        raise typer.BadParameter(msg, param_hint="--ready-fd") from None


def _start_in_background(settings: Settings, *, insecure_ui: bool) -> None:
    make_home(settings.home)
    settings.logs_dir.mkdir(exist_ok=True, mode=0o700)
    log = settings.logs_dir / "up.log"
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "cdc_assets.cli", "up", "--ready-fd", str(writing)]
    if insecure_ui:
        command.append("--insecure-ui")
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    try:
        _follow_start(reading, log=str(log))
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _follow_start(reading: int, *, log: str) -> None:
    with os.fdopen(reading, encoding="utf-8") as stream:
        for line in stream:
            message = json.loads(line)
            if "ready" in message:
                return
            if "message" in message:
                raise EmbeddedStackError(message["message"], hint=message["hint"])
            typer.echo(message["say"])
    raise EmbeddedStackError("the stack ended while it started", hint=f"see {log}")
