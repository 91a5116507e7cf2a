"""Receivers on this machine, and a state database with a pipeline in it."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cdc_assets.settings import Settings
from cdc_assets.wiring import migrate, open_store
from cdc_assets.wiring.alerts import open_alert_book
from cdc_assets_tests.services.receivers import Mailbox, Webhook, running_mailbox, running_webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as hook:
        yield hook


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as box:
        yield box


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
