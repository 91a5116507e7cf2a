"""The verbs as a user types them: exit codes, what is printed where, and never a traceback.

Most tests have a state database and no stack: that is all `check`, `plan` and `status` need.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings, inherited_environment
from cdc_assets.wiring.parts import migrate
from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import CHECKOUT, database_name
from cdc_assets_tests.services.servers import Databases, Servers
from cdc_assets_tests.services.stillness import files_below, server_state, stream_state

_VERBS = ("check", "plan", "start", "stop", "status", "drop", "diagnose")
_SECRET = "throw-away"


@dataclass
class Shell:
    """A directory with files, and `./cdc` run in its environment."""

    directory: Path
    environment: dict[str, str]

    def run(self, *arguments: str, expect: int = 0, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(CHECKOUT / "cdc"), *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        assert _SECRET not in done.stdout + done.stderr
        return done

    def json(self, *arguments: str, expect: int = 0) -> Any:  # noqa: ANN401  JSON
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)

    def error(self, *arguments: str, expect: int, timeout: float = 180) -> tuple[str, str]:
        """Return the sentence and the fix, which are all that is on the standard error output."""
        lines = self.run(*arguments, expect=expect, timeout=timeout).stderr.splitlines()
        assert len(lines) == 2, lines
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("fix: ")
        return lines[0], lines[1]

    def write_pipeline(self, name: str, databases: Databases, *, tables: str = "[orders]", more: str = "") -> Path:
        file = self.directory / "pipelines" / f"{name}.yaml"
        file.write_text(
            f"mode: full_load_and_cdc\n"
            f"source: {{connection: app, database: {database_name(databases.source_url)}, schema: public}}\n"
            f"target: {{connection: app, database: {database_name(databases.target_url)}, schema: dbo}}\n"
            f"tables: {tables}\n{more}"
        )
        return file


@pytest.fixture
def bare_shell(tmp_path: Path) -> Shell:
    """No state database, no file."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections.yaml").write_text("{}\n")
    kept = {key: value for key, value in inherited_environment().items() if not key.startswith(("CDC_", "DAGSTER_"))}
    environment = {
        **kept,
        "CDC_HOME": str(tmp_path / "home"),
        "CDC_PIPELINES_DIR": str(tmp_path / "pipelines"),
        "CDC_CONNECTIONS_FILE": str(tmp_path / "connections.yaml"),
        "CDC_EMBEDDED_CONNECT_PORT": str(free_port()),
        "CDC_EMBEDDED_KAFKA_PORT": str(free_port()),
        "CDC_EMBEDDED_PG_PORT": str(free_port()),
        "CDC_UI_PORT": str(free_port()),
        "CDC_API_PORT": str(free_port()),
    }
    return Shell(tmp_path, environment)


@pytest.fixture
def shell(bare_shell: Shell, databases: Databases) -> Iterator[Shell]:
    """A state database, a source table, and a pipeline `sales` for it."""
    _make_sales(bare_shell, databases)
    yield bare_shell
    shutil.rmtree(bare_shell.directory / "home", ignore_errors=True)


def _make_sales(shell: Shell, databases: Databases) -> None:
    migrate(Settings.load(configured_database_url=databases.state_url))
    parts = urlsplit(databases.source_url)
    (shell.directory / "connections.yaml").write_text(
        f"app: {{kind: postgres, host: {parts.hostname}, port: {parts.port}, user: {parts.username}, "
        "password: {env: APP_PASSWORD}}\n"
    )
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE customers (id int PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, code text UNIQUE,"
            " amount numeric(10,2))"
        )
        connection.execute("INSERT INTO orders SELECT n, NULL, n::text, n FROM generate_series(1, 100) n")
    shell.environment |= {"CDC_DATABASE_URL": databases.state_url, "APP_PASSWORD": str(parts.password)}
    shell.write_pipeline("sales", databases)


@dataclass(frozen=True)
class Watched:
    """A pipeline whose servers are all of this test's own, so that whatever changes there was changed by the verb."""

    shell: Shell
    servers: Servers
    kafka_bootstrap: str

    def state(self) -> object:
        return (
            server_state(self.servers.postgres(18).url("postgres")),
            stream_state(connect_url=self.servers.connect().url, kafka_bootstrap=self.kafka_bootstrap),
            files_below([self.servers.home, self.shell.directory]),
        )


