"""Where a load's view comes from: a new slot, or a later look at the source.

Both wait for transactions of others, so both have a deadline, tell what they wait for, and name who blocks them when
they give up.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import pq, sql
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all, fetch_one
from cdc_assets.adapters.postgres.snapshot import HeldSnapshot
from cdc_assets.model.errors import CdcAssetsError, SlotError, SourceAwayError, SourceError
from cdc_assets.model.position import Lsn
from cdc_assets.ports.clock import Clock

_NEW_SYNTAX_VERSION = 150000
_SHOW_BLOCKERS_EVERY_SECONDS = 5.0
_POLL_SECONDS = 0.2
_BLOCKED_HINT = "end these sessions (pg_stat_activity, pg_prepared_xacts) or wait for them, then start again"

Waiting = Callable[[str], None]


@contextmanager
def slot_snapshot(
    sessions: Sessions, slot: str, *, deadline: timedelta, clock: Clock, on_wait: Waiting
) -> Iterator[HeldSnapshot]:
    """Make the slot and hold its exported view; no slot is left when the view could not be held."""
    replication = sessions.open_replication()
    try:
        exported, lsn = _make_slot(sessions, replication, slot, deadline=deadline, clock=clock, on_wait=on_wait)
        try:
            snapshot = HeldSnapshot.hold(sessions, exported, lsn, opened_at=clock.now())
        except BaseException as cause:
            _drop_again(replication, slot, cause)
            raise
    finally:
        replication.close()
    try:
        yield snapshot
    finally:
        snapshot.close()


def _drop_again(replication: Connection, slot: str, cause: BaseException) -> None:
    """Drop the slot whose view could not be held; SourceError naming both troubles when that fails too."""
    try:
        replication.execute(sql.SQL("DROP_REPLICATION_SLOT {} WAIT").format(sql.Identifier(slot)))
    except psycopg.Error as error:
        if not isinstance(cause, Exception):
            return  # an interrupt goes on as what it is; the slot's name is recorded
        first = cause.message if isinstance(cause, CdcAssetsError) else type(cause).__name__
        raise SourceError(
            f"{first}; slot {slot}, made for it, could not be dropped ({type(error).__name__}) and keeps WAL",
            hint=f"./cdc drop the pipeline, or on the source: SELECT pg_drop_replication_slot('{slot}')",
        ) from cause


@contextmanager
def later_snapshot(
    sessions: Sessions, *, deadline: timedelta, clock: Clock, on_wait: Waiting
) -> Iterator[HeldSnapshot]:
    """Hold a view that sees everything that was in WAL when this was called.

    A commit is in WAL, and soon in Kafka, before other sessions see it: the view counts only when every transaction up
    to an id taken now has ended.
    """
    connection = sessions.open()
    try:
        with sessions.translated("a snapshot cannot be opened"):
            lsn = Lsn.parse(str(fetch_one(connection, "SELECT pg_current_wal_insert_lsn()::text AS lsn")["lsn"]))
            last = int(fetch_one(connection, "SELECT pg_current_xact_id()::text AS id")["id"])
            exported = _open_beyond(sessions, connection, last, deadline=deadline, clock=clock, on_wait=on_wait)
            snapshot = HeldSnapshot.hold(sessions, exported, lsn, opened_at=clock.now())
    finally:
        connection.close()
    try:
        yield snapshot
    finally:
        snapshot.close()


def _open_beyond(
    sessions: Sessions, connection: Connection, last: int, *, deadline: timedelta, clock: Clock, on_wait: Waiting
) -> str:
    """Export a view whose oldest running transaction is newer than `last`; the connection keeps it open."""
    shown = clock.monotonic()

    def attempt() -> str | None:
        nonlocal shown
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = fetch_one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest")
        if int(row["oldest"]) > last:
            return str(fetch_one(connection, "SELECT pg_export_snapshot() AS id")["id"])
        connection.execute("ROLLBACK")
        if clock.monotonic() - shown >= _SHOW_BLOCKERS_EVERY_SECONDS:
            shown = clock.monotonic()
            on_wait(f"Waiting for transactions on the source to end: {_older_transactions(connection, last)}")
        return None

    try:
        exported = Retrying(
            stop=stop_after_delay(deadline),
            wait=wait_fixed(_POLL_SECONDS),
            sleep=clock.sleep,
            retry=retry_if_result(lambda found: found is None),
        )(attempt)
    except RetryError as error:
        raise SourceError(
            f"{sessions.where}: no snapshot within {deadline.total_seconds():.0f} s, older transactions are open: "
            f"{_older_transactions(connection, last)}",
            hint=_BLOCKED_HINT,
        ) from error
    return str(exported)


def _older_transactions(connection: Connection, last: int) -> str:
    rows = fetch_all(
        connection,
        """
        WITH newest AS (SELECT age((%(last)s::int8 & 4294967295)::text::xid) AS age)
        SELECT 'pid ' || pid || ' (' || application_name || ', since ' || xact_start::timestamptz(0) || ')' AS who
            FROM pg_stat_activity, newest WHERE backend_xid IS NOT NULL AND age(backend_xid) >= newest.age
        UNION ALL SELECT 'prepared transaction ' || quote_literal(gid)
            FROM pg_prepared_xacts, newest WHERE age(transaction) >= newest.age
        """,
        {"last": last},
    )
    return "; ".join(str(row["who"]) for row in rows) or "none any more"


def _make_slot(
    sessions: Sessions, replication: Connection, slot: str, *, deadline: timedelta, clock: Clock, on_wait: Waiting
) -> tuple[str, Lsn]:
    """Make the slot, waiting for open transactions up to the deadline; returns its view and its consistent point."""
    is_new = replication.info.server_version >= _NEW_SYNTAX_VERSION
    command = sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput {}").format(
        sql.Identifier(slot), sql.SQL("(SNAPSHOT 'export')") if is_new else sql.SQL("EXPORT_SNAPSHOT")
    )
    pgconn = replication.pgconn
    socket = select.poll()
    socket.register(pgconn.socket, select.POLLIN)
    pgconn.send_query(command.as_bytes(replication))
    started = shown = clock.monotonic()
    while pgconn.flush() or pgconn.is_busy():
        if socket.poll(int(_POLL_SECONDS * 1000)):
            pgconn.consume_input()
            continue
        now = clock.monotonic()
        if now - started > deadline.total_seconds():
            blockers = _blockers(sessions, pgconn.backend_pid)
            # Until it is complete the server drops the slot with its connection.
            replication.close()
            raise SourceError(
                f"{sessions.where}: slot {slot} was not made within {deadline.total_seconds():.0f} s, "
                f"it waits for: {blockers}",
                hint=_BLOCKED_HINT,
            )
        if now - shown >= _SHOW_BLOCKERS_EVERY_SECONDS:
            shown = now
            on_wait(
                f"Slot {slot} waits for transactions on the source to end: {_blockers(sessions, pgconn.backend_pid)}"
            )
    return _slot_answer(sessions, slot, pgconn)


def _slot_answer(sessions: Sessions, slot: str, pgconn: pq.abc.PGconn) -> tuple[str, Lsn]:
    result = pgconn.get_result()
    if result is None:
        raise SourceAwayError(
            f"{sessions.where}: the connection broke while slot {slot} was made", hint="start the pipeline again"
        )
    if result.status != pq.ExecStatus.TUPLES_OK:
        error = psycopg.errors.error_from_result(result)
        if isinstance(error, psycopg.errors.DuplicateObject):
            raise SlotError(
                f"slot {slot} exists already on {sessions.where}", hint="./cdc drop removes it with the pipeline"
            ) from error
        raise sessions.error(
            error,
            f"slot {slot} cannot be made",
            hint="check wal_level, max_replication_slots and the role's REPLICATION attribute",
        ) from error
    fields = {
        (result.fname(column) or b"").decode(): (result.get_value(0, column) or b"").decode()
        for column in range(result.nfields)
    }
    # The view is importable until the next command on this connection: nothing more is read from it.
    return fields["snapshot_name"], Lsn.parse(fields["consistent_point"])


def _blockers(sessions: Sessions, pid: int) -> str:
    """Name who the walsender waits for."""
    with sessions.session("the sessions that block the slot cannot be listed") as connection:
        rows = fetch_all(
            connection,
            """
            SELECT CASE WHEN b.pid = 0
                THEN 'prepared transactions ' || (SELECT string_agg(quote_literal(gid), ', ') FROM pg_prepared_xacts)
                ELSE 'pid ' || b.pid
                    || COALESCE(' (' || application_name || ', since ' || xact_start::timestamptz(0) || ')', '')
                END AS who
            FROM unnest(pg_blocking_pids(%(pid)s)) AS b(pid) LEFT JOIN pg_stat_activity USING (pid)
            """,
            {"pid": pid},
        )
    return "; ".join(str(row["who"]) for row in rows) or "nobody that the server names"
