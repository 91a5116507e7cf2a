"""`./cdc demo` as a stranger runs it: what it proves, what it leaves, and that it can fail."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from cdc_assets.embedded.demo.flow import Flow
from cdc_assets.embedded.demo.sample import TABLES, SampleTable
from cdc_assets.settings import checkout
from cdc_assets_tests.services.home import Home, temporary_home
from cdc_assets_tests.services.servers import Databases

PORTS = ("EMBEDDED_PG", "EMBEDDED_KAFKA", "EMBEDDED_CONNECT", "UI", "API", "DEMO_SOURCE", "DEMO_TARGET")
SEED = (
    "SELECT name, status, full_load_status, cdc_status, full_load_completed_at IS NOT NULL, updated_at IS NOT NULL"
    " FROM pipelines WHERE name = 'final_test2'"
)
PAYMENT = "account_id = 3 AND payment_no = 1"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home(*PORTS) as made:
        yield made
        made.cdc("down")


def test_once_it_proves_the_copy_and_leaves_nothing_running(home: Home) -> None:
    before = _work_tree()
    done = home.cdc("demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "demo: OK"
    assert len(re.findall(r"in the target [\d,]+ ms after the commit", done.stdout)) == 4
    assert len(re.findall(r"rows, all equal", done.stdout)) == len(TABLES)
    assert re.search(
        r"full load: 192,000 rows, [\d.]+ MB, read back and found equal: [\d.]+ s \([\d.]+ MB/s\)", done.stdout
    )
    assert done.stderr == ""
    assert home.processes() == []
    assert _work_tree() <= before
    for password in (home.directory / "secrets").glob("demo_*"):
        assert password.stat().st_mode & 0o777 == 0o600
        assert password.read_text() not in done.stdout


def test_again_it_begins_anew_and_writes_until_it_is_stopped(home: Home) -> None:
    with subprocess.Popen(
        [str(checkout() / "cdc"), "demo"],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "transactions (" in line:
                with psycopg.connect(home.settings().database_url) as session:
                    assert session.execute(SEED).fetchone() == (
                        "final_test2",
                        "RUNNING",
                        "COMPLETED",
                        "RUNNING",
                        True,
                        True,
                    )
                process.send_signal(signal.SIGINT)
        code = process.wait(120)
    output = "".join(lines)
    assert code == 0, output
    assert lines[-1] == "Stopped.\n", output
    assert "an earlier demo is there" in output
    assert f"http://127.0.0.1:{home.ports['CDC_UI_PORT']}" in output
    assert f"pipelines' page    http://127.0.0.1:{home.ports['CDC_API_PORT']}/\n" in output
    assert home.processes() == []


def test_a_demo_that_cannot_start_names_the_cause_in_its_last_line(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = home.cdc("demo", "--once", CDC_DEMO_SOURCE_PORT=str(port))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"demo: FAILED: port {port} (demo source) is in use"
    assert "set CDC_DEMO_SOURCE_PORT" in done.stdout


def test_it_does_not_touch_servers_that_are_configured(home: Home) -> None:
    done = home.cdc("demo", "--once", CDC_DATABASE_URL="postgresql://u:hush@db.example/state")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "demo: FAILED: the demo brings its own servers, but CDC_DATABASE_URL is set"
    assert "hush" not in done.stdout


@pytest.mark.parametrize(
    ("damage", "missing", "surplus"),
    [
        ("SELECT", 0, 0),
        (f"UPDATE dbo.payments SET exact_amount = 1.100 WHERE {PAYMENT}", 1, 1),
        (f"UPDATE dbo.payments SET exchange_rate = NULL WHERE {PAYMENT}", 1, 1),
        (f"DELETE FROM dbo.payments WHERE {PAYMENT}", 1, 0),
        ("INSERT INTO dbo.payments SELECT -1, payment_no, 0, 0, 0, 0 FROM dbo.payments LIMIT 1", 0, 1),
    ],
)
def test_a_planted_difference_is_seen(databases: Databases, damage: str, missing: int, surplus: int) -> None:
    (payments,) = (table for table in TABLES if table.name == "payments")
    _fill(databases.source_url, payments, schema="public")
    _fill(databases.target_url, payments, schema="dbo")
    with psycopg.connect(databases.target_url) as session:
        session.execute(damage.encode())
    with Flow(databases.source_url, databases.target_url, tend=lambda: None) as flow:
        found = flow.compare(payments)
    assert (found.row_count, found.missing, found.surplus) == (500, missing, surplus)
    assert found.is_equal == (missing == surplus == 0)


def _fill(url: str, table: SampleTable, *, schema: str) -> None:
    with psycopg.connect(url) as session:
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}".encode())
        session.execute(table.definition.encode())
        session.execute(table.insert.encode(), {"first": 1, "last": 500})


def _work_tree() -> set[str]:
    """What `git status` shows."""
    shown = subprocess.run(
        ["git", "-c", "safe.directory=*", "status", "--porcelain"],
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(shown.splitlines())
