"""One supervised child process: started with a probe, stopped in order, never outliving us.

Executors must be started from the main thread: the kernel's parent-death signal fires when the starting *thread* ends.
"""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Self

import mirakuru.base
from mirakuru import Executor, ProcessExitedWithError, TimeoutExpired
from mirakuru.exceptions import ProcessFinishedWithError

from cdc_assets.model.errors import EmbeddedStackError

# At exit mirakuru kills every process of the machine whose mark contains our process number as text: 123 also finds
# 1234. Our own stop and the parent-death signal do that work for our own children only.
atexit.unregister(mirakuru.base.cleanup_subprocesses)

JVM_TERMINATED = 143
OUT_OF_MEMORY_KILL = 137
LOG_LINES_SHOWN = 15
_FIRST_FREE, _PARTS, _PORTS_A_PART = 20000, 200, 60
_asked = count()


class ServerProcess(Executor):
    """A server with a name, a log file and a probe that proves it answers."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        probe: Callable[[], bool],
        log: Path,
        death_signal: signal.Signals,
        stop_signal: signal.Signals = signal.SIGTERM,
        expected_returncode: int = 0,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        as_user: tuple[int, int] | None = None,
        start_seconds: float = 120,
        stop_seconds: float = 60,
    ) -> None:
        self.name = name
        self.log = log
        self.start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._log_begins = 0
        self._probe = probe
        super().__init__(
            [*privileges_prefix(death_signal, as_user), *command],
            cwd=str(cwd) if cwd else None,
            timeout=start_seconds,
            sleep=0.05,
            stop_signal=stop_signal,
            expected_returncode=expected_returncode,
            envvars=dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )

    def pre_start_check(self) -> bool:
        """Ports are checked before any start, by name; nothing to do here."""
        return False

    def after_start_check(self) -> bool:
        """Say whether the server answers."""
        return self._probe()

    def launch(self) -> Self:
        """Start the process without waiting; `await_ready` waits, for `start_seconds` from now."""
        self._timeout = self.start_seconds
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as stream:
            self._log_begins = stream.tell()
            self._stdout = stream
            mirakuru.SimpleExecutor.start(self)
        return self

    def await_ready(self) -> Self:
        """Wait until the probe passes; raises EmbeddedStackError with the cause when it does not."""
        try:
            self.wait_for(self.check_subprocess)
        except ProcessExitedWithError as error:
            raise self._failure(f"ended with exit code {error.exit_code} while starting", error.exit_code) from error
        except TimeoutExpired as error:
            failure = self._failure(f"did not answer within {self.start_seconds:g} s")
            failure.hint += "; where it is only slow, set CDC_START_SECONDS to more"
            raise failure from error
        return self

    def start(self) -> Self:
        """Start and wait until the probe passes; raises EmbeddedStackError with the cause when it does not."""
        return self.launch().await_ready()

    def end(self) -> None:
        """Stop the process and wait for its end, then kill it; an unusual exit code is no error of a stop."""
        self._timeout = self._stop_seconds
        # Asked to end, it ended: how it words that does not matter.
        with contextlib.suppress(ProcessFinishedWithError):
            self.stop()

    def death(self) -> EmbeddedStackError | None:
        """Return what happened when the process ended without being asked, else None."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        return self._failure(f"ended by itself with exit code {code}", code)

    def _failure(self, what: str, code: int | None = None) -> EmbeddedStackError:
        tail = "\n".join(f"    {line}" for line in last_lines(self.log, self._log_begins))
        hint = "the log says why"
        if code in {OUT_OF_MEMORY_KILL, -signal.SIGKILL}:
            hint = "it was killed, probably for lack of memory: the stack wants 2 GB free"
        return EmbeddedStackError(f"{self.name} {what}; its log {self.log} ends with:\n{tail}\n", hint=hint)


def last_lines(log: Path, begin: int) -> list[str]:
    """Return the end of what a log holds from a position on."""
    with log.open("rb") as stream:
        stream.seek(begin)
        return [line.decode(errors="replace").rstrip() for line in deque(stream, maxlen=LOG_LINES_SHOWN)]


def privileges_prefix(death_signal: signal.Signals, as_user: tuple[int, int] | None) -> list[str]:
    """Return what makes a command die with us and, as root, run as another user."""
    program = shutil.which("setpriv")
    if program is None:
        if as_user:
            raise EmbeddedStackError(
                "PostgreSQL refuses to run as root and setpriv is not there to change the user",
                hint="run as an ordinary user, or install util-linux",
            )
        return []  # macOS has none: there a kill -9 of the supervisor leaves the servers, and the next start says so
    user = [f"--reuid={as_user[0]}", f"--regid={as_user[1]}", "--clear-groups"] if as_user else []
    return [program, *user, f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--"]


def free_port() -> int:
    """Return a loopback port that is free now, and that nobody else is likely to take before it is used.

    Below those of outgoing connections (Linux: from 32768 on); each process looks in a part of its own, each call
    further on. Several stacks that start side by side would else be given the same port some day.
    """
    part = _FIRST_FREE + os.getpid() % _PARTS * _PORTS_A_PART
    ports = (part + next(_asked) % _PORTS_A_PART for _ in range(_PORTS_A_PART))
    port = next((port for port in ports if is_port_free("127.0.0.1", port)), None)
    if port is not None:
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_free(host: str, port: int) -> bool:
    """Say whether a server could listen there."""
    return listen_error(host, port) is None


def listen_error(host: str, port: int) -> OSError | None:
    """Return why a server could not listen there, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
