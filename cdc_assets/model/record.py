"""What the state tables say: rows of `pipelines`, `pipeline_tables` and `pipeline_events` as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, unquote
from uuid import UUID

from cdc_assets.model.last_look import LastLook
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.position import Lsn
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState

_PLAIN = " !\"#$&'()*+-./:;<>?@[\\]^_`{|}~"


@dataclass(frozen=True, slots=True)
class TableRecord:
    """One row of `pipeline_tables`.

    `captured_from_lsn`: from there every change of the table is in its topic. `load_lsn`: position of the snapshot its
    rows were read at. `start_offset`: first record of its topic that the sink has to apply. `original_identity`: the
    replica identities of its leaves before ours, `schema.leaf=d` joined by commas, read by `original_identities`.
    `target_oid`, `target_columns`: the target table as we made it, the columns with their types as the server writes
    them. `loaded_at`: when its last load was verified, None while there is none.
    """

    source_table: str
    target_table: str
    state: TableState
    intent: Intent
    rows_loaded: int
    rows_estimated: int
    bytes_loaded: int
    bytes_estimated: int
    load_lsn: Lsn | None
    captured_from_lsn: Lsn | None
    start_offset: int | None
    topic: str | None
    sink_connector_name: str | None
    original_identity: str | None
    target_oid: int | None
    last_error: str | None
    last_error_code: str | None
    updated_at: datetime
    loaded_at: datetime | None = None
    target_columns: Mapping[str, str] | None = None

    @property
    def original_identities(self) -> Mapping[str, str]:
        """The replica identities to put back: `schema.leaf` to one of d, n, f, i."""
        return parse_identities(self.original_identity)


def format_identities(identities: Mapping[str, str]) -> str:
    """Write `schema.leaf=d` joined by commas; `%`, `,` and `=` in a name are percent-encoded."""
    return ",".join(f"{quote(leaf, safe=_PLAIN)}={identity}" for leaf, identity in sorted(identities.items()))


def parse_identities(text: str | None) -> dict[str, str]:
    """Read what `format_identities` wrote."""
    pairs = (part.rpartition("=") for part in text.split(",")) if text else ()
    return {unquote(leaf): identity for leaf, _, identity in pairs}


@dataclass(frozen=True, slots=True)
class PipelineRecord:
    """One row of `pipelines` with its tables.

    `served_version`: the newest intent version that was taken to its end; `attempt`: how often, and last `asked_at`, a
    run was asked for the version now unserved; `suffix`: the random end of every outside name of this generation, None
    before the first start. `lease_holder`, `lease_expires_at`, `lease_epoch`, `lease_serves`: who works on it now
    (`lease_is_live`, by the database's clock, with `lease_time_left`) or did last, and for which intent version.
    `last_look`: what was last seen of its stream.
    """

    id: UUID
    name: str
    mode: Mode
    status: PipelineStatus
    full_load_status: FullLoadStatus
    cdc_status: CdcStatus
    full_load_completed_at: datetime | None
    full_load_lsn: Lsn | None
    generation: int
    suffix: str | None
    debezium_connector_name: str | None
    sink_connector_name: str | None
    slot_name: str | None
    publication_name: str | None
    intent: Intent
    intent_version: int
    served_version: int
    attempt: int
    asked_at: datetime | None
    last_error: str | None
    last_error_code: str | None
    last_error_at: datetime | None
    failed_step: str | None
    created_at: datetime
    updated_at: datetime
    tables: tuple[TableRecord, ...]
    lease_epoch: int = 0
    lease_holder: str | None = None
    lease_expires_at: datetime | None = None
    lease_is_live: bool = False
    lease_time_left: timedelta | None = field(default=None, compare=False)
    lease_serves: int | None = None
    lease_taken_at: datetime | None = None
    last_look: LastLook | None = field(default=None, compare=False)

    def table(self, source_table: str) -> TableRecord:
        """The row of that source table; KeyError when there is none."""
        for record in self.tables:
            if record.source_table == source_table:
                return record
        raise KeyError(source_table)


@dataclass(frozen=True, slots=True)
class Event:
    """One row of `pipeline_events`: a field changed its value, for a cause, by a run."""

    id: int
    at: datetime
    pipeline_id: UUID
    pipeline_name: str
    table_name: str | None
    field: str
    old_value: str | None
    new_value: str | None
    cause: str | None
    run_id: str | None
