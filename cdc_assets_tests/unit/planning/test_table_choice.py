"""`tables: all`: the source decides before the first start, the record afterwards."""

from cdc_assets.model.pipeline import AllTables
from cdc_assets.model.record import PipelineRecord
from cdc_assets.planning.table_choice import Choice, choose_tables, known_tables
from cdc_assets_tests.orchestration.fake_commands import a_pipeline, a_record

FOUND = ("c", "a", "new")


def recorded(*tables: str, started: bool = True) -> PipelineRecord:
    return a_record(a_pipeline(tables=tables), suffix="abcdef" if started else None)


def test_before_the_first_start_the_source_decides() -> None:
    assert choose_tables(AllTables(), FOUND, None) == Choice(("a", "c", "new"), ("a", "c", "new"))
    never_started = recorded("a", "gone", started=False)
    assert choose_tables(AllTables(("c",)), FOUND, never_started) == Choice(("a", "new"), ("new",))


def test_later_a_new_table_is_told_and_a_missing_one_stays_until_it_is_excepted() -> None:
    assert choose_tables(AllTables(), FOUND, recorded("a", "c", "gone")) == Choice(("a", "c", "gone"), (), ("new",))
    assert choose_tables(AllTables(("new", "gone")), FOUND, recorded("a", "c", "gone")) == Choice(("a", "c"))


def test_a_new_table_is_added_only_where_the_file_says_so() -> None:
    rule = AllTables(("c",), adds_new=True)
    assert choose_tables(rule, FOUND, recorded("a")) == Choice(("a", "new"), ("new",))


def test_what_is_excepted_is_no_table_of_the_pipeline_any_more() -> None:
    assert known_tables(AllTables(("b",)), recorded("c", "b", "a")) == ("a", "c")
    assert known_tables(AllTables(), None) == ()