@pytest.fixture
def watched(bare_shell: Shell, still_databases: Databases, own_servers: Servers) -> Watched:
    """`sales` on still databases, with Kafka and Connect in the place of the embedded ones."""
    kafka_bootstrap, worker = own_servers.kafka(), own_servers.connect()
    bare_shell.environment |= {
        # The worker may read below it.
        "CDC_HOME": str(own_servers.home),
        "CDC_EMBEDDED_KAFKA_PORT": kafka_bootstrap.rpartition(":")[2],
        "CDC_EMBEDDED_CONNECT_PORT": str(worker.port),
    }
    _make_sales(bare_shell, still_databases)
    return Watched(bare_shell, own_servers, kafka_bootstrap)


def test_without_a_state_database_every_verb_names_the_way_to_one(bare_shell: Shell) -> None:
    for verb in _VERBS:
        error, fix = bare_shell.error(verb, "sales", expect=1)
        assert "state database" in error
        assert "./cdc up" in fix
    bare_shell.environment["CDC_DATABASE_URL"] = f"postgresql://u:{_SECRET}@127.0.0.1:{free_port()}/state"
    error, fix = bare_shell.error("status", expect=1)
    assert "does not answer" in error
    assert "./cdc up" in fix


def test_an_unknown_pipeline_is_a_wrong_use_and_the_known_ones_are_named(shell: Shell) -> None:
    for verb in _VERBS:
        error, _ = shell.error(verb, "sails", expect=2)
        assert "sails" in error
        assert "sales" in error


def test_a_wrong_use_is_told_before_anything_is_asked(bare_shell: Shell) -> None:
    assert "--json" in bare_shell.run("start", "--help").stdout
    bare_shell.run("start", expect=2)
    bare_shell.environment["CDC_API_PORT"] = "none"
    error, _ = bare_shell.error("check", expect=2)
    assert "CDC_API_PORT" in error


def test_check_passes_and_tells_what_it_looked_at(shell: Shell) -> None:
    checks = shell.json("check", "sales")
    assert {tuple(check) for check in checks} == {("name", "status", "pipeline", "table", "column", "what", "fix")}
    assert {check["status"] for check in checks} == {"pass", "warn"}
    warned = [check["name"] for check in checks if check["status"] == "warn"]
    assert warned == ["kafka_reachable", "connect_reachable"]
    text = shell.run("check").stdout
    assert "source_wal_level" in text
    assert "0 failed" in text


def test_check_fails_with_table_fix_and_script(shell: Shell, databases: Databases) -> None:
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders SET UNLOGGED")
    (failed,) = [check for check in shell.json("check", expect=1) if check["status"] == "fail"]
    assert (failed["name"], failed["pipeline"], failed["table"]) == ("table_kind", "sales", "orders")
    done = shell.run("check", expect=1)
    assert 'ALTER TABLE "public"."orders" SET LOGGED;' in done.stdout.splitlines()


def test_who_only_looks_changes_nothing_anywhere(watched: Watched) -> None:
    before = watched.state()
    # Connect was asked to log in, with secrets that it was lent.
    assert "logs in to the source" in watched.shell.run("check", "sales").stdout
    assert watched.state() == before
    for verb in ("plan", "status", "diagnose"):
        watched.shell.run(verb, "sales")
        assert watched.state() == before, verb


@pytest.mark.parametrize(
    "planted",
    [
        "SELECT pg_current_xact_id()",
        "CREATE PUBLICATION planted",
        "SELECT pg_create_logical_replication_slot('planted', 'pgoutput')",
        "ALTER SYSTEM SET work_mem = '5MB'",
    ],
)
def test_the_smallest_write_would_be_seen(planted: LiteralString, still_databases: Databases) -> None:
    before = server_state(still_databases.source_url)
    assert server_state(still_databases.target_url) == before
    with psycopg.connect(still_databases.source_url, autocommit=True) as connection:
        connection.execute(planted)
        assert server_state(still_databases.target_url) != before
        if "slot" in planted:
            connection.execute("SELECT pg_drop_replication_slot('planted')")


def test_a_configured_connect_that_is_away_fails(shell: Shell) -> None:
    shell.environment["CDC_CONNECT_URL"] = f"http://127.0.0.1:{free_port()}"
    failed = [check["name"] for check in shell.json("check", "sales", expect=1) if check["status"] == "fail"]
    assert failed == ["connect_reachable"]


