"""A TCP proxy in front of a server: the network between product and server, which a test can cut and mend.

A cut comes in two kinds. `refuse` is the machine that says no: connections are reset and none is accepted. `silence` is
the cable that was pulled: connections stay, nothing is passed on, nobody says so; `restore` passes on what was held.
"""

import contextlib
import socket
import struct
import threading

_PIECE_BYTES = 64 << 10
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections on to a port of this machine until it is told not to."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._listener: socket.socket | None = None
        self.port = self._listen(0)

    def refuse(self) -> None:
        """Reset every connection and accept none."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                # Closed alone, it would go on listening for the thread that waits in `accept`, and take one more.
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._reset_all()

    def silence(self) -> None:
        """Pass nothing on any more, and close nothing."""
        self._flows.clear()

    def restore(self) -> None:
        """Work again."""
        self._flows.set()
        if self._listener is None:
            self._listen(self.port)

    def close(self) -> None:
        """End everything."""
        self.refuse()
        self._flows.set()

    def _listen(self, port: int) -> int:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return int(self._listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:
                client.close()  # the server is down: as if nobody listened
                continue
            with self._lock:
                self._open |= {client, server}
            if listener is not self._listener:
                self._reset_all()  # accepted while it was refused
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, origin: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := origin.recv(_PIECE_BYTES):
                self._flows.wait()
                other.sendall(piece)
        self._flows.wait()
        with self._lock:
            self._open -= {origin, other}
        for end in (origin, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _reset_all(self) -> None:
        with self._lock:
            ended, self._open = self._open, set()
        for end in ended:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes the thread that reads from it, which closes it.
                end.shutdown(socket.SHUT_RDWR)
