"""End what a killed supervisor leaves: run as a child of its own, `python -m cdc_assets.embedded.reaper STACK_ID`.

The kernel's parent-death signal reaches the servers themselves, not their children (Dagster's runs are such). This
process waits for the end of its input, which is the supervisor's end however it came, and ends every process that has
the stack's id in its environment.
"""

import contextlib
import sys

import psutil

MARK = "CDC_STACK_ID"
GRACE_SECONDS = 1


def marked_processes(stack_id: str) -> list[psutil.Process]:
    """Return the processes of this stack except ourselves."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != psutil.Process().pid and process.environ().get(MARK) == stack_id:
                found.append(process)
    return found


def main() -> None:
    """Wait for the supervisor's end, then leave nothing behind."""
    sys.stdin.buffer.read()
    left = marked_processes(sys.argv[1])
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=GRACE_SECONDS)
    for process in [*stubborn, *marked_processes(sys.argv[1])]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    main()