def test_two_pipelines_on_one_target_table_fail_both(shell: Shell, databases: Databases) -> None:
    shell.write_pipeline("sales_copy", databases)
    failed = {check["pipeline"]: check["name"] for check in shell.json("check", expect=1) if check["status"] == "fail"}
    assert failed == {"sales": "target_shared", "sales_copy": "target_shared"}


def test_a_bad_file_is_told_with_its_line_and_takes_no_other_down(shell: Shell, databases: Databases) -> None:
    file = shell.write_pipeline("bad", databases, more="optoins: {}\n")
    checks = shell.json("check", expect=1)
    (failed,) = [check for check in checks if check["status"] == "fail"]
    assert (failed["name"], failed["pipeline"]) == ("definition_valid", "bad")
    assert failed["what"] == f"{file}:5: unknown key optoins"
    assert failed["fix"] == "did you mean `options`?"
    assert {check["pipeline"] for check in checks} == {"bad", "sales"}
    shell.run("check", "sales")
    states = {pipeline["name"]: pipeline["status"] for pipeline in shell.json("status")}
    assert states == {"bad": "INVALID", "sales": "NOT_STARTED"}
    assert "unknown key optoins" in shell.json("status", "bad")["last_error"]
    error, _ = shell.error("start", "bad", expect=2)
    assert "unknown key optoins" in error


def test_a_literal_password_is_refused_and_never_shown(shell: Shell) -> None:
    file = shell.directory / "connections.yaml"
    file.write_text(file.read_text().replace("{env: APP_PASSWORD}", _SECRET))
    text = shell.run("check", expect=1).stdout
    assert "a password must not stand in the file" in text
    assert "{env: NAME}" in text


def test_a_secret_that_is_not_there_is_named(shell: Shell) -> None:
    del shell.environment["APP_PASSWORD"]
    failed = [check for check in shell.json("check", expect=1) if check["status"] == "fail"]
    assert {check["name"] for check in failed} == {"source_login", "target_login"}
    assert all("APP_PASSWORD" in check["what"] for check in failed)


