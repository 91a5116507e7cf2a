"""A running stack driven through its HTTP API: the script of the checkout, and a pipeline's whole life."""

import json
import subprocess
import sys

import psycopg
import requests

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import CHECKOUT, PASSWORD, wait_until

_COLUMNS = (
    "name",
    "mode",
    "status",
    "full_load_status",
    "cdc_status",
    "full_load_lsn",
    "generation",
    "slot_name",
    "publication_name",
    "debezium_connector_name",
    "sink_connector_name",
    "intent",
    "intent_version",
    "last_error",
)


def _flow(case: Case) -> str:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "test_full_load_flow.py"), case.name],
        cwd=CHECKOUT,
        env=case.installation.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_pipeline_lives_through_the_api(case: Case) -> None:
    url = f"http://127.0.0.1:{case.installation.environment['CDC_API_PORT']}/api/pipelines"
    # A tick of the daemon has to have seen the file.
    wait_until(lambda: requests.get(f"{url}/{case.name}", timeout=30).json().get("id"), what="recorded")
    first = _flow(case)
    assert "Stopping" not in first
    assert "full_load_status IN_PROGRESS" in first
    assert first.splitlines()[-1] == "OK"
    again = _flow(case)
    assert "Stopping" in again
    assert "full_load_status IN_PROGRESS" not in again

    shown = requests.get(f"{url}/{case.name}", timeout=30).json()
    row = case.installation.pipeline(case.name)
    assert {column: shown[column] for column in _COLUMNS} == {column: row[column] for column in _COLUMNS}
    assert shown["id"] == str(row["id"])
    lag = requests.get(f"{url}/{case.name}/lag", timeout=30).json()
    assert lag["bytes_behind"] is not None
    assert not case.differences()

    report = json.loads(case.installation.cdc("diagnose", case.name, "--json").stdout)
    assert report["slots"][0]["name"] == row["slot_name"]
    assert {each["state"] for each in report["connectors"].values()} == {"RUNNING"}
    assert set(report["platform"].values()) == {"ok"}
    assert PASSWORD not in json.dumps(report)

    refused = requests.delete(f"{url}/{case.name}", timeout=30)
    assert refused.status_code == 409
    content = requests.get(f"{url}/{case.name}/events", timeout=30).json()
    assert {"full_load_status", "cdc_status"} <= {event["field"] for event in content}

    requests.post(f"{url}/{case.name}/stop", timeout=30).raise_for_status()
    wait_until(lambda: case.installation.pipeline(case.name)["status"] == "STOPPED", what="STOPPED", seconds=120)
    deleted = requests.delete(f"{url}/{case.name}", timeout=120)
    assert deleted.status_code == 204, deleted.text
    assert requests.get(f"{url}/{case.name}", timeout=30).status_code == 404
    assert not [name for name in case.installation.connectors() if name.startswith(f"cdc_{case.name}_")]
    with psycopg.connect(case.source_url) as session:
        assert (
            session.execute("SELECT 1 FROM pg_replication_slots WHERE database = current_database()").fetchall() == []
        )
    # As it was found, for the end of the case.
    case.write()
