"""What the source connector is told of a table: its key, the columns it leaves out, and those it sends as text.

Called by `stages/capture` and `plan`, so that what is planned is what is configured.
"""

from collections.abc import Iterable, Mapping

from cdc_assets.dialects.sqlserver_types import sqlserver_type
from cdc_assets.dialects.type_registry import needs_text, needs_type
from cdc_assets.model.pipeline import Product
from cdc_assets.model.table import TableDefinition, TableMapping
from cdc_assets.planning.connectors import CONVERTER_OFFER, CONVERTER_VERSION
from cdc_assets.planning.source_connector import CapturedTable
from cdc_assets.ports.streaming import ConnectorPlugin


def offers_converter(plugins: Iterable[ConnectorPlugin]) -> bool:
    """Whether the cluster can send columns as text, with the converter of our own version."""
    return ConnectorPlugin(CONVERTER_OFFER, CONVERTER_VERSION) in plugins


def captured_table(
    definition: TableDefinition, mapping: TableMapping, *, product: Product, has_converter: bool
) -> CapturedTable:
    """Compose it from what the source's catalog says of the table now, for a target of that product."""
    key = definition.key(mapping)
    return CapturedTable(
        name=mapping.source,
        key=() if definition.primary_key else mapping.key,
        # Generated ones the target computes itself, and refuses to be given them.
        left_out=definition.unsent_columns(mapping),
        as_text=tuple(
            column.name
            for column in definition.copied_columns(mapping)
            if has_converter and needs_text(column, is_key=column.name in key, product=product)
        ),
        typed=tuple(column.name for column in definition.copied_columns(mapping) if needs_type(column)),
    )


def fitting_values(definition: TableDefinition, mapping: TableMapping, *, product: Product) -> Mapping[str, str]:
    """Return the columns whose text the sink has to make numbers of, or to look at, and of what kind; else none."""
    if product == "postgres":
        return {}
    key = definition.key(mapping)
    found = {
        column.name: sqlserver_type(column.type, is_key=column.name in key).fit
        for column in definition.copied_columns(mapping)
    }
    return {name: kind for name, kind in found.items() if kind is not None}
