"""A thread beside the stages of a run: it tells what they wait for, and ends their waits when the run has to end.

Whoever waits for a server sees neither a stop nor a lost lease: a commit that a synchronous standby holds back, or a
lock, may last for ever. Called by `stages/sync`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cdc_assets.model.errors import (
    IntentChangedError,
    LeaseLostError,
    SourceError,
    StateDatabaseError,
    TargetError,
)
from cdc_assets.stages.context import StageContext

_LOOK_SECONDS = 5.0
_JOIN_SECONDS = 10.0


@contextmanager
def run_watched(context: StageContext) -> Iterator[None]:
    """While the block works, tell what its sessions wait for on the target.

    When the lease or the intent has changed, and the block is still there at the next look, its sessions on both
    servers are ended: what they had not committed is not there, and the block meets servers that are away.
    """
    ended = threading.Event()

    def watch() -> None:
        is_wanted = True
        while not ended.wait(_LOOK_SECONDS):
            try:
                if is_wanted:
                    context.lease.check()
                    _tell(context)
                else:
                    _end_sessions(context)
            except (LeaseLostError, IntentChangedError):
                # The stages see it too, before the next chunk: they have until the next look to end by themselves.
                is_wanted = False
            except (TargetError, StateDatabaseError):
                continue  # the stage that needs it meets the same, and raises it

    thread = threading.Thread(target=watch, name="run-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_JOIN_SECONDS)


def _tell(context: StageContext) -> None:
    found = context.target.waits()
    if found is None:
        context.waits.over("target")
    else:
        context.waits.tell_target(found)


def _end_sessions(context: StageContext) -> None:
    ends: dict[str, Callable[..., int]] = {
        "target": context.target.end_stale_sessions,
        "source": context.source.end_stale_sessions,
    }
    for side, end in ends.items():
        try:
            count = end(context.pipeline.name, before_epoch=context.lease.epoch + 1)
        except (SourceError, TargetError) as error:
            context.log(f"The run has to end, and its sessions on the {side} cannot be ended: {error.message}")
            continue
        if count:
            context.log(f"The run has to end and still waited: {count} of its sessions on the {side} were ended")
