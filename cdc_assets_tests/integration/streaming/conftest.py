"""A running stream of a test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from cdc_assets.model.table import TableMapping
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import Databases, delete_connectors
from cdc_assets_tests.services.stream import Stream, make_stream

MakeStream = Callable[..., Stream]


@pytest.fixture
def stream_of(
    databases: Databases, connect_url: str, kafka_bootstrap: str, connect_secrets_dir: Path
) -> Iterator[MakeStream]:
    """Make tables by the same DDL in source (public) and target (dbo), then publication, slot and topics."""

    def make(ddl: str, *tables: TableMapping) -> Stream:
        with psycopg.connect(databases.source_url, autocommit=True) as session:
            session.execute(ddl.encode())
        with psycopg.connect(databases.target_url, autocommit=True) as session:
            session.execute("CREATE SCHEMA dbo")
            session.execute("SET search_path = dbo")
            session.execute(ddl.encode())
        stream = make_stream(
            databases,
            connect_url=connect_url,
            kafka_bootstrap=kafka_bootstrap,
            secrets_dir=connect_secrets_dir,
            tables=tables,
        )
        stream.prepare()
        return stream

    yield make
    # Before the databases: a walsender would hold its slot.
    delete_connectors(connect_url)


@pytest.fixture
def bench(
    databases: Databases, connect_url: str, kafka_bootstrap: str, connect_secrets_dir: Path
) -> Iterator[StreamBench]:
    """A pipeline between source and target on PostgreSQL 18, with state, Kafka and Connect."""
    made = StreamBench(databases, kafka_bootstrap, connect_url=connect_url, secrets_dir=connect_secrets_dir)
    yield made
    made.close()
    delete_connectors(connect_url)
