"""A marker: a logical message in the source's WAL whose passing proves that changes flow."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdc_assets.model.position import Lsn


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker on its way; `ends`, topic -> offset, are read once the source connector has delivered it."""

    lsn: Lsn
    ends: Mapping[str, int] | None = None
