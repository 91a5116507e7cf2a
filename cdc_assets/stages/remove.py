"""`drop`: everything this pipeline has made outside is taken away again, and what is left is looked for and told.

Called by `wiring` under the pipeline's lease; the caller forgets the state rows last, so that a broken drop can be
repeated. Only recorded names are touched, and a publication only when the product made it.
"""

from collections.abc import Callable, Mapping

from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import RemovalReport
from cdc_assets.model.table import TableName
from cdc_assets.planning.names import PipelineNames, consumer_group
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.stop import stop


def remove(context: StageContext, *, drop_target: bool = False) -> RemovalReport:
    """Take away connectors, offsets, topics, groups, slot, publication, replica identities and bookkeeping rows.

    Target tables stay unless `drop_target`. Idempotent. The report's `left` names what was still there afterwards. An
    error of a server that does not answer goes to the caller, and a second drop goes on.
    """
    record = context.lease.check()
    removed: list[str] = []
    if record.suffix is not None:
        names = context.names()
        if context.pipeline.mode.captures:
            stop(context)
            removed += _remove_stream(context, record, names)
            removed += _remove_capture(context, record, names)
        context.target.end_load(context.pipeline.target.schema, record.id, chunk_table=names.chunk_table)
    context.lease.check()
    to_drop = [mapping.target for mapping in context.pipeline.tables] if drop_target else []
    dropped = context.target.forget(context.pipeline.target.schema, record.id, drop_tables=to_drop)
    removed += [f"target table {table}" for table in dropped]
    left = _left(context, record) if record.suffix is not None and context.pipeline.mode.captures else ()
    return RemovalReport(context.pipeline.name, tuple(removed), left)


def _remove_stream(context: StageContext, record: PipelineRecord, names: PipelineNames) -> list[str]:
    sinks = [table.sink_connector_name for table in record.tables if table.sink_connector_name is not None]
    present = context.connect.reports()
    connectors = [name for name in (names.source_connector, *sinks) if name in present]
    for connector in connectors:
        context.lease.check()
        context.connect.delete(connector)
    groups = [group for group in map(consumer_group, sinks) if group in context.kafka.groups_like(group)]
    context.kafka.delete_groups(groups)
    context.lease.check()
    topics = _topics(context, names)
    context.kafka.delete_topics(topics)
    return [
        *(f"connector {name}" for name in connectors),
        *(f"consumer group {name}" for name in groups),
        *(f"topic {name}" for name in topics),
    ]


def _remove_capture(context: StageContext, record: PipelineRecord, names: PipelineNames) -> list[str]:
    removed = []
    context.lease.check()
    if context.source.slot(names.slot) is not None:
        context.source.drop_slot(names.slot)
        removed.append(f"replication slot {names.slot}")
    context.lease.check()
    if _is_ours(names) and context.source.publication(names.publication) is not None:
        context.source.drop_publication(names.publication)
        removed.append(f"publication {names.publication}")
    identities = _identities(context, record)
    if identities:
        context.lease.check()
        context.source.restore_replica_identity(identities)
        removed.append(f"REPLICA IDENTITY FULL of {', '.join(map(str, sorted(identities)))}")
    return removed


def _identities(context: StageContext, record: PipelineRecord) -> Mapping[TableName, str]:
    """What to put back; a leaf is found by its name among those that are there, since a name may hold a dot."""
    recorded: dict[str, str] = {}
    for table in record.tables:
        recorded |= table.original_identities
    if not recorded:
        return {}
    definitions = context.source.describe([mapping.source for mapping in context.pipeline.tables])
    present = {str(name): name for name in definitions}
    present |= {str(leaf.name): leaf.name for definition in definitions.values() for leaf in definition.leaves}
    return {present[leaf]: identity for leaf, identity in recorded.items() if leaf in present}


def _left(context: StageContext, record: PipelineRecord) -> tuple[str, ...]:
    names = context.names()
    connectors = {names.source_connector, *(table.sink_connector_name for table in record.tables)}
    looks: list[tuple[str, Callable[[], tuple[str, ...]]]] = [
        ("connector", lambda: tuple(name for name in context.connect.reports() if name in connectors)),
        ("topic", lambda: _topics(context, names)),
        ("consumer group", lambda: context.kafka.groups_like(consumer_group(names.sink_prefix))),
        ("replication slot", lambda: (names.slot,) if context.source.slot(names.slot) is not None else ()),
        (
            "publication",
            lambda: (
                (names.publication,)
                if _is_ours(names) and context.source.publication(names.publication) is not None
                else ()
            ),
        ),
        (
            "bookkeeping row of",
            lambda: tuple(
                row.target_table
                for row in context.target.bookkeeping(context.pipeline.target.schema)
                if row.pipeline_id == record.id
            ),
        ),
    ]
    return tuple(f"{what} {name}" for what, find in looks for name in find())


def _topics(context: StageContext, names: PipelineNames) -> tuple[str, ...]:
    return (*context.kafka.topics_like(f"{names.root}."), *context.kafka.topics_like(names.heartbeat_topic))


def _is_ours(names: PipelineNames) -> bool:
    """A publication that the file names was made by its owner."""
    return names.publication == names.root
