"""A state database of its own for each test."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.migrations import migrate
from cdc_assets.model.status import Intent
from cdc_assets_tests.integration.state.steps import pipeline

# Never reached in a test that does not mean to: slow machines must not lose a lease.
LONG = timedelta(minutes=10)


@contextmanager
def _database(cluster_url: str) -> Iterator[str]:
    name = f"state_{secrets.token_hex(4)}"
    with psycopg.connect(cluster_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield cluster_url.rpartition("/")[0] + f"/{name}"
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """Address of an empty database of this test."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def state_url(postgres_url: str) -> Iterator[str]:
    """Address of a state database of this module; its tests keep apart by the names of their pipelines."""
    with _database(postgres_url) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="module")
def store(state_url: str) -> Iterator[PostgresPipelineStore]:
    """A store whose leases do not run out by themselves within a test."""
    opened = PostgresPipelineStore(state_url, lease_duration=LONG)
    yield opened
    opened.close()


@pytest.fixture
def name() -> str:
    """A pipeline's name that no other test uses."""
    return f"p_{secrets.token_hex(4)}"


@pytest.fixture
def wanted(store: PostgresPipelineStore, name: str) -> str:
    """Name of a recorded pipeline that shall run, version 1."""
    store.ensure_pipeline(pipeline(name))
    store.write_intent(name, Intent.RUNNING, cause="a test")
    return name


@pytest.fixture
def let_lease_run_out(state_url: str) -> Callable[[str], None]:
    """Put a pipeline's lease past its end, as the database's clock would."""

    def run_out(name: str) -> None:
        with psycopg.connect(state_url) as session:
            session.execute(
                "UPDATE pipeline_leases SET expires_at = clock_timestamp() - interval '1 microsecond'"
                " WHERE pipeline_id = (SELECT id FROM pipelines WHERE name = %s)",
                [name],
            )

    return run_out