def test_plan_shows_what_a_start_would_do_and_does_none_of_it(shell: Shell, databases: Databases) -> None:
    plan = shell.json("plan", "sales")
    (table,) = plan["tables"]
    assert (table["name"], table["target_table"], table["refused"]) == ("orders", "orders", None)
    assert table["size_bytes"] > 0
    left_out = " ".join(table["left_out"])
    assert "foreign key orders_customer_fkey" in left_out
    assert "orders_code_key" in left_out
    ddl = "\n".join(plan["ddl"])
    assert ddl.index("CREATE SCHEMA") < ddl.index("CREATE TABLE") < ddl.index("PRIMARY KEY")
    source, sink = (config["connector.class"] for config in plan["connectors"].values())
    assert (source.rsplit(".")[-1], sink.rsplit(".")[-1]) == ("PostgresConnector", "JdbcSinkConnector")
    text = shell.run("plan", "sales").stdout
    assert "Nothing was changed" in text
    with psycopg.connect(databases.target_url) as connection:
        assert connection.execute("SELECT to_regnamespace('dbo')").fetchone() == (None,)
    with psycopg.connect(databases.source_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_status_of_a_pipeline_nobody_started(shell: Shell) -> None:
    (listed,) = shell.json("status")
    one = shell.json("status", "sales")
    assert listed == one
    assert (one["name"], one["status"], one["full_load_status"], one["cdc_status"]) == (
        "sales",
        "NOT_STARTED",
        "NOT_STARTED",
        "NOT_STARTED",
    )
    assert [table["name"] for table in one["tables"]] == ["orders"]
    text = shell.run("status").stdout
    assert "sales" in text
    assert "NOT_STARTED" in text


def test_a_start_that_is_not_waited_for_is_a_recorded_wish(shell: Shell, databases: Databases) -> None:
    assert shell.json("start", "sales", "--no-wait")["intent"] == "RUNNING"
    with psycopg.connect(databases.state_url) as connection:
        row = connection.execute("SELECT name, status, intent FROM pipelines").fetchone()
    assert row == ("sales", "STARTING", "RUNNING")
    one = shell.json("status", "sales")
    assert (one["status"], one["source"]["connection"]) == ("STARTING", "app")
    error, fix = shell.error("start", "sales", "--timeout", "1", expect=1)
    assert "was not ready within 1 s" in error
    assert "./cdc status sales --watch" in fix


def test_a_start_without_a_daemon_ends_after_half_a_minute_and_says_why(shell: Shell) -> None:
    error, fix = shell.error("start", "sales", expect=1, timeout=50)
    assert "no Dagster daemon" in error
    assert "./cdc up" in fix


@pytest.mark.parametrize(("arguments", "seen", "code"), [(("status", "-w"), "sales", 0), (("start",), "STARTING", 130)])
def test_ctrl_c_ends_the_waiting_and_nothing_else(
    shell: Shell, arguments: tuple[str, ...], seen: str, code: int
) -> None:
    process = subprocess.Popen(
        [str(CHECKOUT / "cdc"), *arguments, "sales"],
        cwd=CHECKOUT,
        env={**shell.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert any(seen in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in error
    assert ("it goes on" in error) is (code != 0)


def test_stop_of_what_was_never_started_is_done_at_once(shell: Shell) -> None:
    assert shell.json("stop", "sales")["status"] == "NOT_STARTED"


def test_drop_of_what_was_never_started_leaves_the_file(shell: Shell) -> None:
    assert shell.json("drop", "sales") == {"pipeline": "sales", "removed": [], "left": []}
    assert (shell.directory / "pipelines" / "sales.yaml").exists()


def test_the_life_of_a_pipeline(case: Case) -> None:
    """On a running stack: start, start again, stop, stop again, start, drop; each returns when it is so."""
    run = case.installation.cdc
    started = run("start", case.name)
    assert f"{case.name}: RUNNING" in started.stdout
    assert "full load IN_PROGRESS" in started.stdout
    assert case.installation.pipeline(case.name)["status"] == "RUNNING"
    again = json.loads(run("start", case.name, "--json").stdout)
    assert again["status"] == "RUNNING"
    assert {table["state"] for table in again["tables"]} == {"STREAMING"}
    assert f"{case.name}: STOPPED" in run("stop", case.name).stdout
    assert case.installation.pipeline(case.name)["status"] == "STOPPED"
    assert json.loads(run("stop", case.name, "--json").stdout)["status"] == "STOPPED"
    run("start", case.name)
    report = json.loads(run("drop", case.name, "--json").stdout)
    assert report["left"] == []
    assert any(entry.startswith("replication slot ") for entry in report["removed"])
    assert not [name for name in case.installation.connectors() if name.startswith(f"cdc_{case.name}_")]
    with psycopg.connect(case.source_url) as connection:
        slots = connection.execute(
            "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        ).fetchone()
    assert slots == (0,)


def test_a_start_that_fails_its_checks_says_the_cause_and_changed_nothing(still_case: Case) -> None:
    case = still_case
    with psycopg.connect(case.source_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders ADD part regclass")

    def everything() -> object:
        stream = stream_state(
            connect_url=case.installation.connect_url,
            kafka_bootstrap=f"127.0.0.1:{case.installation.environment['CDC_EMBEDDED_KAFKA_PORT']}",
        )
        return server_state(case.source_url), stream, files_below([case.installation.directory])

    before = everything()
    done = case.installation.cdc("start", case.name, expect=1)
    assert "orders.part is regclass" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("fix: ")
    row = case.installation.pipeline(case.name)
    assert (row["status"], row["full_load_status"], row["last_error_code"], row["failed_step"]) == (
        "ERROR",
        "NOT_STARTED",
        "PREFLIGHT_FAILED",
        "preflight",
    )
    # Source and target are one server, which nobody else uses: no transaction was given an id there.
    assert everything() == before


def test_diagnose_tells_what_is_away_and_still_reports(shell: Shell) -> None:
    report = shell.json("diagnose", "sales")
    assert report["pipeline"]["name"] == "sales"
    assert report["platform"]["state_database"] == "ok"
    assert "does not answer" in report["platform"]["kafka_connect"]
    assert report["settings"]["CDC_DATABASE_URL"] == "set, not shown"
    assert "kafka_connect: Kafka Connect" in shell.run("diagnose", "sales").stdout
    assert "no pipeline nothing" in shell.error("diagnose", "nothing", expect=2)[0]
