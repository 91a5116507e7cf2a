"""Instance settings, queue and sensors with real Dagster processes on PostgreSQL; the commands are faked."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster_postgres.utils import DagsterPostgresException
from mirakuru import HTTPExecutor, SimpleExecutor
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.adapters.dagster_client import DagsterClient
from cdc_assets.embedded.dagster import dagster_database_url
from cdc_assets.embedded.server_process import free_port
from cdc_assets.model.errors import NotTakenUpError, StateDatabaseError
from cdc_assets.settings import checkout, inherited_environment
from cdc_assets_tests.orchestration.fake_commands import APP
from cdc_assets_tests.services.servers import Databases

WORKSPACE = """
load_from:
  - python_module:
      module_name: cdc_assets_tests.orchestration.served_location
      location_name: cdc_assets
      working_directory: {checkout}
"""
in_good_time = retry(
    stop=stop_after_delay(150), wait=wait_fixed(0.5), retry=retry_if_exception_type(AssertionError), reraise=True
)


@pytest.fixture
def home(tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DAGSTER_HOME with the settings of the checkout, on a state database of this test."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copyfile(checkout() / "dagster.yaml", home / "dagster.yaml")
    (home / "workspace.yaml").write_text(WORKSPACE.format(checkout=checkout()), encoding="utf-8")
    for name, value in {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": dagster_database_url(databases.state_url),
        "CDC_HOME": str(tmp_path / "cdc"),
    }.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def stored(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


@contextmanager
def daemon(home: Path, stack_id: str, *, ends_by: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    program = Path(sys.executable).parent / "dagster-daemon"
    process = SimpleExecutor(
        [str(program), "run", "-w", str(home / "workspace.yaml")],
        envvars=dict(inherited_environment()) | {"CDC_STACK_ID": stack_id},
        cwd=str(checkout()),
        stop_signal=ends_by,
        expected_returncode=None,
        timeout=30,
    )
    process.start()
    try:
        yield
    finally:
        if ends_by is signal.SIGKILL:
            process.kill(wait=True, sig=signal.SIGKILL)
        else:
            process.stop()


def statuses(instance: dg.DagsterInstance, pipeline: str) -> list[dg.DagsterRunStatus]:
    return [run.status for run in instance.get_runs(dg.RunsFilter(job_name=f"{pipeline}__sync"))]


def test_dagster_keeps_to_its_own_schema(stored: dg.DagsterInstance, databases: Databases) -> None:
    assert stored.get_runs() == []
    with psycopg.connect(databases.state_url) as session:
        found = session.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'event_logs'").fetchall()
    assert found == [("dagster",)]


def test_what_the_address_asks_for_holds_for_dagster(
    home: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where TLS is asked for, Dagster's password and events must not travel without."""
    url = f"{databases.state_url}?application_name=planted%20name&options=-c%20statement_timeout%3D77s"
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_database_url(url))
    with dg.DagsterInstance.get() as instance, instance.run_storage.connect() as session:  # type: ignore[attr-defined]
        row = session.exec_driver_sql(
            "SELECT current_setting('application_name'), current_setting('statement_timeout'),"
            " current_setting('search_path')"
        ).one()
    assert tuple(row) == ("planted name", "77s", "dagster")
    # The server of the tests has no certificate.
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_database_url(f"{databases.state_url}?sslmode=require"))
    with pytest.raises(DagsterPostgresException), dg.DagsterInstance.get() as instance:
        instance.get_runs()
    assert "server does not support SSL, but SSL was required" in caplog.text


def test_wishes_become_one_run_each_and_runs_of_a_dead_stack_give_their_places_back(
    home: Path, stored: dg.DagsterInstance, databases: Databases
) -> None:
    client = DagsterClient(database_url=databases.state_url, url="http://127.0.0.1:1", location="cdc_assets")
    assert client.daemon_age() is None

    with daemon(home, "stack-1", ends_by=signal.SIGKILL):

        @in_good_time
        def both_were_launched() -> None:
            assert statuses(stored, "quick") == [dg.DagsterRunStatus.SUCCESS]
            assert statuses(stored, "endless") == [dg.DagsterRunStatus.STARTED]

        both_were_launched()
        age = client.daemon_age()
        assert age is not None
        assert age < 10
    # Killed with everything it started: Dagster goes on believing in the run.
    assert statuses(stored, "endless") == [dg.DagsterRunStatus.STARTED]

    with daemon(home, "stack-2"):

        @in_good_time
        def the_dead_run_has_ended() -> None:
            assert statuses(stored, "endless") == [dg.DagsterRunStatus.FAILURE]

        the_dead_run_has_ended()
    # The wish was repeated at every tick of both stacks.
    assert statuses(stored, "quick") == [dg.DagsterRunStatus.SUCCESS]
    materialized = stored.get_materialized_partitions(dg.AssetKey(["quick", "sink_connector"]))
    assert materialized == {"a", "b", "c"}


def test_the_files_are_read_again_on_demand(home: Path, stored: dg.DagsterInstance) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = DagsterClient(database_url="postgresql://nobody@127.0.0.1:1/x", url=url, location="cdc_assets")
    with pytest.raises(NotTakenUpError, match="did not reload them"):
        client.reload()
    program = Path(sys.executable).parent / "dagster-webserver"
    server = HTTPExecutor(
        [str(program), "-w", str(home / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)],
        url=f"{url}/server_info",
        cwd=str(checkout()),
        timeout=60,
        expected_returncode=None,
    )
    with server:
        client.reload()
        unknown = DagsterClient(database_url="", url=url, location="another")
        with pytest.raises(NotTakenUpError, match="RepositoryLocationNotFound"):
            unknown.reload()


def test_an_absent_state_database_is_named_without_a_password() -> None:
    client = DagsterClient(database_url="postgresql://u:hidden@127.0.0.1:1/x", url="", location=APP.name)
    with pytest.raises(StateDatabaseError) as caught:
        client.daemon_age()
    assert "hidden" not in str(caught.value)
