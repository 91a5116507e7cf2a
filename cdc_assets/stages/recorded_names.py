"""The outside names of a pipeline, recorded before anything of that name is made."""

import secrets

from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.stages.context import StageContext

_SUFFIX_BYTES = 3


def ensure_names(context: StageContext) -> PipelineNames:
    """Return the recorded names; the first call of a generation draws and records them.

    The random end keeps a pipeline that lost its state away from what an earlier one of that name left behind.
    """
    record = context.lease.check()
    suffix = record.suffix or secrets.token_hex(_SUFFIX_BYTES)
    names = pipeline_names(context.pipeline, record.generation, suffix)
    if record.suffix is None:
        context.lease.set_names(
            suffix=suffix,
            slot=names.slot,
            publication=names.publication,
            source_connector=names.source_connector,
            sink_prefix=names.sink_prefix,
        )
    return names
