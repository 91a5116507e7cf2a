"""One pipeline's rows, locked for the length of a transaction: changes come in, one settled row and its events go out.

The only place that writes `pipelines`, `pipeline_tables` and `pipeline_events`, so no change can be without its event
and `pipelines.status` can never differ from what the truth table derives.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from cdc_assets.adapters.pipeline_store.rows import LEASE_IS_LIVE, Row
from cdc_assets.adapters.pipeline_store.tables import pipeline_events, pipeline_leases, pipeline_tables, pipelines
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import (
    TABLE_STEPS,
    CdcStatus,
    FullLoadStatus,
    Intent,
    TableState,
    derive_status,
    require_step,
)

PIPELINE_FIELDS = ("mode", "intent", "intent_version", "full_load_status", "cdc_status", "last_error", "status")
"""The columns of `pipelines` whose every change is an event."""
TABLE_FIELDS = ("intent", "state", "last_error")
"""The columns of `pipeline_tables` whose every change is an event."""

# In these states the rows of the target are not, or not any more, a verified load.
_NOT_LOADED = frozenset({TableState.PREPARED, TableState.LOADING, TableState.RESYNC_REQUIRED})


class Ledger:
    """A locked pipeline. `settle` writes what `set` and `set_table` collected."""

    def __init__(self, connection: Connection, row: Row, *, run_id: str | None) -> None:
        """Read the rest of the pipeline; the caller has locked `row`."""
        self.connection = connection
        self.run_id = run_id
        self.id: UUID = row["id"]
        self.name: str = row["name"]
        self._old = dict(row)
        self._new = dict(row)
        self._causes: dict[str, str | None] = {}
        tables = connection.execute(
            select(pipeline_tables)
            .where(pipeline_tables.c.pipeline_id == self.id)
            .order_by(pipeline_tables.c.source_table)
        ).mappings()
        self._old_tables = {table["source_table"]: dict(table) for table in tables}
        self._new_tables = {name: dict(table) for name, table in self._old_tables.items()}
        self._table_causes: dict[tuple[str, str], str | None] = {}
        # Read after the row lock was granted: the wait for it must not make an expired lease look alive.
        self.lease: Row = (
            connection.execute(
                select(pipeline_leases, LEASE_IS_LIVE, func.clock_timestamp().label("now")).where(
                    pipeline_leases.c.pipeline_id == self.id
                )
            )
            .mappings()
            .one()
        )
        self.now: datetime = self.lease["now"]

    @classmethod
    def lock(cls, connection: Connection, where: ColumnElement[bool], *, run_id: str | None = None) -> Self | None:
        """Lock the pipeline that fits until the transaction ends; None when there is none."""
        row = connection.execute(select(pipelines).where(where).with_for_update()).mappings().one_or_none()
        return None if row is None else cls(connection, row, run_id=run_id)

    def __getitem__(self, column: str) -> Any:  # noqa: ANN401  a column's value
        """Return the value of a column of `pipelines` as it will be written."""
        return self._new[column]

    @property
    def tables(self) -> tuple[str, ...]:
        """Source names of the recorded tables."""
        return tuple(self._new_tables)

    def table(self, name: str) -> Row:
        """Return the row of a table as it will be written; KeyError when it is not recorded."""
        return self._new_tables[name]

    def set(self, *, cause: str | None = None, **columns: object) -> None:
        """Change columns of `pipelines`."""
        self._new.update(columns)
        self._causes.update(dict.fromkeys(columns, cause))

    def set_table(self, name: str, *, cause: str | None = None, **columns: object) -> None:
        """Change columns of a table's row; KeyError when it is not recorded."""
        self._new_tables[name].update(columns)
        self._table_causes.update({(name, column): cause for column in columns})

    def add_table(self, name: str, target_table: str) -> None:
        """Record a table that is not recorded yet, with its event, at once."""
        new = self.connection.execute(
            insert(pipeline_tables)
            .values(
                pipeline_id=self.id,
                source_table=name,
                target_table=target_table,
                state=TableState.NOT_STARTED.value,
                intent=Intent.RUNNING.value,
                rows_loaded=0,
                rows_estimated=0,
                bytes_loaded=0,
                bytes_estimated=0,
                updated_at=func.clock_timestamp(),
            )
            .returning(pipeline_tables)
        )
        row = dict(new.mappings().one())
        self._old_tables[name], self._new_tables[name] = row, dict(row)
        for field in ("intent", "state"):
            self.note(field, None, row[field], cause="recorded", table=name)

    def keep_tables(self, names: AbstractSet[str]) -> None:
        """Forget the rows of all other tables, at once; only of a pipeline that was never started."""
        for name in [name for name in self._new_tables if name not in names]:
            self.connection.execute(
                delete(pipeline_tables).where(
                    pipeline_tables.c.pipeline_id == self.id, pipeline_tables.c.source_table == name
                )
            )
            self.note("state", self._new_tables[name]["state"], None, cause="not among the tables found", table=name)
            del self._old_tables[name], self._new_tables[name]

    def move_table(self, name: str, state: TableState, *, cause: str | None) -> None:
        """Change a table's state by a legal step."""
        require_step(TABLE_STEPS, TableState(self.table(name)["state"]), state, f"table {name} of pipeline {self.name}")
        self.set_table(name, state=state.value, cause=cause)
        if state in _NOT_LOADED:
            self.set_table(name, loaded_at=None)

    def set_error(self, step: str, error: CdcAssetsError) -> None:
        """Record the pipeline's last error."""
        self.set(
            cause=error.code,
            last_error=sentence(error),
            last_error_code=error.code,
            last_error_at=self.now,
            failed_step=step,
        )

    def clear_error(self, cause: str) -> None:
        """Forget the pipeline's last error."""
        self.set(cause=cause, last_error=None, last_error_code=None, last_error_at=None, failed_step=None)

    def fail_table(self, name: str, state: TableState, error: CdcAssetsError) -> None:
        """Change a table's state to one of trouble and record why."""
        self.move_table(name, state, cause=error.code)
        self.set_table(name, last_error=sentence(error), last_error_code=error.code, cause=error.code)

    def note(
        self, field: str, old: str | None, new: str | None, *, cause: str | None, table: str | None = None
    ) -> None:
        """Append an event now."""
        self.connection.execute(
            insert(pipeline_events).values(
                at=func.clock_timestamp(),
                pipeline_id=self.id,
                pipeline_name=self.name,
                table_name=table,
                field=field,
                old_value=old,
                new_value=new,
                cause=cause,
                run_id=self.run_id,
            )
        )

    def derived(self, *, is_served: bool | None = None) -> str:
        """Return the status word that the truth table gives for the values to be written."""
        served = self["served_version"] >= self["intent_version"] if is_served is None else is_served
        return derive_status(
            intent=Intent(self["intent"]),
            is_served=served,
            mode=Mode(self["mode"]),
            full_load=FullLoadStatus(self["full_load_status"]),
            cdc=CdcStatus(self["cdc_status"]),
            tables={TableState(table["state"]) for table in self._new_tables.values()},
        ).value

    def settle(self) -> None:
        """Write the changed columns, the derived status and an event for each change of a status, intent or error.

        Running it again writes what changed since.
        """
        for name, new in self._new_tables.items():
            changed = _difference(self._old_tables[name], new)
            if changed:
                self.connection.execute(
                    update(pipeline_tables)
                    .where(pipeline_tables.c.pipeline_id == self.id, pipeline_tables.c.source_table == name)
                    .values(**changed, updated_at=func.clock_timestamp())
                )
            old, self._old_tables[name] = self._old_tables[name], dict(new)
            for field in TABLE_FIELDS:
                if field in changed:
                    self._event(field, old[field], new[field], self._table_causes.get((name, field)), name)
        self._new["status"] = self.derived()
        changed = _difference(self._old, self._new)
        if not changed:
            return
        self.connection.execute(
            update(pipelines).where(pipelines.c.id == self.id).values(**changed, updated_at=func.clock_timestamp())
        )
        # The derived status moves because of what moved it.
        causes = [cause for cause in (*self._causes.values(), *self._table_causes.values()) if cause]
        for field in PIPELINE_FIELDS:
            if field in changed:
                cause = self._causes.get(field) or (causes[0] if causes else None)
                self._event(field, self._old[field], self._new[field], cause)
        self._old = dict(self._new)

    def _event(self, field: str, old: object, new: object, cause: str | None, table: str | None = None) -> None:
        self.note(field, _text(old), _text(new), cause=cause, table=table)


def sentence(error: CdcAssetsError) -> str:
    """Return the error as it is shown everywhere; PostgreSQL's text cannot hold a NUL."""
    return str(error).replace("\0", "")


def _difference(old: Row, new: Row) -> dict[str, Any]:
    return {name: value for name, value in new.items() if value != old[name]}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
