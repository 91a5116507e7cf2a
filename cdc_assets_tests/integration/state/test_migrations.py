"""The tables are made once, by whoever comes first, completely or not at all."""

import re
import secrets
from enum import StrEnum

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import BLANK_SCHEMA, MetaData, create_engine, make_url
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.adapters.pipeline_store.tables import metadata
from cdc_assets.migrations import migrate
from cdc_assets.migrations.upgrade import ADVISORY_LOCK
from cdc_assets.model.errors import StateDatabaseError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState
from cdc_assets_tests.integration.state.conftest import LONG
from cdc_assets_tests.integration.state.run_process import OK, run_process
from cdc_assets_tests.integration.state.steps import pipeline

SEED_QUERY = (
    "SELECT name, status, full_load_status, cdc_status, full_load_completed_at, updated_at FROM pipelines"
    " WHERE name = 'final_test2'"
)


def test_two_processes_at_once_wait_for_each_other(empty_url: str) -> None:
    with (
        psycopg.connect(empty_url, autocommit=True) as session,
        run_process(empty_url, life=LONG) as one,
        run_process(empty_url, life=LONG) as other,
    ):
        session.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        for process in (one, other):
            process.tell("migrate")

        def waiting() -> bool:
            row = session.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchone()
            return row == (2,)

        Retrying(retry=retry_if_not_result(bool), stop=stop_after_delay(30), wait=wait_fixed(0.05))(waiting)
        session.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
        assert [one.answer(), other.answer()] == [OK, OK]
        assert session.execute("SELECT version_num FROM cdc_alembic_version").fetchall() == [("0005",)]


def test_again_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    store = PostgresPipelineStore(empty_url)
    record = store.ensure_pipeline(pipeline("final_test2"))
    migrate(empty_url)
    assert store.find("final_test2") == record
    store.close()
    with psycopg.connect(empty_url) as session:
        row = session.execute(SEED_QUERY).fetchone()
    assert row == ("final_test2", "NOT_STARTED", "NOT_STARTED", "NOT_STARTED", None, record.updated_at)


@pytest.mark.parametrize("major", [15, 18])
def test_it_works_on_old_and_new_servers(request: pytest.FixtureRequest, major: int) -> None:
    databases = request.getfixturevalue("databases" if major == 18 else "databases_15")
    migrate(databases.state_url)
    store = PostgresPipelineStore(databases.state_url)
    store.ensure_pipeline(pipeline("final_test2"))
    with store.take_lease("final_test2", run_id="run") as lease:
        assert lease.check().name == "final_test2"
    store.close()


def test_the_tables_are_those_the_store_believes_in(state_url: str) -> None:
    engine = create_engine(make_url(state_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        expected = MetaData()
        for table in metadata.tables.values():
            # The default schema has no name in what is read back.
            table.to_metadata(expected, schema=None, referred_schema_fn=lambda *_: BLANK_SCHEMA)  # type: ignore[arg-type]
        context = MigrationContext.configure(connection, opts={"version_table": "cdc_alembic_version"})
        assert compare_metadata(context, expected) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("pipelines_mode_check", Mode),
        ("pipelines_status_check", PipelineStatus),
        ("pipelines_full_load_status_check", FullLoadStatus),
        ("pipelines_cdc_status_check", CdcStatus),
        ("pipelines_intent_check", Intent),
        ("pipeline_tables_state_check", TableState),
        ("pipeline_tables_intent_check", Intent),
    ],
)
def test_constraints_hold_the_words_of_the_model(state_url: str, constraint: str, words: type[StrEnum]) -> None:
    with psycopg.connect(state_url) as session:
        row = session.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [constraint]
        ).fetchone()
    assert row is not None
    assert set(re.findall(r"'(\w+)'", row[0])) == {word.value for word in words}


def test_dagster_gets_a_schema_of_its_own(empty_url: str) -> None:
    migrate(empty_url)
    with psycopg.connect(empty_url) as session:
        assert session.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'dagster'").fetchone() == (1,)


def test_missing_rights_are_named(empty_url: str) -> None:
    role = "without_rights_" + empty_url.rpartition("_")[2]
    with psycopg.connect(empty_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'throw-away'").format(sql.Identifier(role)))
        try:
            url = make_url(empty_url).set(username=role, password="throw-away").render_as_string(hide_password=False)
            with pytest.raises(StateDatabaseError, match=f"permission denied.*{role}"):
                migrate(url)
        finally:
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_role_that_owns_its_database_needs_no_more(postgres_url: str) -> None:
    role = f"state_owner_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'throw-away'").format(name))
        session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        try:
            url = make_url(postgres_url).set(username=role, password="throw-away", database=role)
            migrate(url.render_as_string(hide_password=False))
        finally:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            session.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_database_of_a_newer_version_is_left_alone(empty_url: str) -> None:
    migrate(empty_url)
    with psycopg.connect(empty_url) as session:
        session.execute("UPDATE cdc_alembic_version SET version_num = '9999'")
    with pytest.raises(StateDatabaseError, match="another version"):
        migrate(empty_url)
