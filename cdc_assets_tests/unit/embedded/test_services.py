"""The servers that all other tests stand on."""

import psycopg
import requests

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
