"""A server that takes too long to start is given up with its name, the limit, and how to raise it."""

import signal
from pathlib import Path

import pytest

from cdc_assets.embedded.server_process import ServerProcess
from cdc_assets.embedded.supervisor import Supervisor
from cdc_assets.model.errors import EmbeddedStackError


def _silent(log: Path) -> ServerProcess:
    """A server that runs and never answers."""
    return ServerProcess(
        "Slow server",
        ["/bin/sh", "-c", "echo still reading; exec sleep 600"],
        probe=lambda: False,
        log=log,
        death_signal=signal.SIGKILL,
        expected_returncode=-signal.SIGTERM,
    )


def test_the_limit_of_the_settings_holds_and_is_named(tmp_path: Path) -> None:
    process = _silent(tmp_path / "log")
    with Supervisor(lambda _: None, start_seconds=0.5) as supervisor, pytest.raises(EmbeddedStackError) as refused:
        supervisor.start(process)
    assert refused.value.message.startswith("Slow server did not answer within 0.5 s")
    assert "still reading" in refused.value.message
    assert "set CDC_START_SECONDS to more" in refused.value.hint
    # Nothing of it is left.
    assert process.process is None
