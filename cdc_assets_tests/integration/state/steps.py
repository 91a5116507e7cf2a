"""The life of a pipeline as the calls of its stages: first name to streaming, through trouble and back, to a stop.

Each step is idempotent, as the stages are: a run that takes over repeats the step at which the one before died.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cdc_assets.model.errors import FullLoadError, TargetError
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Pipeline, SecretReference
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import CdcStatus, FullLoadStatus, TableState
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.ports.store import Lease

CAUSE = "a test"
SLOT_LSN = Lsn.parse("0/16B3748")
LOAD_LSN = Lsn.parse("0/16B3780")
REFUSED = FullLoadError("table orders cannot be read", hint="grant SELECT", table="orders")
AWAY = TargetError("the target does not answer", hint="start it")
_SERVER = Connection("app", "postgres", "db.example", 5432, "cdc", SecretReference(env="APP_PASSWORD"))


def pipeline(
    name: str, mode: Mode = Mode.FULL_LOAD_AND_CDC, tables: tuple[str, ...] = ("projects", "orders")
) -> Pipeline:
    """Return a pipeline as its file would define it."""
    return Pipeline(
        name,
        mode,
        source=Endpoint(_SERVER, "cdctest", "public"),
        target=Endpoint(_SERVER, "cdctest", "dbo"),
        tables=tuple(TableMapping(TableName("public", table), TableName("dbo", table)) for table in tables),
    )


@dataclass(frozen=True)
class Step:
    """One call of a lease."""

    method: str
    act: Callable[[Lease], object]


def _full_load(status: FullLoadStatus, lsn: Lsn | None = None) -> Step:
    return Step("set_full_load", lambda lease: lease.set_full_load(status, cause=CAUSE, lsn=lsn))


def _cdc(status: CdcStatus) -> Step:
    return Step("set_cdc", lambda lease: lease.set_cdc(status, cause=CAUSE))


def _table(state: TableState, table: str = "projects") -> Step:
    return Step("set_table", lambda lease: lease.set_table(table, state, cause=CAUSE))


_IN_ORDER: tuple[tuple[str, Step], ...] = (
    ("names", Step("set_names", lambda lease: lease.set_names(
        suffix="a1b2c3", slot="cdc_p", publication="cdc_p", source_connector="cdc_p_source", sink_prefix="cdc_p_sink",
    ))),
    ("identity", Step("set_original_identity", lambda lease: lease.set_original_identity(
        "projects", {"public.p": "d"},
    ))),
    ("captured from", Step("set_captured_from", lambda lease: lease.set_captured_from(
        ["projects", "orders"], SLOT_LSN,
    ))),
    ("target made", Step("set_target", lambda lease: lease.set_target("projects", 16384, {"id": "integer"}))),
    ("prepared", _table(TableState.PREPARED)),
    ("load begins", _full_load(FullLoadStatus.IN_PROGRESS)),
    ("load position", Step("set_load_position", lambda lease: lease.set_load_position(
        "projects", lsn=LOAD_LSN, start_offset=7, rows_estimated=9, bytes_estimated=900,
    ))),
    ("loading", _table(TableState.LOADING)),
    ("progress", Step("set_progress", lambda lease: lease.set_progress("projects", rows=9, size_bytes=900))),
    ("loaded", _table(TableState.LOADED)),
    ("other table fails", Step("fail_table", lambda lease: lease.fail_table("orders", TableState.FAILED, REFUSED))),
    ("load fails", _full_load(FullLoadStatus.FAILED)),
    ("error recorded", Step("fail", lambda lease: lease.fail("full_load", REFUSED))),
    ("table error gone", Step("clear_table_error", lambda lease: lease.clear_table_error("orders"))),
    ("other table prepared", _table(TableState.PREPARED, "orders")),
    ("load goes on", _full_load(FullLoadStatus.IN_PROGRESS)),
    ("other load position", Step("set_load_position", lambda lease: lease.set_load_position(
        "orders", lsn=LOAD_LSN, start_offset=0, rows_estimated=1, bytes_estimated=10,
    ))),
    ("other loading", _table(TableState.LOADING, "orders")),
    ("other loaded", _table(TableState.LOADED, "orders")),
    ("load completed", _full_load(FullLoadStatus.COMPLETED, LOAD_LSN)),
    ("error gone", Step("clear_error", lambda lease: lease.clear_error())),
    ("capture starts", _cdc(CdcStatus.STARTING)),
    ("topic", Step("set_table_names", lambda lease: lease.set_table_names("projects", topic="t", sink_connector="s"))),
    ("catching up", _table(TableState.CATCHING_UP)),
    ("other catching up", _table(TableState.CATCHING_UP, "orders")),
    ("streaming", _table(TableState.STREAMING)),
    ("other streaming", _table(TableState.STREAMING, "orders")),
    ("flowing", _cdc(CdcStatus.RUNNING)),
    ("served", Step("serve", lambda lease: lease.serve())),
    ("target away", _cdc(CdcStatus.ERROR)),
    ("why", Step("fail", lambda lease: lease.fail("health", AWAY))),
    ("a note", Step("note", lambda lease: lease.note("heal", "restart 1", cause=CAUSE))),
    ("healing", _cdc(CdcStatus.STARTING)),
    ("healed", _cdc(CdcStatus.RUNNING)),
    ("sink stopped", _table(TableState.LOADED)),
    ("stopped", _cdc(CdcStatus.STOPPED)),
)  # fmt: skip
STEPS = dict(_IN_ORDER)
"""By name, in the order of a life."""
EVERY_METHOD = {step.method: name for name, step in _IN_ORDER}
"""One step for each method of a lease that changes something."""
