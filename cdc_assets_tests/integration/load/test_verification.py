"""Somebody writes to the target while it is loaded: the load names table and chunk and never calls it LOADED."""

import pytest

from cdc_assets.model.errors import VerificationError
from cdc_assets.model.status import FullLoadStatus, TableState
from cdc_assets_tests.integration.load.bench import ONE_STREAM, LoadBench, after_chunks

_TABLES = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'value ' || g FROM generate_series(1, 2000) g;
CREATE TABLE small (id int PRIMARY KEY);
INSERT INTO small VALUES (1), (2), (3);
"""


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        ("DELETE FROM dbo.t WHERE id = 5", ["chunk 0 of public.t", "rows sent", "present"]),
        (
            "INSERT INTO dbo.t SELECT * FROM dbo.t WHERE id = 5",
            ["1 rows were written by", "chunk 0 of public.t"],
        ),
        (
            "UPDATE dbo.t SET v = 'x' WHERE id = 5",
            ["chunk 0 of public.t", "1 rows were written by another"],
        ),
    ],
    ids=["missing", "doubled", "changed"],
)
def test_a_row_tampered_with_is_named_with_table_and_chunk(bench: LoadBench, tamper: str, words: list[str]) -> None:
    bench.source(_TABLES)

    outcomes = bench.start(
        bench.pipeline("t", "small", options=ONE_STREAM), progress=after_chunks(3, lambda: bench.target(tamper))
    )

    error = outcomes["t"].error
    assert isinstance(error, VerificationError)
    assert all(word in error.message for word in ["table public.t", *words]), error.message
    assert "value" not in error.message
    record = bench.record()
    assert record.table("t").state is TableState.FAILED
    assert record.table("t").last_error == str(error)
    assert record.full_load_status is FullLoadStatus.FAILED
    assert record.table("small").state is TableState.LOADED
    assert outcomes["small"].error is None


def test_the_next_start_loads_it_again(bench: LoadBench) -> None:
    bench.source(_TABLES)
    pipeline = bench.pipeline("t", "small", options=ONE_STREAM)
    bench.start(pipeline, progress=after_chunks(3, lambda: bench.target("DELETE FROM dbo.t WHERE id = 5")))

    outcomes = bench.start(pipeline)

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t"), ("small", "small")]) == {}
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.COMPLETED
    assert record.table("t").last_error is None


def test_a_trigger_that_changes_rows_is_found(bench: LoadBench) -> None:
    bench.source(_TABLES)
    pipeline = bench.pipeline("t", options=ONE_STREAM)
    trigger = """
        CREATE FUNCTION dbo.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF new.id = 1234 THEN new.v := 'spoilt'; END IF; RETURN new; END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON dbo.t FOR EACH ROW EXECUTE FUNCTION dbo.spoil();
    """

    outcomes = bench.start(pipeline, progress=after_chunks(1, lambda: bench.target(trigger)))

    error = outcomes["t"].error
    assert isinstance(error, VerificationError)
    assert "rows sent and present, but their content differs" in error.message
