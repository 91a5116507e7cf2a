"""Files that are written, edited or removed beside a running stack: taken up or reported within thirty seconds.

Nothing is restarted; what is looked at is what Dagster serves and what the state tables say.
"""

from typing import Any

import psycopg
import requests

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import Installation, wait_until

# Thirty seconds are promised; a machine on which other tests run is given more.
_SOON = 120
_ASSETS = """
query($selector: RepositorySelector!) {
  repositoryOrError(repositorySelector: $selector) {
    ... on Repository { assetNodes { assetKey { path } partitionKeys } }
  }
}
"""
_CHECK = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks { checks { executionForLatestMaterialization { status evaluation { description } } } }
      }
    }
  }
}
"""


def _dagster(installation: Installation, query: str, **variables: object) -> Any:  # noqa: ANN401  parsed JSON
    answer = requests.post(
        f"http://127.0.0.1:{installation.environment['CDC_UI_PORT']}/graphql",
        json={"query": query, "variables": variables},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["data"]


def _assets(installation: Installation) -> dict[tuple[str, ...], set[str]]:
    """Every asset that Dagster serves now, with its partitions."""
    selector = {"repositoryName": "__repository__", "repositoryLocationName": "cdc_assets"}
    found = _dagster(installation, _ASSETS, selector=selector)["repositoryOrError"]
    return {tuple(node["assetKey"]["path"]): set(node["partitionKeys"]) for node in found.get("assetNodes", [])}


def _partitions(case: Case) -> set[str]:
    """The partitions that Dagster serves for the pipeline now."""
    return _assets(case.installation).get((case.name, "loaded_table"), set())


def _states(case: Case) -> dict[str, str]:
    return {name: row["state"] for name, row in case.installation.tables(case.name).items()}


def _file_check(case: Case) -> str:
    """What the check `definition_valid` of the file says in Dagster, empty while there is none."""
    found = _dagster(case.installation, _CHECK, key={"path": [case.name]})["assetNodeOrError"]
    checks = (found.get("assetChecksOrError") or {}).get("checks", [])
    last = checks[0]["executionForLatestMaterialization"] if checks else None
    if last is None or last["status"] != "FAILED":
        return ""
    return str(last["evaluation"]["description"])


def _status(case: Case) -> dict[str, Any]:
    return dict(case.installation.status_json(case.name))


def test_a_new_an_edited_a_bad_and_a_vanished_file_are_seen_without_a_restart(case: Case) -> None:
    case.write(tables=("orders",))
    wait_until(lambda: _partitions(case) == {"orders"}, what="the new file in Dagster", seconds=_SOON)
    case.write(tables=("orders", "scratch"))
    wait_until(lambda: _partitions(case) == {"orders", "scratch"}, what="the edited file in Dagster", seconds=_SOON)
    case.write(tables=("orders",), options="optoins: {}\n")
    wait_until(lambda: "optoins" in _file_check(case), what="the bad file's check red in Dagster", seconds=_SOON)
    assert _partitions(case) == set()
    assert (_status(case)["status"], _status(case)["last_error_code"]) == ("INVALID", "DEFINITION_INVALID")
    path = case.installation.directory / "pipelines" / f"{case.name}.yaml"
    path.unlink()
    wait_until(
        lambda: all(key[0] != case.name for key in _assets(case.installation)),
        what="the file that was never started gone from Dagster",
        seconds=_SOON,
    )
    case.write()


def test_a_running_pipeline_takes_up_a_table_of_its_file_and_tells_when_the_file_is_gone(case: Case) -> None:
    case.write(tables=("orders", "scratch"))
    case.installation.cdc("start", case.name)
    case.write(tables=("orders", "scratch", "documents"))
    begun = {"PREPARED", "LOADING", "LOADED", "CATCHING_UP", "STREAMING"}
    wait_until(lambda: _states(case).get("documents") in begun, what="documents taken up", seconds=_SOON)
    wait_until(lambda: set(_states(case).values()) == {"STREAMING"}, what="all three tables STREAMING", seconds=150)
    wait_until(lambda: case.installation.pipeline(case.name)["status"] == "RUNNING", what="RUNNING again", seconds=150)
    with psycopg.connect(case.source_url, autocommit=True) as connection:
        connection.execute("UPDATE documents SET title = 'changed'; DELETE FROM scratch WHERE id < 100")
    taken = ("orders", "scratch", "documents")
    wait_until(lambda: not case.differences(taken), what="equal after changes", seconds=150)
    loads = [event["table_name"] for event in case.installation.events(case.name) if event["new_value"] == "LOADING"]
    assert sorted(loads) == sorted(taken), "what was loaded is not loaded again"

    path = case.installation.directory / "pipelines" / f"{case.name}.yaml"
    path.unlink()
    wait_until(lambda: "is not there" in _file_check(case), what="the vanished file's check is red", seconds=_SOON)
    told = _status(case)
    assert told["status"] == "INVALID"
    assert "put the file back" in told["last_error"]
    case.write(tables=taken)
    wait_until(lambda: _partitions(case) == set(taken), what="the file that came back in Dagster", seconds=_SOON)
    assert _status(case)["status"] == "RUNNING", "what was made went on"


def test_all_tables_of_a_schema_and_what_comes_later(case: Case) -> None:
    installation = case.installation
    text = (installation.directory / "pipelines" / f"{case.name}.yaml").read_text()
    head = text.partition("tables:")[0]
    rule = "tables: all\nexcept: [documents, readings, order_lines]\n"
    installation.write_pipeline(case.name, head + rule)
    first = {"orders", "scratch", "We ird Größe"}
    wait_until(lambda: _partitions(case) == first, what="the found tables as partitions", seconds=_SOON)
    assert "`tables: all` means 3 tables" in installation.cdc("check", case.name, expect=None).stdout.replace("\n", " ")
    installation.cdc("start", case.name)
    assert set(installation.tables(case.name)) == first

    with psycopg.connect(case.source_url, autocommit=True) as connection:
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'").fetchone()
        connection.execute("CREATE TABLE later (id int PRIMARY KEY, v text); INSERT INTO later VALUES (1, 'x')")
        assert owner is not None
        connection.execute(f'ALTER TABLE later OWNER TO "{owner[0]}"'.encode())

    def told() -> list[str]:
        return [event["new_value"] for event in installation.events(case.name) if event["field"] == "new_tables"]

    wait_until(lambda: told() == ["later"], what="an event about the new table", seconds=_SOON)
    assert "later" in installation.cdc("check", case.name, expect=None).stdout
    assert set(installation.tables(case.name)) == first

    installation.write_pipeline(case.name, head + rule + "add_new_tables: true\n")
    wait_until(lambda: "later" in _partitions(case), what="the new table as a partition", seconds=_SOON)
    wait_until(
        lambda: set(_states(case).values()) == {"STREAMING"},
        what="every table STREAMING, the new one too",
        seconds=150,
    )
    assert not case.differences((*sorted(first), "later"))
