"""Real receivers on this machine: an SMTP server and a webhook, and a state database with a pipeline in it."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from psycopg import sql

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings
from cdc_assets.wiring import migrate, open_store
from cdc_assets.wiring.alerts import open_alert_book

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


@pytest.fixture
def webhook() -> Iterator[Webhook]:
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


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def state_url(postgres_url: str) -> Iterator[str]:
    name = f"alerts_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def configure(tmp_path: Path, state_url: str) -> Iterator[Callable[..., Settings]]:
    """Write alerts.yaml with these channels, their addresses in files, and return the settings."""
    made: list[Settings] = []

    def write(more: str = "", **urls: str) -> Settings:
        lines = ["channels:"]
        for name, url in urls.items():
            (tmp_path / f"{name}.url").write_text(f"{url}\n")
            lines.append(f"  {name}: {{url: {{file: {name}.url}}}}")
        (tmp_path / "alerts.yaml").write_text("\n".join([*lines, more]) + "\n")
        settings = Settings.load(
            home=tmp_path / "home",
            pipelines_dir=tmp_path / "pipelines",
            connections_file=tmp_path / "connections.yaml",
            alerts_file=tmp_path / "alerts.yaml",
            CDC_DATABASE_URL=state_url,
        )
        migrate(settings)
        made.append(settings)
        return settings

    yield write
    for settings in made[:1]:
        open_alert_book(settings).close()
        open_store(settings).close()  # type: ignore[attr-defined]  # the port needs no end, a test's database does
