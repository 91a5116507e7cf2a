"""A deadline on the client's side for a session with a server that may fall silent.

`statement_timeout` is the server's own, and TCP's user timeout counts only what nobody acknowledged: a stopped server
or a held proxy acknowledges and never answers. What wakes libpq then is the end of its socket.
"""

import contextlib
import os
import socket
from threading import Timer
from types import TracebackType
from typing import Any, Self

import psycopg


class Patience:
    """Ends the connection when the block lasts longer than `seconds`; None: never.

    The command that waits then fails with psycopg's OperationalError; `is_over` says that this was the reason.
    """

    def __init__(self, connection: psycopg.Connection[Any], seconds: float | None) -> None:
        """Nothing runs before the block is entered."""
        self.is_over = False
        # A descriptor of its own: psycopg may close its one, and the number be another file's by then.
        self._socket = None if seconds is None else socket.socket(fileno=os.dup(connection.fileno()))
        self._timer = None if seconds is None else Timer(seconds, self._end)

    def __enter__(self) -> Self:
        """Begin to count."""
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting."""
        if self._timer is not None and self._socket is not None:
            self._timer.cancel()
            self._timer.join()
            self._socket.close()

    def _end(self) -> None:
        self.is_over = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)
