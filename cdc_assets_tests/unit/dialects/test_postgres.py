"""PostgreSQL's text: what is quoted how, which defaults and expressions may travel, and that no row value leaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc_assets.dialects.postgres import (
    application_name,
    constant_default,
    index_name,
    is_portable_expression,
    literal,
    names_column,
    quote,
    quote_table,
    refusal,
)
from cdc_assets.model.table import TableName


def test_quoting() -> None:
    assert quote('We "ird %s') == '"We ""ird %s"'
    assert quote_table(TableName("a.b", "c")) == '"a.b"."c"'
    assert literal("it's") == "'it''s'"
    assert literal("back\\slash") == "E'back\\\\slash'"


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        quote(name)


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("0", "0"),
        ("'-1'::integer", "'-1'"),
        ("(-1)", "-1"),
        ("1.50", "1.50"),
        ("true", "true"),
        ("NULL::character varying", "NULL"),
        ("'it''s'::text", "'it''s'"),
        ("'a'::public.mood", "'a'"),
        ('\'a\'::"My Schema"."Mood"', "'a'"),
        ("'1 day'::interval(0)", "'1 day'"),
        ("'{}'::text[]", "'{}'"),
        ("('x'::text)::public.citext", "'x'"),
        ("now()", None),
        ("CURRENT_TIMESTAMP", None),
        ("nextval('public.t_id_seq'::regclass)", None),
        ("gen_random_uuid()", None),
        ("('a'::text || 'b'::text)", None),
        ("(1 + 1)", None),
        ("ARRAY['a'::text]", None),
        (None, None),
    ],
)
def test_only_constants_are_kept_as_defaults(expression: str | None, kept: str | None) -> None:
    assert constant_default(expression) == kept


# An expression with a bad way of looking takes minutes; a busy machine takes half a second.
@settings(deadline=30_000)
@given(st.text())
def test_any_default_is_answered_at_once(expression: str) -> None:
    kept = constant_default(expression)

    assert kept is None or kept in expression


@pytest.mark.parametrize(
    ("expression", "portable"),
    [
        ("(a * 2)", True),
        ("upper((name)::text)", True),
        ("((price * 1.19))::numeric(10,2)", True),
        ("(name || ' public.f('::text)", True),
        ("public.f(a)", False),
        ('"My Schema".f(a)', False),
        ("(a OPERATOR(public.+) b)", False),
        ("(a)::public.mood", False),
    ],
)
def test_expressions_that_need_something_of_the_source_are_known(expression: str, portable: bool) -> None:  # noqa: FBT001
    assert is_portable_expression(expression) is portable


@pytest.mark.parametrize(
    ("expression", "column", "named"),
    [
        ("(amount * 2)", "amount", True),
        ("((amount2 * 2) + amounts)", "amount", False),
        ('("Größe" || x)', "Größe", True),
        ("('amount'::text || x)", "amount", False),
        ('("a b" + 1)', "a b", True),
    ],
)
def test_columns_that_an_expression_may_use(expression: str, column: str, named: bool) -> None:  # noqa: FBT001
    assert names_column(expression, column) is named


def test_names_fit() -> None:
    assert application_name("final_test2", 7) == "cdc_assets:final_test2:7"
    assert len(index_name("ü" * 40, TableName("dbo", "ü" * 40), 12).encode()) <= 63


def test_a_refusal_of_rows_holds_no_value() -> None:
    message = 'invalid input value for enum dbo.mood: "secret"'

    assert "secret" not in refusal("InvalidTextRepresentation", "22P02", message, hides_values=True)
    assert refusal("X", None, None, hides_values=True) == "X (X)"


def test_a_refusal_keeps_the_constraint_and_leaves_out_what_may_be_a_row() -> None:
    broken = 'duplicate key value violates unique constraint "orders_pkey"'
    assert refusal("UniqueViolation", "23505", broken, hides_values=True).startswith(broken)
    missing = 'column "amount" does not exist'
    assert refusal("UndefinedColumn", "42703", missing, hides_values=False).startswith(missing)
    # Also where nobody thought of a value.
    refused = 'invalid input syntax for type integer: "s3cret"'
    assert "s3cret" not in refusal("InvalidTextRepresentation", "22P02", refused, hides_values=False)
    raised = refusal("RaiseException", "P0001", "customer s3cret is locked", hides_values=False)
    assert raised == "a function or trigger of the server raised an error (RaiseException, SQLSTATE P0001)"
