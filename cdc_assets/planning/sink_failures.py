"""What the failure of a sink connector means: the words of its cause, without values, sorted into three kinds.

A refused record stops one table and no other (QUARANTINED). A gap in the topic means that changes are gone
(RESYNC_REQUIRED). Everything else (target away, lock, login) passes or is mended outside, and a restart then goes on.
"""

import re
from enum import StrEnum


class SinkFailure(StrEnum):
    """The kinds."""

    REFUSED_RECORD = "REFUSED_RECORD"
    GAP = "GAP"
    OTHER = "OTHER"


# The consumer's words when the offset it shall read from is not there (`auto.offset.reset=none`).
_GAP = re.compile(
    r"OffsetOutOfRange|NoOffsetForPartition|Undefined offset|out of range with no configured reset|fetch offset"
)
_REFUSED = re.compile(
    r"value too long|violates|invalid input|invalid byte sequence|out of range for type|field value out of range|"
    r"numeric field overflow|malformed|cannot cast|is of type|schema evolution is disabled|no unique or exclusion|"
    r"a second time|would be truncated|cannot insert the value NULL|cannot insert duplicate key|conversion failed|"
    r"arithmetic overflow|out-of-range value|out of range of values|invalid object name|invalid column name|"
    r"operand type clash|DataException|SchemaException|cannot be altered|Unexpected input|does not exist",
    re.IGNORECASE,
)


def classify(cause: str) -> SinkFailure:
    """Sort a cause as `ports.streaming.ConnectorReport.failure` gives it."""
    if _GAP.search(cause):
        return SinkFailure.GAP
    return SinkFailure.REFUSED_RECORD if _REFUSED.search(cause) else SinkFailure.OTHER
