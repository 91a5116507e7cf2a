"""Run the servers of a state directory: one supervisor at a time, start in order, restart what dies, stop in order."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.server_process import ServerProcess
from cdc_assets.model.errors import EmbeddedStackError

WATCH_SECONDS = 0.5
MOST_RESTARTS = 3
RESTART_WINDOW_SECONDS = 600
LOCK_FILE = "stack.lock"
HOME_HINT = "let this user write there, or set CDC_HOME to another directory"

Report = Callable[[str], None]


class StopRequested(BaseException):
    """Someone asked the stack to end: Ctrl-C, `./cdc down`, a service manager. No error, so no Exception."""


class Supervisor:
    """The running servers; used as a context, it stops them in reverse order at the end, however that comes."""

    def __init__(self, report: Report, *, start_seconds: float) -> None:
        self._report = report
        self._start_seconds = start_seconds
        self._groups: list[list[ServerProcess]] = []
        self._restarts: dict[str, deque[float]] = {}
        self._teardown = ExitStack()

    def __enter__(self) -> Self:
        """Begin with nothing running."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._teardown.close()

    def launch(self, *group: ServerProcess) -> None:
        """Start servers side by side; `await_ready` waits for them. They will be ended side by side too."""
        self._groups.append(list(group))
        self._teardown.callback(self._end, list(group))
        for process in group:
            process.start_seconds = self._start_seconds
            process.launch()

    def await_ready(self) -> None:
        """Wait until every server launched so far answers; raises EmbeddedStackError when one does not."""
        for process in self.servers:
            process.await_ready()

    def start(self, *group: ServerProcess) -> None:
        """Start servers and wait until they answer."""
        self.launch(*group)
        for process in group:
            process.await_ready()

    def before_end(self, action: Callable[[], None]) -> None:
        """Do something after everything started later has ended and before everything started earlier does."""
        self._teardown.callback(self._attempt, action)

    def watch(self) -> NoReturn:
        """Start again what dies, until StopRequested; raises EmbeddedStackError when one keeps dying."""
        pause = threading.Event()
        while True:
            pause.wait(WATCH_SECONDS)
            self.revive()

    def revive(self) -> None:
        """Start again what has died since; raises EmbeddedStackError when one keeps dying."""
        for process in self.servers:
            death = process.death()
            if death is not None:
                self._restart(process, death)

    def _restart(self, process: ServerProcess, death: EmbeddedStackError) -> None:
        recent = self._restarts.setdefault(process.name, deque(maxlen=MOST_RESTARTS))
        now = time.monotonic()
        if len(recent) == MOST_RESTARTS and now - recent[0] < RESTART_WINDOW_SECONDS:
            raise death
        recent.append(now)
        self._report(f"{death.message}\nStarting {process.name} again.")
        process.kill()  # forgets the dead process and ends children that it left
        process.start()
        self._report(f"{process.name} is running again.")

    @property
    def servers(self) -> list[ServerProcess]:
        """The servers that run, in the order of their start."""
        return [process for group in self._groups for process in group]

    def _end(self, group: list[ServerProcess]) -> None:
        self._groups.remove(group)
        with ThreadPoolExecutor(len(group)) as pool:
            for _ in pool.map(ServerProcess.end, group):
                pass

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except EmbeddedStackError as error:
            # The end goes on: what was not done is made good by the next start.
            self._report(str(error))


def make_home(home: Path) -> None:
    """Make the state directory exist.

    Root's PostgreSQL, which runs as nobody, has to pass through it; the parts inside are closed to others.
    Raises EmbeddedStackError when it cannot be made or written to.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise EmbeddedStackError(f"state directory {home} cannot be made: {error.strerror}", hint=HOME_HINT) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise EmbeddedStackError(f"nothing can be written to state directory {home}", hint=HOME_HINT)


@contextmanager
def sole_supervisor(home: Path) -> Iterator[None]:
    """Hold the state directory; raises EmbeddedStackError when another supervisor does."""
    make_home(home)
    with (home / LOCK_FILE).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedStackError(
                f"already running (pid {supervisor_pid(home)}) on state directory {home}",
                hint="stop it with ./cdc down, or set CDC_HOME to another directory",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def supervisor_pid(home: Path) -> int | None:
    """Return the process that holds the state directory, or None."""
    file = home / LOCK_FILE
    if not file.exists():
        return None
    with file.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read_text(encoding="utf-8").strip() or 0) or None
    return None


def end_supervisor(home: Path, seconds: float) -> bool:
    """Ask the supervisor of a state directory to end and wait for it; False when none runs.

    It lets go of the directory a moment before its process is gone; only the second is the end.
    Raises EmbeddedStackError when it does not end in time.
    """
    pid = supervisor_pid(home)
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return True
    waiting = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.2),
        retry=retry_if_result(bool),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    if waiting(_lives, process):
        raise EmbeddedStackError(
            f"the stack (pid {pid}) did not stop within {seconds:.0f} s",
            hint=f"see {home / 'logs'}; kill -9 {pid} ends it and everything that it started",
        )
    return True


def _lives(process: psutil.Process) -> bool:
    # A container's init may leave an orphan unburied; such a one runs nothing any more.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def stop_signals() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into StopRequested, once; what comes during the stop is ignored.

    Both are set even where the shell that started us made SIGINT ignored, and so for our children too.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, lambda *_: None)
        raise StopRequested

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reaper(stack_id: str) -> Iterator[None]:
    """Have a process stand by that ends what we leave when we are killed."""
    command = [sys.executable, "-m", "cdc_assets.embedded.reaper", stack_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield
        # Leaving the context closes its input: it looks around, finds nothing and ends.
        del process


def free_disk_gb(directory: Path) -> float:
    """Return the free space where a directory is or will be."""
    existing = next(part for part in [directory, *directory.parents] if part.exists())
    return psutil.disk_usage(str(existing)).free / 1e9
