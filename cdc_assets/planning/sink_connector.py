"""The configuration of a sink connector, as a pure function of a table's mapping and its target.

And that of the login which `check` asks Kafka Connect for. Called by `stages/apply`, preflight and `plan`; a setting
that guards against loss says so beside it.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote, urlencode

from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.sqlserver_connection import SqlServerAddress
from cdc_assets.model.table import TableMapping
from cdc_assets.planning.connectors import (
    FITTING_CLASS,
    HEADERS,
    JSON,
    SINK_CLASS,
    VALUE_SESSION,
    ConnectorCredentials,
    address,
    encoded,
)

_MAX_APPLICATION_BYTES = 63
# A lock of an operator's DDL may last; the first timeout fails the task, so it is longer than any expected lock.
_SINK_SESSION = (
    "-c lock_timeout=30000 -c statement_timeout=50000 -c idle_in_transaction_session_timeout=60000 "
    # What a sink has committed it is never sent again: that must outlive the target's crash, whatever the server's
    # default is.
    "-c synchronous_commit=on "
    # A plan made while the table was empty would search all of it for each row, until the server's next ANALYZE.
    "-c enable_seqscan=off"
)
# One MERGE a row: measured, small batches cost a third of the speed, larger ones than these gain nothing.
_LARGER_BATCHES: Mapping[str, str] = {"batch.size": "2000", "consumer.override.max.poll.records": "2000"}
_SQLSERVER_SESSION: Mapping[str, str] = {
    # Milliseconds, but for the queries: a silent server, a lock of an operator's DDL, a statement that does not end.
    "loginTimeout": "10",
    "socketTimeout": "60000",
    "lockTimeout": "30000",
    "queryTimeout": "50",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def sink_config(
    mapping: TableMapping,
    target: Endpoint,
    credentials: ConnectorCredentials,
    *,
    name: str,
    topic: str,
    keeps_events_apart: bool,
    fitting: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Configure the sink connector of one table.

    `fitting`: columns that arrive as text, and what the target's column holds of it (a number, a key that ends in no
    blank): the task stops at what it cannot hold.
    `keeps_events_apart`: events must be applied one by one in their order, not merged by key, because the target table
    has a unique index besides its key, or its key has values that are equal and not the same.
    """
    if target.connection.kind == "sqlserver":
        url = _sqlserver_url(target, application=sink_application(name))
        place = f"{_plain_or_quoted(mapping.target.schema)}.{_quoted(mapping.target.name)}"
        # Merging by key was measured to gain little there, and its keys know fewer differences than the source's.
        is_reduced = False
    else:
        url = _jdbc_url(target, application=sink_application(name), rewrites=not keeps_events_apart)
        place = f"{_quoted(mapping.target.schema)}.{_quoted(mapping.target.name)}"
        is_reduced = not keeps_events_apart
    config = {
        "connector.class": SINK_CLASS,
        "tasks.max": "1",
        "topics": topic,
        "connection.url": url,
        "connection.username": credentials.user,
        "connection.password": credentials.password,
        "connection.pool.min_size": "1",
        "connection.pool.max_size": "1",
        "connection.restart.on.errors": "true",
        # Literal: one sink writes one table, whatever its topic is called.
        "collection.name.format": place,
        "quote.identifiers": "true",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "truncate.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "use.reduction.buffer": "true" if is_reduced else "false",
        "flush.max.retries": "20",
        "flush.retry.delay.ms": "2000",
        "errors.tolerance": "none",
        "header.converter": HEADERS,
        "value.converter": JSON,
        "value.converter.replace.null.with.default": "false",
        # A gap in the topic is then a failed task, never a silent skip.
        "consumer.override.auto.offset.reset": "none",
        "consumer.override.session.timeout.ms": "10000",
        "consumer.override.metadata.max.age.ms": "30000",
        **(_LARGER_BATCHES if target.connection.kind == "sqlserver" else {}),
    }
    if fitting:
        config |= {
            "transforms": "fit",
            "transforms.fit.type": FITTING_CLASS,
            "transforms.fit.columns": ",".join(f"{encoded(column)}:{kind}" for column, kind in fitting.items()),
        }
    return config


def login_config(target: Endpoint, credentials: ConnectorCredentials) -> Mapping[str, str]:
    """What LOGIN_CLASS validates: the address of a target's sinks and their login; no connector is made of it."""
    application = "cdc_assets check"
    is_sqlserver = target.connection.kind == "sqlserver"
    return {
        "name": "cdc_assets_check",
        "topics": "cdc_assets_check",
        "connection.url": _sqlserver_url(target, application=application)
        if is_sqlserver
        else _jdbc_url(target, application=application, rewrites=False),
        "connection.username": credentials.user,
        "connection.password": credentials.password,
    }


def sink_application(sink_connector: str) -> str:
    """The `application_name` of a sink's sessions: its name, shortened with a mark where PostgreSQL would cut it."""
    if len(sink_connector.encode()) <= _MAX_APPLICATION_BYTES:
        return sink_connector
    mark = sha256(sink_connector.encode()).hexdigest()[:8]
    return f"{sink_connector[: _MAX_APPLICATION_BYTES - 9]}_{mark}"


def unusable_target_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that the sink connector cannot write: it does not double quotes, and `${` begins a placeholder."""
    return tuple(name for name in names if '"' in name or "${" in name)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _plain_or_quoted(identifier: str) -> str:
    return identifier if _PLAIN_NAME.fullmatch(identifier) else _quoted(identifier)


def _sqlserver_url(target: Endpoint, *, application: str) -> str:
    address = SqlServerAddress.of(target, as_connect_sees_it=True)
    return address.jdbc({"applicationName": application, **_SQLSERVER_SESSION})


def _jdbc_url(target: Endpoint, *, application: str, rewrites: bool) -> str:
    host, port = address(target.connection)
    host = f"[{host}]" if ":" in host else host
    parameters = {
        # Enums, inet, ranges and the like travel as text; the server casts them.
        "stringtype": "unspecified",
        "ApplicationName": application,
        "connectTimeout": "10",
        "socketTimeout": "60",
        "tcpKeepAlive": "true",
        "options": f"{_SINK_SESSION} {VALUE_SESSION}",
        # Else a refused row stands in the task's trace, which Connect shows to everybody, and in the worker's log.
        "logServerErrorDetail": "false",
        "sslmode": target.connection.tls.mode,
    }
    if rewrites:
        parameters["reWriteBatchedInserts"] = "true"
    if target.connection.tls.ca_file is not None:
        parameters["sslrootcert"] = str(target.connection.tls.ca_file)
    return f"jdbc:postgresql://{host}:{port}/{quote(target.database, safe='')}?{urlencode(parameters, quote_via=quote)}"
