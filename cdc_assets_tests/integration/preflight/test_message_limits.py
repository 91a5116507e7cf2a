"""The brokers say how large a message they take, and the largest row is measured against it."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not list what it re-exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from cdc_assets.adapters.kafka import Kafka
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.planning.connectors import LARGEST_MESSAGE_BYTES
from cdc_assets_tests.integration.preflight.conftest import Site

_A_MEBIBYTE = 1024 * 1024


def test_a_row_is_measured_against_what_the_brokers_take(site_18: Site, kafka_bootstrap: str) -> None:
    site_18.kafka_bootstrap = kafka_bootstrap
    site_18.make_table("id int PRIMARY KEY, t text")
    site_18.on_source("INSERT INTO orders SELECT 1, string_agg(md5(g::text), '') FROM generate_series(1, 20000) g")
    assert Kafka(kafka_bootstrap).largest_message() == LARGEST_MESSAGE_BYTES
    assert site_18.found() == []
    with _brokers_take(kafka_bootstrap, _A_MEBIBYTE):
        assert Kafka(kafka_bootstrap).largest_message() == _A_MEBIBYTE
        found = site_18.only_fail()
    assert (found.name, found.table, found.status) == ("row_size", "orders", CheckStatus.FAIL)
    assert "a Kafka message holds 1 MiB" in found.what
    assert "set message.max.bytes of the Kafka brokers" in found.fix
    assert site_18.found() == []


@contextmanager
def _brokers_take(bootstrap: str, size: int) -> Iterator[None]:
    """Alter the limit of the running brokers, and put it back."""
    _alter(bootstrap, ConfigEntry("message.max.bytes", str(size), incremental_operation=AlterConfigOpType.SET))
    try:
        yield
    finally:
        _alter(bootstrap, ConfigEntry("message.max.bytes", "", incremental_operation=AlterConfigOpType.DELETE))


def _alter(bootstrap: str, entry: ConfigEntry) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for number in admin.list_topics(timeout=60).brokers:
        resource = ConfigResource(ResourceType.BROKER, str(number), incremental_configs=[entry])
        for answer in admin.incremental_alter_configs([resource], request_timeout=60).values():
            answer.result()
