"""The log of a pipeline: `CDC_HOME/logs/P.log`, one line an entry, which operators grep.

Text or JSON by `CDC_LOG_FORMAT`.
"""

from collections.abc import Callable
from typing import TextIO

import structlog

from cdc_assets.settings import Settings

Log = Callable[[str], None]


def pipeline_log(settings: Settings, name: str, *, run_id: str, also: Log) -> tuple[Log, TextIO]:
    """Return a function that writes a line to the pipeline's file and to `also`, and the file; the caller closes it."""
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    stream = (settings.logs_dir / f"{name}.log").open("a", encoding="utf-8", buffering=1)
    last = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    logger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), last],
    )

    def write(line: str) -> None:
        logger.info(line, pipeline=name, run_id=run_id)
        also(line)

    return write, stream
