"""A database server is killed while rows are copied and comes back: the load goes on and every row is there."""

from collections.abc import Callable, Iterator

import pytest

from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus
from cdc_assets_tests.integration.load.bench import LoadBench, after_chunks
from cdc_assets_tests.services.servers import Databases, Servers, make_databases

# The servers of the tests commit lazily: without the first line a killed one has never heard of the table.
_ROWS = """
SET synchronous_commit = on;
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5000) g
"""


@pytest.fixture
def make_bench(own_servers: Servers, kafka_bootstrap: str) -> Iterator[Callable[[int, int], LoadBench]]:
    """Source and target on clusters of the given versions, the state on 18."""
    made: list[LoadBench] = []

    def make(source: int, target: int) -> LoadBench:
        urls = {major: make_databases(own_servers.postgres(major).url("postgres")) for major in (18, 15)}
        databases = Databases(urls[source].source_url, urls[target].target_url, urls[18].state_url)
        made.append(LoadBench(databases, kafka_bootstrap))
        return made[0]

    yield make
    for bench in made:
        bench.close()


def _kill(servers: Servers) -> None:
    servers.kill("postgres-15")
    servers.postgres(15)


def test_the_target_comes_back(own_servers: Servers, make_bench: Callable[[int, int], LoadBench]) -> None:
    bench = make_bench(18, 15)
    bench.source(_ROWS)

    outcomes = bench.start(bench.pipeline("t"), progress=after_chunks(5, lambda: _kill(own_servers)))

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t")]) == {}
    # The view of the source was not touched: nothing had to begin again.
    assert not any("begin again" in line for line in bench.log)


@pytest.mark.parametrize("mode", [Mode.FULL_LOAD_AND_CDC, Mode.FULL_LOAD_ONLY])
def test_the_source_comes_back(own_servers: Servers, make_bench: Callable[[int, int], LoadBench], mode: Mode) -> None:
    bench = make_bench(15, 18)
    bench.source(_ROWS)

    outcomes = bench.start(bench.pipeline("t", mode=mode), progress=after_chunks(5, lambda: _kill(own_servers)))

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t")]) == {}
    assert bench.record().full_load_status is FullLoadStatus.COMPLETED
    assert any("begin again under a newer snapshot" in line for line in bench.log)
