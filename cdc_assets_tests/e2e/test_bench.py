"""The benchmarks as a user runs them, tiny: each ends, leaves nothing, and answers with every contender and figure.

How fast anything is belongs to docs/performance.md; no test holds a clock against it.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cdc_assets.embedded.bench import load
from cdc_assets.embedded.bench.clients import find_clients
from cdc_assets.model.errors import BenchError
from cdc_assets_tests.services.home import Home, temporary_home


@pytest.fixture
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made
        left = [file.name for file in made.directory.glob("bench-*")]
        assert not left, "a benchmark leaves its state directory"
        assert not made.processes(), "a benchmark leaves servers"


def answer(home: Home, *arguments: str) -> dict[str, Any]:
    done = home.cdc("bench", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["machine"]["cores"] >= 1
    assert len(found["machine"]["load_at_end"]) == 3
    return found


def test_load_is_measured_beside_dump_and_pipe(home: Home) -> None:
    try:
        find_clients(load.MAJOR, None)
    except BenchError:
        # The embedded servers bring no client programs: then the verb says what to install, and starts nothing.
        done = home.cdc("bench", "load", "--rows", "2000", "--rounds", "1")
        assert done.returncode == 1
        assert "postgresql-client-15" in done.stderr
        return
    found = answer(home, "load", "--rows", "2000", "--rounds", "1")
    contenders = found["figures"]["contenders"]
    assert list(contenders) == [load.OURS, load.DUMP, load.PLAIN_DUMP, load.PIPE, load.pipes(2)]
    for name, figures in contenders.items():
        for what in ("wall_seconds", "client_cpu_seconds", "rss_mb", "wall_to_ours"):
            assert figures[what]["median"] > 0, (name, what)
    assert len(found["aims"]) == 3


def test_programs_that_are_not_there_are_named_before_anything_is_started(home: Home) -> None:
    done = home.cdc("bench", "load", "--client-bin", "/nowhere")
    assert done.returncode == 1
    error, fix = done.stderr.splitlines()[-2:]
    assert error.startswith("error: psql, pg_dump and pg_restore of PostgreSQL 15 or later are needed")
    assert "--client-bin" in fix


def test_a_load_into_a_server_that_is_not_named_says_how_to_name_it(home: Home) -> None:
    done = home.cdc("bench", "load", "--target", "sqlserver", CDC_TEST_SQLSERVER_URL="")
    assert done.returncode == 1
    assert "CDC_TEST_SQLSERVER_URL is not set" in done.stderr
    assert "mssql://user:password@host:1433/database" in done.stderr


def test_stream_is_measured_beside_a_subscription_and_default_settings(home: Home) -> None:
    found = answer(home, "stream", "--rows", "200", "--rounds", "1", "--seconds", "1")
    assert list(found["figures"]) == ["cdc_assets", "Debezium, default settings", "CREATE SUBSCRIPTION"]
    for name, figures in found["figures"].items():
        assert figures["backlog_changes_per_second"]["median"] > 0, name
        for rate in ("200", "1000"):
            delays = figures["delay_ms"][rate]
            assert 0 < delays["p50"] <= delays["p99"] <= delays["most"], name
            assert delays["changes"] > 0, name


def test_scale_shows_start_and_memory_for_each_number_of_tables(home: Home) -> None:
    done = home.cdc("bench", "scale", "--tables", "2", "--rows", "10")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines if line and line[0].isdigit()] == ["2"]
    assert any(line[:2] == ["Kafka", "Connect"] for line in lines)


def test_a_benchmark_keeps_away_from_servers_of_the_users_own(home: Home) -> None:
    done = home.cdc("bench", "scale", CDC_DATABASE_URL="postgresql://user:password@127.0.0.1:9/state")
    assert done.returncode == 1
    assert "CDC_DATABASE_URL is set" in done.stderr
