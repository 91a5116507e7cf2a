"""The source database: what `ports/source.py` asks for, a session for each request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import unquote

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_fixed, wait_random

from cdc_assets.adapters.postgres import source_catalog as catalog
from cdc_assets.adapters.postgres.definitions import read_definitions, waiting_briefly
from cdc_assets.adapters.postgres.owner_update import check_owner_can_update
from cdc_assets.adapters.postgres.replication import later_snapshot, slot_snapshot
from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all, fetch_one, statement
from cdc_assets.adapters.postgres.snapshot import HeldSnapshot
from cdc_assets.adapters.postgres.source_watch import read_watch
from cdc_assets.adapters.postgres.stale_sessions import end_stale_sessions
from cdc_assets.dialects.postgres import application_name, application_prefix, quote, quote_table
from cdc_assets.model.errors import SlotError
from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.model.watch import SourceWatch
from cdc_assets.planning.names import MARKER_PREFIX
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.source import Publication, SourceServer

_LOCK_TIMEOUT = "3s"
_FULL = "REPLICA IDENTITY FULL"
_LOCK_ATTEMPTS = 5


def _silent(_: str) -> None:
    """Tell nobody."""


class PostgresSource:
    """One PostgreSQL source database as one role; sessions are named after the pipeline and the epoch of its lease."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        password: str,
        pipeline: str,
        epoch: int,
        clock: Clock,
        snapshot_deadline: timedelta = timedelta(minutes=10),
        on_wait: Callable[[str], None] = _silent,
        is_read_only: bool = False,
        patience_seconds: float | None = None,
    ) -> None:
        """Connect nowhere yet; `on_wait` hears, every few seconds, for whose transactions a slot or snapshot waits.

        `patience_seconds`: after this long without an answer a silent server is away; None: wait for ever.
        """
        self._sessions = Sessions(
            "source", endpoint, password, application_name(pipeline, epoch), is_read_only, patience_seconds
        )
        self._clock = clock
        self._deadline = snapshot_deadline
        self._on_wait = on_wait

    def server(self) -> SourceServer:
        """Facts of the server and of our role."""
        with self._sessions.session("the server's settings cannot be read") as connection:
            return catalog.read_server(connection)

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as the catalog has them now."""
        with self._sessions.session("the catalog cannot be read") as connection:
            return read_definitions(self._sessions, connection, tables)

    def tables_in(self, schema: str) -> tuple[TableName, ...]:
        """Ordinary and partitioned tables of a schema, without partitions."""
        with self._sessions.session("the catalog cannot be read") as connection:
            rows = fetch_all(
                connection,
                "SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname",
                {"schema": schema},
            )
        return tuple(TableName(schema, row["name"]) for row in rows)

    def has_schema_usage(self, schema: str) -> bool:
        """Whether the schema exists and our role may use it."""
        with self._sessions.session("the catalog cannot be read") as connection:
            return bool(
                fetch_one(
                    connection,
                    "SELECT COALESCE((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace"
                    " WHERE nspname = %(schema)s), false) AS may",
                    {"schema": schema},
                )["may"]
            )

    def count_inexact(self, table: TableName, conditions: Mapping[str, str]) -> Mapping[str, int]:
        """For each column, how many rows meet its SQL condition; one pass over the table."""
        # A condition is text of the type registry around the quoted column.
        wanted = [f"count(*) FILTER (WHERE {condition})" for condition in conditions.values()]
        query = f"SELECT ARRAY[{', '.join(wanted)}]::int8[] AS counts FROM {quote_table(table)}"  # noqa: S608
        with (
            self._sessions.session(f"the values of {table} cannot be checked") as connection,
            waiting_briefly(self._sessions, connection, [table]),
        ):
            row = connection.execute(statement(query)).fetchone() or {}
        return dict(zip(conditions, row["counts"], strict=True))

    def largest_row(self, table: TableDefinition, size: str) -> int | None:
        """The bytes of the largest row, by the SQL expression; None when the pass took longer than a minute."""
        with (
            self._sessions.session(f"the largest row of {table.name} cannot be found") as connection,
            waiting_briefly(self._sessions, connection, [table.name]),
        ):
            return catalog.read_largest_row(connection, table, size)

    def replica_identities(self, table: TableDefinition) -> Mapping[TableName, str]:
        """The replica identity of the table and of every leaf."""
        with self._sessions.session("the replica identities cannot be read") as connection:
            return catalog.read_replica_identities(connection, table)

    def ensure_full_replica_identity(self, table: TableDefinition) -> None:
        """Make the table and its leaves REPLICA IDENTITY FULL, unless their owner could then no longer write."""
        with self._sessions.session(f"REPLICA IDENTITY FULL cannot be set on {table.name}") as connection:
            for name, identity in catalog.read_replica_identities(connection, table).items():
                if identity != "f":
                    self._alter(connection, name, _FULL)

    def check_owner_can_update(self, table: TableDefinition) -> None:
        """Raise SourceError when an UPDATE of the table is refused for its replica identity."""
        with self._sessions.session(f"{table.name} cannot be checked") as connection:
            check_owner_can_update(connection, table.name)

    def restore_replica_identity(self, identities: Mapping[TableName, str]) -> None:
        """Put back what was there before; leaves that no longer exist are left out."""
        with self._sessions.session("the replica identities cannot be put back") as connection:
            for name, identity in identities.items():
                kind, _, index = identity.partition(":")
                what = {
                    "d": "DEFAULT",
                    "n": "NOTHING",
                    "f": "FULL",
                    "i": f"USING INDEX {quote(unquote(index))}" if index else "DEFAULT",
                }[kind]
                try:
                    self._alter(connection, name, f"REPLICA IDENTITY {what}")
                except psycopg.errors.UndefinedTable:
                    continue

    def _alter(self, connection: Connection, table: TableName, action: str) -> None:
        """Alter a table; gives way to its users and tries again, so that nobody queues behind us for long."""
        for attempt in Retrying(
            stop=stop_after_attempt(_LOCK_ATTEMPTS),
            wait=wait_random(1, 3),
            sleep=self._clock.sleep,
            retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
            reraise=True,
        ):
            with attempt, connection.transaction():
                connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
                connection.execute(statement(f"ALTER TABLE ONLY {quote_table(table)} {action}"))
                if action == _FULL:
                    check_owner_can_update(connection, table)

    def publication(self, name: str) -> Publication | None:
        """The publication of that name, or None."""
        with self._sessions.session("the publications cannot be read") as connection:
            return catalog.read_publication(connection, name)

    def ensure_publication(
        self, name: str, tables: Sequence[TableName], *, with_stored_generated: bool = False
    ) -> None:
        """Make the publication send exactly these tables, through the partition root."""
        listed = ", ".join(quote_table(table) for table in tables)
        options = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
        if with_stored_generated:
            options += ", publish_generated_columns = stored"
        with self._sessions.session(f"publication {name} cannot be made") as connection:
            found = catalog.read_publication(connection, name)
            with connection.transaction():
                if found is None:
                    connection.execute(
                        statement(f"CREATE PUBLICATION {quote(name)} FOR TABLE {listed} WITH ({options})")
                    )
                else:
                    connection.execute(statement(f"ALTER PUBLICATION {quote(name)} SET ({options})"))
                    if found.tables != frozenset(tables):
                        connection.execute(statement(f"ALTER PUBLICATION {quote(name)} SET TABLE {listed}"))
                for table in tables:
                    check_owner_can_update(connection, table)

    def drop_publication(self, name: str) -> None:
        """Make the publication absent."""
        with self._sessions.session(f"publication {name} cannot be dropped") as connection:
            connection.execute(statement(f"DROP PUBLICATION IF EXISTS {quote(name)}"))

    def slot(self, name: str) -> SlotPosition | None:
        """The slot of that name, or None."""
        return next((slot for slot in self.slots_like(name) if slot.name == name), None)

    def watch(self, *, slot: str, publication: str, tables: Sequence[TableName]) -> SourceWatch:
        """Everything on which the captured changes depend."""
        with self._sessions.session("the slot and the captured tables cannot be looked at") as connection:
            return read_watch(connection, slot=slot, publication=publication, tables=tables)

    def slots_like(self, prefix: str) -> tuple[SlotPosition, ...]:
        """Slots whose name begins with the prefix."""
        with self._sessions.session("the slots cannot be read") as connection:
            return catalog.read_slots(connection, prefix)

    @contextmanager
    def open_slot_snapshot(self, slot: str) -> Iterator[HeldSnapshot]:
        """Make the slot and open its exported snapshot."""
        with slot_snapshot(
            self._sessions, slot, deadline=self._deadline, clock=self._clock, on_wait=self._on_wait
        ) as snapshot:
            yield snapshot

    @contextmanager
    def open_later_snapshot(self) -> Iterator[HeldSnapshot]:
        """Open a view that sees everything that was in WAL when this was called."""
        with later_snapshot(
            self._sessions, deadline=self._deadline, clock=self._clock, on_wait=self._on_wait
        ) as snapshot:
            yield snapshot

    def drop_slot(self, name: str) -> None:
        """Make the slot absent; waits for its walsender to end."""
        with self._sessions.session(f"slot {name} cannot be dropped") as connection:
            try:
                for attempt in Retrying(
                    stop=stop_after_delay(30),
                    wait=wait_fixed(0.2),
                    sleep=self._clock.sleep,
                    retry=retry_if_exception_type(psycopg.errors.ObjectInUse),
                    reraise=True,
                ):
                    with attempt:
                        connection.execute(
                            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                            " WHERE slot_name = %(name)s",
                            {"name": name},
                        )
            except psycopg.errors.ObjectInUse as error:
                raise SlotError(
                    f"slot {name} on {self._sessions.where} is still in use",
                    hint="stop what reads from it (pg_replication_slots.active_pid)",
                ) from error
            except psycopg.errors.UndefinedObject:
                # Someone else dropped it between the look and the drop: absent is what was asked for.
                return

    def emit_marker(self) -> Lsn:
        """Write one transactional logical message and return its position."""
        with self._sessions.session("a marker cannot be written") as connection:
            row = fetch_one(
                connection,
                "SELECT pg_logical_emit_message(true, %(prefix)s, 'marker')::text AS lsn",
                {"prefix": MARKER_PREFIX},
            )
        return Lsn.parse(str(row["lsn"]))

    def end_stale_sessions(self, pipeline: str, *, before_epoch: int) -> int:
        """End our own sessions of older epochs of that pipeline; returns how many."""
        with self._sessions.session("sessions of an older run cannot be ended") as connection:
            return end_stale_sessions(connection, application_prefix(pipeline), before_epoch=before_epoch)
