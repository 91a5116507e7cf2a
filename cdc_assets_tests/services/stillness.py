"""What must be as it was: everything that a command which changes nothing could have changed."""

from collections.abc import Iterable
from pathlib import Path

import psycopg
import requests
from confluent_kafka.admin import AdminClient

from cdc_assets_tests.services.installation import wait_until

_WRITTEN_BY_SERVERS = {"kafka", "connect", "logs", "postgres", "dagster", "tmp", "stack.lock"}


def make_still(postgres_url: str) -> None:
    """Let a server do nothing by itself: its autovacuum takes transaction ids when it writes statistics."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        wait_until(
            lambda: (
                connection.execute("SELECT 1 FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'").fetchone()
                is None
            ),
            what="the autovacuum ended",
        )


def server_state(postgres_url: str) -> object:
    """The next transaction id, which every change of every database of the server takes, and what needs none."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        (next_id,) = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone() or ()
        slots = connection.execute("SELECT slot_name FROM pg_replication_slots ORDER BY 1").fetchall()
        settings = connection.execute("SELECT name, setting FROM pg_file_settings ORDER BY 1, 2").fetchall()
    return next_id, slots, settings


def stream_state(*, connect_url: str, kafka_bootstrap: str) -> object:
    """Connectors with their configurations, topics, and consumer groups."""
    answer = requests.get(f"{connect_url}/connectors", params={"expand": "info"}, timeout=30)
    answer.raise_for_status()
    client = AdminClient({"bootstrap.servers": kafka_bootstrap})
    groups = client.list_consumer_groups(request_timeout=30).result().valid
    return answer.json(), sorted(client.list_topics(timeout=30).topics), sorted(group.group_id for group in groups)


def files_below(directories: Iterable[Path]) -> dict[str, bytes]:
    """Every file with its content, without what the running servers write."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for directory in directories
        for path in directory.rglob("*")
        if not _WRITTEN_BY_SERVERS & set(path.relative_to(directory).parts)
    }
