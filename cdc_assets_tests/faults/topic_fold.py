"""What a reader of a topic who follows every record ends up with: the last value of each key."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

Row = tuple[int, str]


@dataclass
class TopicFold:
    """The state of one table as its topic tells it; `follow` reads on from where the last call ended."""

    bootstrap: str
    topic: str
    rows: dict[int, Row] = field(default_factory=dict)
    records: int = 0
    _offset: int = 0

    def follow(self, end: int) -> dict[int, Row]:
        """Read up to the offset and return the rows."""
        for message in self._messages(end):
            key = json.loads(message.key() or b"")["id"]
            value = message.value()
            change = json.loads(value) if value else None
            after = change["after"] if change else None
            if after is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = (after["n"], md5(after["v"].encode(), usedforsecurity=False).hexdigest())
            self.records += 1
        return self.rows

    def _messages(self, end: int) -> Iterator[Message]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "fold", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(self.topic, 0, self._offset)])
            while self._offset < end:
                for message in consumer.consume(1000, timeout=5):
                    assert message.error() is None, message.error()
                    self._offset = (message.offset() or 0) + 1
                    yield message
        finally:
            consumer.close()


@dataclass(frozen=True)
class Difference:
    """How a fold differs from the source."""

    lost: int
    surplus: int
    stale: int

    @property
    def rows(self) -> int:
        """All rows that are wrong."""
        return self.lost + self.surplus + self.stale


def compare(url: str, table: str, fold: dict[int, Row]) -> Difference:
    """Compare with the table as it is now."""
    with psycopg.connect(url) as session:
        rows = session.execute(f"SELECT id, n, md5(v) FROM {table}".encode()).fetchall()
    source = {int(key): (int(number), str(value)) for key, number, value in rows}
    return Difference(
        lost=len(source.keys() - fold.keys()),
        surplus=len(fold.keys() - source.keys()),
        stale=sum(1 for key in source.keys() & fold.keys() if source[key] != fold[key]),
    )
