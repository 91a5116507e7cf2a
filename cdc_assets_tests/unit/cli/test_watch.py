"""`status --watch` ends when a look ends it, and does not look again for ever."""

from collections.abc import Callable

import pytest
from rich.text import Text

from cdc_assets.cli.pipelines import _watch
from cdc_assets.model.errors import StateDatabaseError


def _look_that_meets(problem: BaseException) -> Callable[[], Text]:
    looks = iter([None, problem])

    def look() -> Text:
        met = next(looks)  # a third look is a StopIteration
        if met is not None:
            raise met
        return Text("sales")

    return look


def test_ctrl_c_in_the_middle_of_a_look_ends_it() -> None:
    _watch(_look_that_meets(KeyboardInterrupt()), dict, as_json=False)


def test_a_state_database_that_goes_away_is_told() -> None:
    with pytest.raises(StateDatabaseError):
        _watch(_look_that_meets(StateDatabaseError("gone", hint="start it")), dict, as_json=False)
