"""What commands cost: wall clock, CPU seconds and memory of the processes that we start, and of none that they ask."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from cdc_assets.model.errors import BenchError

_SAMPLE_SECONDS = 0.05
_SHOWN_LINES = 5


@dataclass(frozen=True, slots=True)
class Usage:
    """What some work cost."""

    wall_seconds: float
    cpu_seconds: float
    rss_mb: float
    """Greatest sum of the resident memory of processes that lived at the same time."""


@dataclass
class Meter:
    """Runs commands and adds up what they cost; `running` is the clock."""

    environment: Mapping[str, str]
    _cpu_seconds: float = 0.0
    _peak_bytes: int = 0
    _wall_seconds: float = 0.0
    _living: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def usage(self) -> Usage:
        """The cost so far."""
        return Usage(self._wall_seconds, self._cpu_seconds, self._peak_bytes / (1 << 20))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure while the context lasts."""
        over = threading.Event()
        sampler = threading.Thread(target=self._sample, args=[over])
        sampler.start()
        begun = time.monotonic()
        try:
            yield
        finally:
            self._wall_seconds += time.monotonic() - begun
            over.set()
            sampler.join()

    def pipe(self, *commands: Sequence[str]) -> str:
        """Run commands, each reading what the one before it writes; returns what the last one writes.

        Raises BenchError with the end of the output of the first that fails. May be called by several threads.
        """
        with ExitStack() as opened:
            answer = opened.enter_context(tempfile.TemporaryFile())
            errors = [opened.enter_context(tempfile.TemporaryFile()) for _ in commands]
            processes: list[subprocess.Popen[bytes]] = []
            for command, stderr in zip(commands, errors, strict=True):
                before = processes[-1].stdout if processes else None
                is_last = len(processes) == len(commands) - 1
                processes.append(self._launch(command, before, answer if is_last else subprocess.PIPE, stderr))
                # None outlives a Ctrl-C.
                opened.callback(_end, processes[-1])
                if before is not None:
                    before.close()
            for process in processes:
                self._await(process)
            for process, command, stderr in zip(processes, commands, errors, strict=True):
                if process.returncode:
                    raise BenchError(
                        f"{Path(command[0]).name} ended with {process.returncode}: {_end_of(stderr)}",
                        hint="run it again; if it repeats, report it",
                    )
            answer.seek(0)
            return answer.read().decode(errors="replace")

    def _launch(
        self, command: Sequence[str], stdin: IO[bytes] | None, stdout: IO[bytes] | int, stderr: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            list(command),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=dict(self.environment),
        )
        with self._lock:
            self._living.add(process.pid)
        return process

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._lock:
            self._living.discard(process.pid)
            self._cpu_seconds += usage.ru_utime + usage.ru_stime

    def _sample(self, over: threading.Event) -> None:
        # Not from wait4: there a process counts what its parent had when it was made.
        while not over.wait(_SAMPLE_SECONDS):
            with self._lock:
                living = tuple(self._living)
            self._peak_bytes = max(self._peak_bytes, sum(resident_bytes(pid) for pid in living))


def resident_bytes(pid: int) -> int:
    """Return the most memory that a process had so far, or where the system does not say, has now; 0 when it ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a server so far, with that of the processes it started and buried."""
    server = psutil.Process(pid)
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in server.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def shared_bytes(pid: int) -> int:
    """Return the memory of a process and all below it; what several share is counted once, where that is known."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                memory = process.memory_full_info()
                total += int(getattr(memory, "pss", memory.rss))
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        process.kill()
        process.wait()


def _end_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    lines = stream.read().decode(errors="replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines[-_SHOWN_LINES:]) or "it said nothing"
