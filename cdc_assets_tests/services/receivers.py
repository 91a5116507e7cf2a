"""Real receivers of alerts on this machine: a webhook and an SMTP server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cdc_assets.embedded.server_process import free_port

TOKEN = "s3cr3t-t0k3n"
PASSWORD = "planted-pw"


@dataclass
class Webhook:
    """A web server that keeps what is posted to it; `status` is what it answers, `hold` makes it answer late."""

    port: int
    received: list[Mapping[str, Any]] = field(default_factory=list)
    status: int = 200
    hold: Event | None = None

    @property
    def url(self) -> str:
        """Address for apprise, with a user, a password and a token in it."""
        return f"json://hook:{PASSWORD}@127.0.0.1:{self.port}/{TOKEN}?cto=60&rto=60"

    @property
    def titles(self) -> list[str]:
        """Titles of what was taken."""
        return [str(each["title"]) for each in self.received]


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """Listen on a free port."""
    port = free_port()
    hook = Webhook(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.hold is not None:
                hook.hold.wait()
            if hook.status == 200:
                hook.received.append(content)
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hook
    if hook.hold is not None:
        hook.hold.set()
    server.shutdown()
    server.server_close()


@dataclass
class Mailbox:
    """An SMTP server that keeps the mails it took."""

    port: int
    mails: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Address for apprise."""
        return f"mailto://127.0.0.1:{self.port}?from=cdc@example.org&to=ops@example.org&mode=insecure"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Take a mail."""
        del server, session
        content = envelope.content
        self.mails.append(content.decode() if isinstance(content, bytes) else str(content))
        return "250 taken"


@contextmanager
def running_mailbox() -> Iterator[Mailbox]:
    """Listen on a free port."""
    box = Mailbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()
