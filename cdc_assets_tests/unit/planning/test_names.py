"""Outside names: equal to what PostgreSQL, Debezium and Kafka make of them, and refused where two would meet."""

from pathlib import Path

from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Pipeline, SecretReference
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.names import colliding_topics, pipeline_names, too_long_topics, topic_part


def _pipeline(name: str) -> Pipeline:
    connection = Connection("app", "postgres", "localhost", 5432, "cdc", SecretReference(file=Path("x")))
    endpoint = Endpoint(connection, "cdctest", "public")
    table = TableName("public", "t")
    return Pipeline(name, Mode.FULL_LOAD_AND_CDC, endpoint, endpoint, (TableMapping(table, table),))


def test_the_longest_allowed_pipeline_name_fits_a_slot_name() -> None:
    names = pipeline_names(_pipeline("a" * 40), 99_999, "0123ab")
    assert len(names.slot.encode()) <= 63


def test_topic_parts_replace_every_utf16_unit_as_debezium_does() -> None:
    assert topic_part("Größe") == "Gr__e"
    assert topic_part("a\U0001f600b") == "a__b"
    assert topic_part("We ird$") == "We_ird_"
    assert topic_part("Keeps-case.and_dots9") == "Keeps-case.and_dots9"


def test_tables_whose_changes_would_meet_in_one_topic_are_found() -> None:
    apart = TableName("public", "a_c")
    meeting = (TableName("public", "a b"), TableName("public", "a_b"))
    assert colliding_topics((apart, *meeting)) == (meeting,)
    dotted = (TableName("a.b", "c"), TableName("a", "b.c"))
    assert colliding_topics(dotted) == (dotted,)
    # Kafka makes of both the same name of a metric, and refuses the second topic.
    refused = (TableName("public", "e.f"), TableName("public", "e_f"))
    assert colliding_topics(refused) == (refused,)


def test_a_topic_name_too_long_for_kafka_is_found() -> None:
    names = pipeline_names(_pipeline("p"), 1, "0123ab")
    long = TableName("s" * 200, "t" * 63)
    assert too_long_topics(names, (TableName("public", "t"), long)) == (long,)


def test_sinks_of_tables_with_equal_slugs_stay_apart() -> None:
    names = pipeline_names(_pipeline("p"), 1, "0123ab")
    one = TableMapping(TableName("public", "a b"), TableName("dbo", "x"))
    two = TableMapping(TableName("public", "a_b"), TableName("dbo", "y"))
    assert names.sink_connector(0, one) != names.sink_connector(1, two)
    assert names.sink_connector(0, one).startswith(names.sink_prefix)
