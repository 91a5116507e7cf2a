"""Traces of the connectors print rows; nothing of a row may leave the adapter, what helps an operator must."""

import pytest

from cdc_assets.adapters.kafka_connect.traces import cause_of, without_values

SINK_TRACE = """org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:634)
\t... 10 more
Caused by: org.apache.kafka.connect.errors.ConnectException: JDBC sink connector failure
\tat io.debezium.connector.jdbc.JdbcSinkConnectorTask.put(JdbcSinkConnectorTask.java:1)
\t... 10 more
Caused by: org.hibernate.exception.DataException: error [Batch entry 0 INSERT INTO "dbo"."t1" VALUES (('s3cret
\tat not.a.Frame(X.java:1)
Caused by: java.lang.Exception: s3cret cause in a row')) was aborted: ERROR: value too long]
\tat org.hibernate.exception.internal.Delegate.convert(Delegate.java:10)
\t... 12 more
Caused by: org.postgresql.util.PSQLException: ERROR: value too long for type character varying(5)
  Detail: Failing row contains (1, s3cret).
\tat org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:1)
\t... 15 more
"""


def test_the_last_cause_is_told_in_one_line() -> None:
    assert cause_of(SINK_TRACE) == "PSQLException: ERROR: value too long for type character varying(5)"


def test_a_bare_class_gives_way_to_the_cause_above_it_that_says_something() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the producer.\n\tat x.Y(Z)\n"
        "Caused by: org.postgresql.util.PSQLException: Database connection failed when reading from copy\n\tat x.Y(Z)\n"
        "Caused by: java.io.EOFException\n\tat x.Y(Z)\n\t... 7 more\n"
    )
    assert cause_of(trace) == "PSQLException: Database connection failed when reading from copy"


def test_a_trace_without_a_cause_tells_its_first_line() -> None:
    trace = (
        "org.apache.kafka.clients.consumer.NoOffsetForPartitionException: "
        "Undefined offset with no reset policy for partitions: [t-0]\n\tat x.Y(Z)"
    )
    assert cause_of(trace) == "NoOffsetForPartitionException: Undefined offset with no reset policy for partitions"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            (
                'org.postgresql.util.PSQLException: ERROR: null value in column "v" of relation "t1" violates not-null '
                "constraint\n  Detail: Failing row contains (s3cret)."
            ),
            'PSQLException: ERROR: null value in column "v" of relation "t1" violates not-null constraint',
        ),
        (
            (
                "org.postgresql.util.PSQLException: ERROR: duplicate key value violates unique constraint "
                '"t1_code_key"\n  Detail: Key (code)=(s3cret) already exists.'
            ),
            'PSQLException: ERROR: duplicate key value violates unique constraint "t1_code_key"',
        ),
        (
            'org.postgresql.util.PSQLException: ERROR: invalid input syntax for type integer: "s3cret"',
            "PSQLException: ERROR: invalid input syntax for type integer",
        ),
        (
            'org.postgresql.util.PSQLException: ERROR: value "s3cret" is out of range for type integer',
            'PSQLException: ERROR: value "..." is out of range for type integer',
        ),
        (
            'org.postgresql.util.PSQLException: ERROR: invalid input value for enum mood: "s3cret table "x""',
            "PSQLException: ERROR: invalid input value for enum mood",
        ),
        (
            'java.sql.BatchUpdateException: Batch entry 0 INSERT INTO "dbo"."t" VALUES (s3cret) was aborted',
            "BatchUpdateException",
        ),
        (
            'org.postgresql.util.PSQLException: FATAL: password authentication failed for user "app"',
            'PSQLException: FATAL: password authentication failed for user "app"',
        ),
        (
            (
                "org.postgresql.util.PSQLException: Connection to "
                "jdbc:postgresql://app:s3cret@h:5432/d?password=s3cret refused"
            ),
            "PSQLException: Connection to jdbc:postgresql://h:5432/d?password=*** refused",
        ),
        (
            'io.debezium.DebeziumException: Creation of replication slot failed; query "s3cret',
            "DebeziumException: Creation of replication slot failed; query",
        ),
        (
            "org.apache.kafka.connect.errors.DataException: Failed to convert record Struct{id=1,v=s3cret}",
            "DataException: Failed to convert record",
        ),
    ],
)
def test_what_an_operator_needs_stays_and_values_go(message: str, shown: str) -> None:
    assert without_values(message) == shown
    assert "s3cret" not in without_values(message)
