"""The connectors of a pipeline whose target is SQL Server, and what their failures mean."""

import pytest

from cdc_assets.adapters.kafka_connect.traces import UNREACHABLE, cause_of
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Pipeline, SecretReference, Tls
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.connectors import ConnectorCredentials
from cdc_assets.planning.names import pipeline_names
from cdc_assets.planning.sink_connector import sink_config
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.source_connector import CapturedTable, source_config

_CREDENTIALS = ConnectorCredentials("${directory:/s:user}", "${directory:/s:password}")


def _pipeline(schema: str = "dbo", table: str = "We ird") -> Pipeline:
    secret = SecretReference(env="P")
    source = Endpoint(Connection("app", "postgres", "db", 5432, "u", secret), "shop", "public")
    login = Connection("w", "sqlserver", "ms", 1433, "u", secret, connect_host="ms.inner", tls=Tls("disable"))
    mapping = TableMapping(TableName("public", "t"), TableName(schema, table))
    return Pipeline("shop", Mode.FULL_LOAD_AND_CDC, source, Endpoint(login, "d;w", schema), (mapping,))


def _sink(schema: str = "dbo", table: str = "We ird") -> dict[str, str]:
    pipeline = _pipeline(schema, table)
    return dict(
        sink_config(
            pipeline.tables[0], pipeline.target, _CREDENTIALS, name="sink_0", topic="topic", keeps_events_apart=False
        )
    )


def test_the_sink() -> None:
    assert _sink() == {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": "topic",
        "connection.url": "jdbc:sqlserver://ms.inner:1433;databaseName={d;w};encrypt=false;trustServerCertificate=true;"
        "applicationName=sink_0;loginTimeout=10;socketTimeout=60000;lockTimeout=30000;queryTimeout=50",
        "connection.username": "${directory:/s:user}",
        "connection.password": "${directory:/s:password}",
        "connection.pool.min_size": "1",
        "connection.pool.max_size": "1",
        "connection.restart.on.errors": "true",
        "collection.name.format": 'dbo."We ird"',
        "quote.identifiers": "true",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "truncate.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "use.reduction.buffer": "false",
        "flush.max.retries": "20",
        "flush.retry.delay.ms": "2000",
        "errors.tolerance": "none",
        "header.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.replace.null.with.default": "false",
        "consumer.override.auto.offset.reset": "none",
        "consumer.override.session.timeout.ms": "10000",
        "consumer.override.metadata.max.age.ms": "30000",
        "batch.size": "2000",
        "consumer.override.max.poll.records": "2000",
    }


def test_a_schema_that_needs_quotes_has_them() -> None:
    assert _sink("my schema", "t")["collection.name.format"] == '"my schema"."t"'


def test_numbers_and_times_reach_it_as_such() -> None:
    pipeline = _pipeline()
    names = pipeline_names(pipeline, 1, "abc123")
    config = source_config(pipeline, names, [CapturedTable(TableName("public", "t"))], _CREDENTIALS)

    assert config["decimal.handling.mode"] == "precise"
    assert config["time.precision.mode"] == "microseconds"
    assert config["interval.handling.mode"] == "string"


def test_a_target_that_cannot_be_reached_is_called_so() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Failed\n\tat a.B(C)\n\t... 1 more\n"
        "Caused by: org.hibernate.HibernateException: Unable to determine Dialect without JDBC metadata (please set "
        "'jakarta.persistence.jdbc.url' for common cases)\n\tat a.B(C)\n"
    )

    assert cause_of(trace) == UNREACHABLE
    assert "cannot be reached" in UNREACHABLE
    assert classify(UNREACHABLE) is SinkFailure.OTHER


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        # Restarted by itself with a growing pause: the upsert makes it safe.
        (
            (
                "SQLServerException: Transaction (Process ID 55) was deadlocked on lock resources with another process "
                "and has been chosen as the deadlock victim. Rerun the transaction."
            ),
            SinkFailure.OTHER,
        ),
        ("SQLServerException: Lock request time out period exceeded.", SinkFailure.OTHER),
        ("SQLServerException: The TCP/IP connection to the host ms, port 1433 has failed.", SinkFailure.OTHER),
        ("SQLServerException: String or binary data would be truncated in table", SinkFailure.REFUSED_RECORD),
        ("SQLServerException: Cannot insert the value NULL into column", SinkFailure.REFUSED_RECORD),
        ("SQLServerException: Cannot insert duplicate key row in object", SinkFailure.REFUSED_RECORD),
        ("SQLServerException: Conversion failed when converting date", SinkFailure.REFUSED_RECORD),
        ("SQLServerException: Arithmetic overflow error converting numeric", SinkFailure.REFUSED_RECORD),
        ("SQLServerException: Invalid object name", SinkFailure.REFUSED_RECORD),
    ],
)
def test_what_a_failure_of_the_sink_means(cause: str, kind: SinkFailure) -> None:
    assert classify(cause) is kind


def test_no_value_of_a_row_is_in_its_cause() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Exiting\n\tat a.B(C)\n\t... 1 more\n"
        "Caused by: com.microsoft.sqlserver.jdbc.SQLServerException: Violation of PRIMARY KEY constraint 'PK_t'. "
        "Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (s3cret).\n\tat a.B(C)\n"
    )

    assert "s3cret" not in cause_of(trace)
    assert "PK_t" in cause_of(trace)
