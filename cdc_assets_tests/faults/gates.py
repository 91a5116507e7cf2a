"""Gates: a run that comes to one stands there until it is let through or killed.

A gate is a trigger on a server that waits for a lock which the test holds. So a run is killed exactly before the change
at which the gate stands, reached by its own progress. The waiting session is ended with the gate: what it was about to
write is not written, as after a kill at that line.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cdc_assets_tests.services.installation import wait_until

_KEY = 20261124
_STATE_GATE = """
CREATE SCHEMA gates;
CREATE TABLE gates.shut (pipeline text, field text, value text, source_table text);
CREATE FUNCTION gates.stand() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb := to_jsonb(OLD);
    new_row jsonb := to_jsonb(NEW);
    pipeline_name text := coalesce(new_row->>'name',
        (SELECT name FROM public.pipelines WHERE id = (new_row->>'pipeline_id')::uuid));
BEGIN
    IF EXISTS (
        SELECT FROM gates.shut s WHERE s.pipeline = pipeline_name
            AND new_row->>s.field IS DISTINCT FROM old_row->>s.field
            AND (s.value IS NULL OR s.value = new_row->>s.field)
            AND (s.source_table IS NULL OR s.source_table = new_row->>'source_table')
    ) THEN
        PERFORM pg_advisory_xact_lock(20261124);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE UPDATE ON public.pipelines FOR EACH ROW EXECUTE FUNCTION gates.stand();
CREATE TRIGGER gate BEFORE UPDATE ON public.pipeline_tables FOR EACH ROW EXECUTE FUNCTION gates.stand();
"""
_ROW_GATE = """
CREATE SCHEMA gates;
GRANT USAGE ON SCHEMA gates TO PUBLIC;
CREATE FUNCTION gates.stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(20261124);
    RETURN NEW;
END $$;
"""
_AT_ROW = "CREATE TRIGGER gate BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION gates.stand()"
_AT_COMMIT = (
    "CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) "
    "EXECUTE FUNCTION gates.stand()"
)


def install_state_gate(state_url: str) -> None:
    """Prepare the state database for `state_gate`; no gate is shut yet."""
    with psycopg.connect(state_url, autocommit=True) as session:
        session.execute(_STATE_GATE.encode())


class Gate:
    """A shut gate."""

    def __init__(self, session: psycopg.Connection, *, opens: str = "SELECT 1") -> None:
        self._session = session
        self._opens = opens

    def wait_reached(self, *, seconds: float = 300) -> None:
        """Return when somebody stands at it."""
        wait_until(self._waiting, what="a session that stands at the gate", seconds=seconds)

    def let_through(self) -> None:
        """Open it for good."""
        self._session.execute(self._opens.encode())
        self._session.execute("SELECT pg_advisory_unlock(%s)", [_KEY])

    def end_waiting(self) -> None:
        """End the sessions that stand at it."""
        for pid in self._waiting():
            self._session.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    def _waiting(self) -> list[int]:
        found = self._session.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())",
            [_KEY],
        ).fetchall()
        return [int(pid) for (pid,) in found]


@contextmanager
def state_gate(
    state_url: str, pipeline: str, field: str, value: str | None = None, *, table: str | None = None
) -> Iterator[Gate]:
    """Stand in front of a change of the pipeline's row, or of a table's: `field` becomes `value`, or anything else."""
    with psycopg.connect(state_url, autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [_KEY])
        session.execute("INSERT INTO gates.shut VALUES (%s, %s, %s, %s)", [pipeline, field, value, table])
        gate = Gate(session, opens="DELETE FROM gates.shut")
        try:
            yield gate
        finally:
            session.execute("DELETE FROM gates.shut")
            gate.end_waiting()
            # The lock goes with the session.


@contextmanager
def row_gate(url: str, table: str, when: str, *, at_commit: bool = False) -> Iterator[Gate]:
    """Stand in front of a row of an existing table for which `when` holds, or of the commit of such a row."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [_KEY])
        session.execute(_ROW_GATE.encode())
        session.execute((_AT_COMMIT if at_commit else _AT_ROW).format(table=table, when=when).encode())
        gate = Gate(session)
        try:
            yield gate
        finally:
            gate.end_waiting()
            session.execute("DROP SCHEMA gates CASCADE")
