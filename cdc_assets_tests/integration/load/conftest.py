"""A bench on PostgreSQL 18, and one on each version."""

from collections.abc import Iterator

import pytest

from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.services.servers import Databases


@pytest.fixture
def bench(databases: Databases, kafka_bootstrap: str) -> Iterator[LoadBench]:
    """Source and target on PostgreSQL 18."""
    made = LoadBench(databases, kafka_bootstrap)
    yield made
    made.close()


@pytest.fixture
def bench_each(databases_each: Databases, kafka_bootstrap: str) -> Iterator[LoadBench]:
    """Source and target on PostgreSQL 18 and on 15 in turn."""
    made = LoadBench(databases_each, kafka_bootstrap)
    yield made
    made.close()
