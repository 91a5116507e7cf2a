"""Whoever does not look is told: by the daemon of a running stack, at a real webhook."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import database_name, wait_until
from cdc_assets_tests.services.receivers import PASSWORD, TOKEN, Webhook, running_webhook

_TABLES = ("orders", "scratch")


@pytest.fixture
def webhook(case: Case) -> Iterator[Webhook]:
    """A receiver that hears of the case's pipeline."""
    directory = case.installation.directory
    file = directory / "alerts.yaml"
    with running_webhook() as hook:
        (directory / "hook.url").write_text(hook.url + "\n")
        file.write_text(
            f"channels: {{hook: {{url: {{file: hook.url}}, pipelines: [{case.name}]}}}}\nfailed_seconds: 0\n"
        )
        yield hook
        file.unlink()


def test_a_finished_load_and_a_target_that_is_away_are_told(case: Case, webhook: Webhook) -> None:
    installation = case.installation
    tried = installation.cdc("alert", "test")
    assert webhook.titles == ["cdc_assets: this is a test"]
    case.write(tables=_TABLES)
    installation.cdc("start", case.name)
    wait_until(
        lambda: f"{case.name}: the full load has finished" in webhook.titles, what="news of the load", seconds=120
    )
    database = database_name(case.target_url)
    # From beside: nobody can lock a database that he is in.
    with psycopg.connect(case.source_url, autocommit=True) as session:
        session.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        try:
            session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
            wait_until(
                lambda: f"{case.name}: changes do not arrive" in webhook.titles, what="the failure told", seconds=180
            )
        finally:
            session.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    report = json.loads(installation.cdc("diagnose", case.name, "--json").stdout)
    assert report["alerts"]["hook"]["last_sent_at"] is not None
    seen = tried.stdout + tried.stderr + json.dumps(report) + installation.log_tail()
    seen += "".join(log.read_text(errors="replace") for log in (installation.directory / "home" / "logs").glob("*.log"))
    assert TOKEN not in seen
    assert PASSWORD not in seen
