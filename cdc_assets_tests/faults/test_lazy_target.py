"""What a sink or a load has committed outlives the crash of a target whose owner lets it commit lazily.

A sink tells Kafka what it has committed and is never sent it again; a chunk is recorded as loaded. The third session is
an ordinary one: it loses its row, which shows that the crash here is one in which rows can be lost.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from cdc_assets.adapters.postgres.session import Sessions
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.connectors import ConnectorCredentials
from cdc_assets.planning.sink_connector import sink_config
from cdc_assets_tests.integration.load.bench import endpoint
from cdc_assets_tests.services.servers import PASSWORD, Servers

_MAJOR = 15


@pytest.mark.faults
def test_what_sinks_and_loads_commit_outlives_a_crash_of_a_lazy_target(own_servers: Servers) -> None:
    url = own_servers.postgres(_MAJOR).url("postgres")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE TABLE kept (writer text)")
        session.execute("CHECKPOINT")
        assert session.execute("SHOW synchronous_commit").fetchone() == ("off",)

    for writer in ("sink", "load", "other"):
        with own_servers.log_kept_in_memory(_MAJOR):
            with _session(writer, url) as session:
                session.execute("INSERT INTO public.kept VALUES (%s)", (writer,))
            own_servers.kill(f"postgres-{_MAJOR}")
        own_servers.postgres(_MAJOR)

    with psycopg.connect(url) as session:
        kept = session.execute("SELECT writer FROM kept ORDER BY writer").fetchall()
    assert [writer for (writer,) in kept] == ["load", "sink"]


def _session(writer: str, url: str) -> psycopg.Connection[Any]:
    if writer == "load":
        return Sessions("target", endpoint(url, "public"), PASSWORD, "load").open()
    return psycopg.connect(url, autocommit=True, options=_sink_options(url) if writer == "sink" else None)


def _sink_options(url: str) -> str:
    """The settings of a sink's session, as its configuration gives them to the driver."""
    table = TableName("public", "kept")
    config = sink_config(
        TableMapping(table, table),
        endpoint(url, "public"),
        ConnectorCredentials("user", "password"),
        name="sink",
        topic="topic",
        keeps_events_apart=False,
    )
    (options,) = parse_qs(urlsplit(config["connection.url"].removeprefix("jdbc:")).query)["options"]
    return options
