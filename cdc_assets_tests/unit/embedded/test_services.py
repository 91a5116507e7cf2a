"""The servers that all other tests stand on."""

import psycopg
import requests

from cdc_assets.adapters.kafka_connect import KafkaConnect
from cdc_assets.stages.captured_tables import offers_converter
from cdc_assets_tests.services.servers import Databases


def test_each_version_gives_three_databases_that_can_replicate(databases_each: Databases) -> None:
    for url in (databases_each.source_url, databases_each.target_url, databases_each.state_url):
        with psycopg.connect(url) as session:
            assert session.execute("SHOW wal_level").fetchone() == ("logical",)


def test_the_worker_has_both_plugins(connect_url: str) -> None:
    plugins = {
        plugin["class"].rpartition(".")[2]
        for plugin in requests.get(f"{connect_url}/connector-plugins", timeout=10).json()
    }
    assert {"PostgresConnector", "JdbcSinkConnector"} <= plugins


def test_the_worker_has_the_converter_in_the_version_that_is_asked_for(connect_url: str) -> None:
    assert offers_converter(KafkaConnect(connect_url).plugins())
