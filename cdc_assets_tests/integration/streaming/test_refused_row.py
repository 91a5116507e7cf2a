"""A row that the target refuses is not shown by Kafka Connect: not by its REST interface, not in the worker's log.

Without `logServerErrorDetail=false` in the sink's URL, statement, values and PostgreSQL's `Detail:` stood in the log.
"""

from pathlib import Path

import psycopg
import requests

from cdc_assets_tests.integration.streaming.conftest import MakeStream
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.stream import same_name

_ROW = "planted-r0w-9c44"


def test_a_refused_row_stands_in_no_trace_and_in_no_log(
    stream_of: MakeStream, connect_url: str, connect_secrets_dir: Path
) -> None:
    stream = stream_of("CREATE TABLE refused (code text PRIMARY KEY, note text)", *same_name("refused"))
    with psycopg.connect(stream.databases.target_url, autocommit=True) as target:
        target.execute("ALTER TABLE dbo.refused ADD CONSTRAINT trap CHECK (note <> 'refuse')")
    with psycopg.connect(stream.databases.source_url, autocommit=True) as source:
        source.execute("INSERT INTO refused VALUES (%s, 'refuse')", (_ROW,))
    stream.start_source()
    stream.start_sinks()
    (sink,) = stream.sinks

    def shown() -> str:
        answer = requests.get(f"{connect_url}/connectors/{sink}/status", timeout=30)
        tasks = answer.json().get("tasks", ()) if answer.ok else ()
        return answer.text if any(task["state"] == "FAILED" for task in tasks) else ""

    trace = wait_until(shown, what="the sink's task failed", seconds=180)
    # The cause is told all the same.
    assert "violates check constraint" in trace
    assert _ROW not in trace
    log = (connect_secrets_dir.parent.parent / "logs" / "connect.log").read_text(errors="replace")
    assert "violates check constraint" in log
    assert _ROW not in log
