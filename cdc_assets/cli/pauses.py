"""The verbs `pause` and `resume`, of a pipeline and of a table."""

from collections.abc import Callable

import typer

from cdc_assets import wiring
from cdc_assets.cli.names import Name, OneTable
from cdc_assets.cli.pipelines import AsJson, NoWait, Timeout, follow_to_end, is_started, usable
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import TROUBLE, Intent, TableState

_FLOWING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (pause, resume):
        app.command()(verb)


def pause(
    name: Name, table: OneTable = None, timeout: Timeout = None, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Pause a pipeline or one table; returns when nothing is applied any more. Its changes are kept meanwhile."""
    settings = wiring.load_settings()
    usable(settings, name)
    if table is None:
        asked = wiring.request_pause(settings, name)
        follow_to_end(settings, asked, _is_served, timeout=timeout, no_wait=no_wait, as_json=as_json)
    else:
        asked = wiring.request_table_pause(settings, name, table)
        follow_to_end(settings, asked, _is_held(table), timeout=timeout, no_wait=no_wait, as_json=as_json, table=table)


def resume(
    name: Name, table: OneTable = None, timeout: Timeout = None, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Let a paused pipeline or table go on where it was; returns when its changes arrive. Nothing is loaded again."""
    settings = wiring.load_settings()
    usable(settings, name)
    if table is None:
        asked = wiring.request_resume(settings, name)
        follow_to_end(settings, asked, is_started, timeout=timeout, no_wait=no_wait, as_json=as_json)
    else:
        asked = wiring.request_table_resume(settings, name, table)
        follow_to_end(
            settings, asked, _is_released(table), timeout=timeout, no_wait=no_wait, as_json=as_json, table=table
        )


def _is_served(record: PipelineRecord) -> bool:
    return record.served_version >= record.intent_version


def _is_held(table: str) -> Callable[[PipelineRecord], bool]:
    return lambda record: record.table(table).state not in _FLOWING


def _is_released(table: str) -> Callable[[PipelineRecord], bool]:
    def is_done(record: PipelineRecord) -> bool:
        state = record.table(table).state
        return state is TableState.STREAMING or state in TROUBLE or record.intent is not Intent.RUNNING

    return is_done
