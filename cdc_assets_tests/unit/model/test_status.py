"""What the words mean: the promises of the truth table, over every combination, and the legal steps of the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TypeVar

import pytest

from cdc_assets.model.errors import IllegalTransitionError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import (
    CDC_STEPS,
    FULL_LOAD_STEPS,
    STATUS_RULES,
    TABLE_STEPS,
    TROUBLE,
    CdcStatus,
    FullLoadStatus,
    Intent,
    PipelineStatus,
    TableState,
    derive_status,
    is_aim_reached,
    require_step,
)
from cdc_assets_tests.unit.model import statuses_page

_Word = TypeVar("_Word", bound=StrEnum)
WORKING = {CdcStatus.STARTING, CdcStatus.RUNNING, CdcStatus.PAUSED}


@dataclass(frozen=True)
class Case:
    """One combination of everything the status is derived from."""

    intent: Intent
    is_served: bool
    mode: Mode
    full_load: FullLoadStatus
    cdc: CdcStatus
    tables: frozenset[TableState]

    @property
    def status(self) -> PipelineStatus:
        return derive_status(
            intent=self.intent,
            is_served=self.is_served,
            mode=self.mode,
            full_load=self.full_load,
            cdc=self.cdc,
            tables=self.tables,
        )

    @property
    def has_trouble(self) -> bool:
        return bool(self.tables & TROUBLE)


def cases() -> Iterator[Case]:
    table_sets = [frozenset[TableState]()] + [frozenset({TableState.STREAMING, state}) for state in TableState]
    for parts in product(Intent, (False, True), Mode, FullLoadStatus, CdcStatus, table_sets):
        yield Case(*parts)


ALL = tuple(cases())


def test_every_combination_has_a_word_that_can_be_stored() -> None:
    assert {case.status for case in ALL} == set(PipelineStatus) - {PipelineStatus.INVALID}


def test_running_means_wanted_reached_loaded_and_flowing() -> None:
    for case in (case for case in ALL if case.status is PipelineStatus.RUNNING):
        assert case.cdc is CdcStatus.RUNNING
        assert not case.has_trouble
        assert case.full_load is not FullLoadStatus.FAILED
        assert case.mode.captures or case.intent is Intent.PAUSED
        if case.intent is Intent.RUNNING:
            assert case.is_served
            assert case.mode is Mode.CDC_ONLY or case.full_load is not FullLoadStatus.NOT_STARTED


def test_an_unserved_wish_to_run_is_never_shown_as_reached() -> None:
    # A start that overtakes a stop finds `cdc_status` RUNNING while connectors are being stopped.
    for case in (case for case in ALL if case.intent is Intent.RUNNING and not case.is_served):
        assert case.status is PipelineStatus.STARTING


def test_completed_means_a_completed_load_that_was_all_that_is_wanted() -> None:
    for case in (case for case in ALL if case.status is PipelineStatus.COMPLETED):
        assert case.full_load is FullLoadStatus.COMPLETED
        assert case.mode is Mode.FULL_LOAD_ONLY


def test_stopped_means_that_nothing_works() -> None:
    for case in (case for case in ALL if case.status is PipelineStatus.STOPPED):
        assert case.cdc not in WORKING
        if case.intent is Intent.STOPPED:
            assert case.is_served
            assert case.full_load is not FullLoadStatus.IN_PROGRESS


def test_paused_means_that_nothing_is_applied() -> None:
    for case in (case for case in ALL if case.status is PipelineStatus.PAUSED):
        assert case.intent is Intent.PAUSED
        assert case.cdc in {CdcStatus.PAUSED, CdcStatus.NOT_STARTED}


def test_a_never_started_pipeline_that_is_stopped_stays_not_started() -> None:
    for case in ALL:
        if case.intent is not Intent.RUNNING and (case.full_load, case.cdc) == (
            FullLoadStatus.NOT_STARTED,
            CdcStatus.NOT_STARTED,
        ):
            assert case.status is PipelineStatus.NOT_STARTED


def test_a_served_wish_that_was_not_reached_is_an_error_never_for_ever_under_way() -> None:
    for case in (case for case in ALL if case.is_served and not is_aim_reached(case.intent, case.status)):
        healing = case.intent is Intent.RUNNING and case.cdc is CdcStatus.STARTING
        assert case.status is PipelineStatus.ERROR or (healing and case.status is PipelineStatus.STARTING)


@pytest.mark.parametrize("state", sorted(TROUBLE))
def test_a_table_in_trouble_is_an_error_of_a_pipeline_that_should_run(state: TableState) -> None:
    for case in ALL:
        if case.intent is Intent.RUNNING and case.is_served and state in case.tables:
            assert case.status is PipelineStatus.ERROR


def test_no_line_of_the_truth_table_is_dead() -> None:
    for rule in STATUS_RULES:
        before = STATUS_RULES[: STATUS_RULES.index(rule)]
        fitting = [case for case in ALL if _fits(rule, case)]
        assert any(not any(_fits(other, case) for other in before) for case in fitting), rule.why


def _fits(rule: object, case: Case) -> bool:
    wanted = {
        "intent": case.intent,
        "is_served": case.is_served,
        "mode": case.mode,
        "has_trouble": case.has_trouble,
    }
    sets = {"full_load": case.full_load, "cdc": case.cdc}
    return all(getattr(rule, name) in {None, value} for name, value in wanted.items()) and all(
        getattr(rule, name) is None or value in getattr(rule, name) for name, value in sets.items()
    )


FULL_LOAD_LEGAL = {
    ("NOT_STARTED", "IN_PROGRESS"),
    ("IN_PROGRESS", "COMPLETED"),
    ("IN_PROGRESS", "FAILED"),
    ("FAILED", "IN_PROGRESS"),
    ("COMPLETED", "IN_PROGRESS"),
}
CDC_LEGAL = {
    ("NOT_STARTED", "STARTING"),
    ("STARTING", "RUNNING"),
    ("RUNNING", "PAUSED"),
    ("PAUSED", "RUNNING"),
    ("ERROR", "STARTING"),
    ("STOPPED", "STARTING"),
    ("RUNNING", "STARTING"),
    *((old, new) for old in CdcStatus for new in ("ERROR", "STOPPED") if old != new),
}


@pytest.mark.parametrize("old", FullLoadStatus)
@pytest.mark.parametrize("new", FullLoadStatus)
def test_full_load_steps_are_those_of_the_contract(old: FullLoadStatus, new: FullLoadStatus) -> None:
    _require_verdict(FULL_LOAD_STEPS, old, new, is_legal=old is new or (old, new) in FULL_LOAD_LEGAL)


@pytest.mark.parametrize("old", CdcStatus)
@pytest.mark.parametrize("new", CdcStatus)
def test_cdc_steps_are_those_of_the_contract(old: CdcStatus, new: CdcStatus) -> None:
    _require_verdict(CDC_STEPS, old, new, is_legal=old is new or (old, new) in CDC_LEGAL)


def _require_verdict(steps: Mapping[_Word, frozenset[_Word]], old: _Word, new: _Word, *, is_legal: bool) -> None:
    assert set(steps) == set(type(old))
    if is_legal:
        require_step(steps, old, new, "it")
    else:
        with pytest.raises(IllegalTransitionError, match=f"{old} to {new}"):
            require_step(steps, old, new, "it")


def test_no_table_is_streamed_without_passing_loaded_or_prepared() -> None:
    assert TableState.STREAMING not in TABLE_STEPS[TableState.LOADING] | TABLE_STEPS[TableState.PREPARED]
    assert {old for old, new in TABLE_STEPS.items() if TableState.STREAMING in new} == {TableState.CATCHING_UP}


def test_missing_changes_are_only_healed_by_a_load() -> None:
    assert TABLE_STEPS[TableState.RESYNC_REQUIRED] <= {TableState.PREPARED, TableState.LOADING, TableState.FAILED}


def test_the_page_is_current() -> None:
    page = statuses_page.PAGE.read_text(encoding="utf-8")
    assert page == statuses_page.render(), "write it with python -m cdc_assets_tests.unit.model.statuses_page"
    assert all(word in page for word in statuses_page.words_shown())
