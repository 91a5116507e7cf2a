"""From where changes are complete, and under which view rows are read: the point where load and stream meet.

The order is the protocol. Replica identities, recorded before they are changed; then the publication with all tables;
then the slot with its exported snapshot: what was committed before its consistent point is in the snapshot, what comes
after is in the slot. A later run has the slot already and reads under a newer snapshot: what that has more than the
slot's beginning arrives a second time through the stream, which is harmless, because the stream writes by key.
Called by `stages/full_load`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cdc_assets.model.errors import CdcAssetsError, SourceDriftError, SourceError
from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import TableState
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.planning.names import PipelineNames
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX, SlotVerdict, check_slot
from cdc_assets.ports.source import LoadSnapshot, Publication
from cdc_assets.stages.context import StageContext

HOLDS_ROWS = frozenset(
    {TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED}
)
_NEEDED_OPERATIONS = frozenset({"insert", "update", "delete", "truncate"})
_GENERATED_VERSION = 180000


@dataclass(frozen=True, slots=True)
class LoadView:
    """The view of a load, and for each topic the offset that lies before it."""

    snapshot: LoadSnapshot
    start_offsets: Mapping[str, int]


@contextmanager
def open_first_view(context: StageContext, names: PipelineNames) -> Iterator[LoadView]:
    """Set the capture up where the mode captures, and open the view under which the tables are read.

    Afterwards every table of the file has its `captured_from_lsn`. SlotError when the slot that was made is gone, lost
    or foreign: tables that hold rows are then RESYNC_REQUIRED.
    """
    slot = _ensure_capture(context, names) if context.pipeline.mode.captures else None
    if slot is None and context.pipeline.mode.captures:
        with _new_slot(context, names) as snapshot:
            # No topic exists before its slot does.
            yield LoadView(snapshot, {})
    else:
        with open_later_view(context, names, slot=slot) as view:
            yield view


def ensure_capture(context: StageContext, names: PipelineNames) -> None:
    """Set the capture up without a load (`cdc_only`); afterwards the slot keeps the changes of every table."""
    slot = _ensure_capture(context, names)
    if slot is None:
        with _new_slot(context, names):
            pass
    else:
        _record_captured_late(context, slot, context.source.server().current_lsn)


@contextmanager
def open_later_view(
    context: StageContext, names: PipelineNames, *, slot: SlotPosition | None = None
) -> Iterator[LoadView]:
    """Open a view that is newer than the slot; the topics' ends are read first, so that it has all that lies below."""
    offsets: Mapping[str, int] = {}
    if context.pipeline.mode.captures:
        topics = [names.topic(mapping.source) for mapping in context.pipeline.tables]
        offsets = context.kafka.end_offsets(topics)
    with context.source.open_later_snapshot() as snapshot:
        context.waits.over("source")
        if slot is not None:
            _record_captured_late(context, slot, snapshot.lsn)
        yield LoadView(snapshot, offsets)


def _ensure_capture(context: StageContext, names: PipelineNames) -> SlotPosition | None:
    """Make replica identities and publication; return the slot if it is there and sound, None when it is to be made."""
    _ensure_identities(context)
    _ensure_publication(context, names)
    slot = context.source.slot(names.slot)
    _require_slot(context, names, slot)
    return slot


@contextmanager
def _new_slot(context: StageContext, names: PipelineNames) -> Iterator[LoadSnapshot]:
    context.lease.check()
    with context.source.open_slot_snapshot(names.slot) as snapshot:
        context.waits.over("source")
        context.lease.set_captured_from([mapping.partition_key for mapping in context.pipeline.tables], snapshot.lsn)
        context.log(f"Slot {names.slot} made, changes are kept from {snapshot.lsn}")
        yield snapshot


def _ensure_identities(context: StageContext) -> None:
    """Make every captured table log whole old rows, after what it logged before was recorded."""
    definitions = _definitions(context)
    for mapping in context.pipeline.tables:
        definition = definitions.get(mapping.source)
        if definition is None:
            continue  # Step 0 has failed this table
        identities = context.source.replica_identities(definition)
        if all(identity == "f" for identity in identities.values()):
            continue
        recorded = {str(leaf): identity for leaf, identity in identities.items()}
        context.lease.set_original_identity(mapping.partition_key, recorded)
        context.lease.check()
        context.source.ensure_full_replica_identity(definition)


