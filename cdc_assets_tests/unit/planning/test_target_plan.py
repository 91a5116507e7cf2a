"""What is done to a target table, decided without a database; the rest of the cases run on real servers."""

import pytest

from cdc_assets.model.errors import SchemaCreationError, TargetNotOursError
from cdc_assets.model.table import (
    ColumnDefinition,
    ColumnType,
    IndexDefinition,
    TableDefinition,
    TableMapping,
    TableName,
)
from cdc_assets.planning.table_changes import (
    AddIndex,
    AddKey,
    CreateEnum,
    CreateTable,
    DropTable,
    TakeUpTable,
    TargetColumn,
)
from cdc_assets.planning.target_plan import (
    PresentTable,
    WantedTable,
    changes_after_load,
    left_out,
    plan_table_changes,
    wanted_indexes,
)

_SOURCE, _TARGET = TableName("public", "t"), TableName("dbo", "t")
_TEXT = ColumnType("text", "pg_catalog", "text", "text", "pg_catalog", "b")
_COLUMNS = (TargetColumn("id", "integer", nullable=False), TargetColumn("mood", '"dbo"."mood"', nullable=True))
_MOOD = CreateEnum("dbo", "mood", ("a", "b"))
_WANTED = WantedTable(_SOURCE, _TARGET, _COLUMNS, ("id",), (AddIndex(_TARGET, "by_mood", ("mood",)),), enums=(_MOOD,))


def _present(*, is_ours: bool = True, columns: tuple[TargetColumn, ...] = _COLUMNS, **more: object) -> PresentTable:
    return PresentTable(7, columns, (), more.pop("dependents", ()), is_ours, **more)  # type: ignore[arg-type]


def test_what_is_missing_is_made_without_key_and_index() -> None:
    assert plan_table_changes(_WANTED, None, enums={}, replaces=False) == (_MOOD, CreateTable(_TARGET, _COLUMNS))
    assert changes_after_load(_WANTED) == (AddKey(_TARGET, ("id",)), *_WANTED.indexes)


def test_an_enum_that_is_there_with_more_labels_is_taken() -> None:
    changes = plan_table_changes(_WANTED, None, enums={"mood": ("c", "b", "a")}, replaces=False)

    assert changes == (CreateTable(_TARGET, _COLUMNS),)


@pytest.mark.parametrize(
    ("kind", "what"), [("v", "a view"), ("S", "a sequence"), ("c", "a composite"), ("i", "an index")]
)
def test_a_name_that_something_else_has_is_refused_even_by_wish(kind: str, what: str) -> None:
    with pytest.raises(TargetNotOursError, match=f"is taken by {what}"):
        plan_table_changes(_WANTED, _present(is_ours=False, kind=kind), enums={}, replaces=True)


def test_an_empty_table_as_wanted_is_taken_up() -> None:
    present = _present(is_ours=False, is_empty=True)
    assert plan_table_changes(_WANTED, present, enums={"mood": ("a", "b")}, replaces=False) == (
        TakeUpTable(_TARGET, 7),
    )


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (_present(is_ours=False), "it has rows"),
        (_present(is_ours=False, is_empty=True, columns=_COLUMNS[:1]), "column mood is missing"),
        (_present(is_ours=False, is_empty=True, obstacles=("trigger audit",)), "trigger audit"),
        (PresentTable(7, _COLUMNS, (frozenset({"mood"}),), (), is_ours=False, is_empty=True), "its key is another"),
    ],
)
def test_another_table_of_somebody_is_refused_with_what_stands_against_it(present: PresentTable, why: str) -> None:
    with pytest.raises(TargetNotOursError, match=f"cannot be taken up: {why}"):
        plan_table_changes(_WANTED, present, enums={}, replaces=False)


def test_ours_and_equal_is_kept() -> None:
    assert plan_table_changes(_WANTED, _present(), enums={}, replaces=False) == ()


def test_ours_and_no_longer_fitting_is_made_again() -> None:
    present = _present(columns=_COLUMNS[:1])

    changes = plan_table_changes(_WANTED, present, enums={"mood": ("a", "b")}, replaces=False)

    assert changes == (DropTable(_TARGET, 7), CreateTable(_TARGET, _COLUMNS))
    assert [change.is_destructive for change in changes] == [True, False]


@pytest.mark.parametrize("replaces", [True, False])
def test_the_table_of_another_pipeline_is_refused_always(replaces: bool) -> None:  # noqa: FBT001  a parameter
    with pytest.raises(TargetNotOursError, match="belongs to pipeline other"):
        plan_table_changes(_WANTED, _present(is_ours=False, owner="other"), enums={}, replaces=replaces)


def test_a_table_without_copied_columns_is_refused() -> None:
    computed = TargetColumn("g", "integer", nullable=True, generated_sql="1")

    with pytest.raises(SchemaCreationError, match="no columns"):
        plan_table_changes(WantedTable(_SOURCE, _TARGET, (computed,), (), ()), None, enums={}, replaces=False)


def test_indexes_that_come_along_and_what_is_said_of_the_others() -> None:
    def index(name: str, columns: tuple[str, ...], method: str = "btree", **more: bool) -> IndexDefinition:
        unique = more.pop("is_unique", False)
        definition = f"CREATE INDEX {name} ON public.t USING {method} (...)"
        return IndexDefinition(name, unique, more.pop("is_valid", True), columns, definition=definition, **more)

    definition = TableDefinition(
        name=_SOURCE,
        kind="r",
        oid=1,
        columns=(ColumnDefinition("note", _TEXT, nullable=True),),
        primary_key=("id",),
        indexes=(
            index("plain", ("a", "b")),
            index("unique", ("a",), is_unique=True),
            index("expression", ()),
            index("part", ("a",), is_partial=True),
            index("broken", ("a",), is_valid=False),
            index("words", ("a",), method="gin"),
            index("secret", ("b", "note")),
        ),
        foreign_keys=("t_fk",),
        triggers=("t_trigger",),
    )
    mapping = TableMapping(_SOURCE, _TARGET, excluded=("note",))

    assert [made.name for made in wanted_indexes(definition, mapping)] == ["plain", "unique"]
    assert left_out(definition, mapping) == (
        "column note",
        "foreign key t_fk",
        "trigger t_trigger",
        "uniqueness of index unique (becomes a plain index)",
        "index expression (over an expression)",
        "index part (partial)",
        "index broken (invalid)",
        "index words (method gin)",
        "index secret (over a column that is left out)",
    )
