"""A row that the target refuses is not shown by Kafka Connect: not by its REST interface, not in the worker's log.

Without `logServerErrorDetail=false` in the sink's URL, statement, values and PostgreSQL's `Detail:` stood in the log.
"""

from pathlib import Path

import psycopg
import requests

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets_tests.integration.streaming.conftest import MakeStream
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.stream import same_name

_ROW = "planted-r0w-9c44"
# Quotes and line ends inside do not end it.
_QUOTED = 'planted-one-71ab"\n"planted-two-71ab"\nplanted-three-71ab'


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

    trace = _trace_of_failure(connect_url, sink)
    # The cause is told all the same.
    assert "violates check constraint" in trace
    assert _ROW not in trace
    log = _log(connect_secrets_dir)
    assert "violates check constraint" in log
    assert _ROW not in log


def test_a_value_that_postgresql_quotes_in_its_sentence_stands_in_no_log_and_in_no_answer_of_ours(
    stream_of: MakeStream, connect_url: str, connect_secrets_dir: Path
) -> None:
    """Without the pattern of the worker's log it stood there, with every stack trace; Connect's own trace keeps it."""
    stream = stream_of("CREATE TABLE casted (code text PRIMARY KEY, note text)", *same_name("casted"))
    with psycopg.connect(stream.databases.target_url, autocommit=True) as target:
        target.execute(
            "CREATE FUNCTION dbo.cast_it() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM NEW.note::integer; RETURN NEW; END$$"
        )
        target.execute("CREATE TRIGGER trap BEFORE INSERT ON dbo.casted FOR EACH ROW EXECUTE FUNCTION dbo.cast_it()")
    with psycopg.connect(stream.databases.source_url, autocommit=True) as source:
        source.execute("INSERT INTO casted VALUES ('one', %s)", (_QUOTED,))
    stream.start_source()
    stream.start_sinks()
    (sink,) = stream.sinks
    sentence = "invalid input syntax for type integer"
    assert sentence in _trace_of_failure(connect_url, sink)
    failure = KafkaConnect(connect_url).reports()[sink].failure or ""
    assert sentence in failure
    log = _log(connect_secrets_dir)
    assert f'{sentence}: "..."' in log
    for line in _QUOTED.splitlines():
        assert line not in log + failure


def _trace_of_failure(connect_url: str, sink: str) -> str:
    def shown() -> str:
        answer = requests.get(f"{connect_url}/connectors/{sink}/status", timeout=30)
        tasks = answer.json().get("tasks", ()) if answer.ok else ()
        return answer.text if any(task["state"] == "FAILED" for task in tasks) else ""

    return wait_until(shown, what="the sink's task failed", seconds=180)


def _log(connect_secrets_dir: Path) -> str:
    return (connect_secrets_dir.parent.parent / "logs" / "connect.log").read_text(errors="replace")