def _ensure_publication(context: StageContext, names: PipelineNames) -> None:
    definitions = _definitions(context)
    found = context.source.publication(names.publication)
    _require_published(context, names, found)
    if context.pipeline.publication is not None:
        _check_publication(found, names.publication, definitions)
    else:
        has_generated = any(
            column.generated == "stored" for definition in definitions.values() for column in definition.columns
        )
        context.source.ensure_publication(
            names.publication,
            list(definitions),
            with_stored_generated=has_generated and context.source.server().version >= _GENERATED_VERSION,
        )


def _require_published(context: StageContext, names: PipelineNames, publication: Publication | None) -> None:
    """Mark captured tables that were taken out of the publication: put back now, it sends nothing of the time between.

    One that was dropped and made anew is out of it too.
    """
    for table in _captured(context, context.lease.check()):
        source = context.pipeline.mapping(table).source
        if publication is None or source not in publication.tables:
            error = SourceDriftError(
                f"source table {source} was taken out of publication {names.publication}, or dropped and made anew: "
                "changes since then are lost",
                hint=RELOAD_TABLE_FIX,
                table=table,
            )
            context.log(f"Table {table}: {error}")
            _require_resync(context, [table], error)


def _check_publication(
    publication: Publication | None, name: str, definitions: Mapping[TableName, TableDefinition]
) -> None:
    """Raise unless the owner's publication sends all that is needed."""
    if publication is None:
        raise SourceError(f"publication {name} does not exist", hint="make it, or take it out of the pipeline's file")
    missing = sorted(str(table) for table in definitions if table not in publication.tables)
    if missing:
        raise SourceError(
            f"publication {name} lacks {', '.join(missing)}", hint=f"ALTER PUBLICATION {name} ADD TABLE for them"
        )
    lacking = _NEEDED_OPERATIONS - publication.operations
    if lacking or (not publication.via_root and any(table.kind == "p" for table in definitions.values())):
        raise SourceError(
            f"publication {name} does not send all changes of its tables",
            hint=f"ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate', "
            "publish_via_partition_root = true)",
        )


def _definitions(context: StageContext) -> Mapping[TableName, TableDefinition]:
    return context.source.describe([mapping.source for mapping in context.pipeline.tables])


def _captured(context: StageContext, record: PipelineRecord) -> list[str]:
    wanted = {mapping.partition_key for mapping in context.pipeline.tables}
    return [
        table.source_table
        for table in record.tables
        if table.source_table in wanted and table.captured_from_lsn is not None
    ]


def _require_slot(context: StageContext, names: PipelineNames, slot: SlotPosition | None) -> None:
    """Raise unless there is no slot and never was one, or the slot is ours and kept everything since it was made."""
    record = context.lease.check()
    captured = _captured(context, record)
    if slot is None and not captured:
        return
    check = check_slot(
        slot,
        name=names.slot,
        database=context.pipeline.source.database,
        confirmed=None,
        # Whether it stands where Kafka is, is asked when the source connector is started (`stages/capture`).
        captured_from=slot.confirmed_flush_lsn if slot is not None else Lsn(0),
    )
    if check.loses_changes:
        _require_resync(context, captured, check.error())
    if check.loses_changes or check.verdict is SlotVerdict.FOREIGN:
        raise check.error()


def _require_resync(context: StageContext, tables: list[str], error: CdcAssetsError) -> None:
    """Mark the tables that hold rows; in `cdc_only` all do."""
    record = context.lease.check()
    holding = HOLDS_ROWS if context.pipeline.mode.loads else HOLDS_ROWS | {TableState.PREPARED}
    for table in tables:
        if record.table(table).state in holding:
            context.lease.fail_table(table, TableState.RESYNC_REQUIRED, error)


def _record_captured_late(context: StageContext, slot: SlotPosition, snapshot_lsn: Lsn) -> None:
    """Record the position of tables that have none although the slot is there.

    When no table has one, the run that made the slot died before it could record: nothing was read from the slot since,
    so it stands where it began. Otherwise the table joined the publication later: it is complete from a position after
    that, which is what the snapshot's is.
    """
    record = context.lease.check()
    captured = _captured(context, record)
    missing = [mapping.partition_key for mapping in context.pipeline.tables if mapping.partition_key not in captured]
    if missing:
        context.lease.set_captured_from(missing, snapshot_lsn if captured else slot.confirmed_flush_lsn)
