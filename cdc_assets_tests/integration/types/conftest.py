"""A bench for load and stream, and one for loads alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import Databases, delete_connectors


@pytest.fixture
def stream_bench(
    databases: Databases, connect_url: str, kafka_bootstrap: str, connect_secrets_dir: Path
) -> Iterator[StreamBench]:
    """A pipeline between source and target on PostgreSQL 18, with state, Kafka and Connect."""
    made = StreamBench(databases, kafka_bootstrap, connect_url=connect_url, secrets_dir=connect_secrets_dir)
    yield made
    made.close()
    delete_connectors(connect_url)


@pytest.fixture(params=[18, 15], ids=["from18", "from15"])
def stream_bench_each(
    request: pytest.FixtureRequest,
    databases: Databases,
    connect_url: str,
    kafka_bootstrap: str,
    connect_secrets_dir: Path,
) -> Iterator[StreamBench]:
    """The same with the source on PostgreSQL 18 and on 15 in turn; target and state stay on 18."""
    if request.param == 15:
        older: Databases = request.getfixturevalue("databases_15")
        databases = replace(databases, source_url=older.source_url)
    made = StreamBench(databases, kafka_bootstrap, connect_url=connect_url, secrets_dir=connect_secrets_dir)
    yield made
    made.close()
    delete_connectors(connect_url)


@pytest.fixture
def load_bench(databases: Databases, kafka_bootstrap: str) -> Iterator[LoadBench]:
    """Source and target on PostgreSQL 18."""
    made = LoadBench(databases, kafka_bootstrap)
    yield made
    made.close()


@pytest.fixture
def load_bench_each(databases_each: Databases, kafka_bootstrap: str) -> Iterator[LoadBench]:
    """Source and target on PostgreSQL 18 and on 15 in turn."""
    made = LoadBench(databases_each, kafka_bootstrap)
    yield made
    made.close()
