"""Our converter for the source connector: a jar of this package, made from `connect-plugin/`.

`distribution` puts it beside the PostgreSQL connector, which loads what a configuration names from its own directory.
"""

import hashlib
from importlib import resources

from cdc_assets.model.errors import EmbeddedStackError

CONVERTER_JAR = "cdc-assets-connect.jar"
CONVERTER_SHA256 = "0a26e4dd89e066b5518f5cf55484a50a49a4d1b3d6cb2ab313aaea84a0386c08"


def converter_bytes() -> bytes:
    """Return the jar; EmbeddedStackError when it is not the one that was recorded."""
    content = resources.files("cdc_assets.embedded").joinpath(CONVERTER_JAR).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != CONVERTER_SHA256:
        raise EmbeddedStackError(
            f"file {CONVERTER_JAR} is not the recorded one (got sha256 {found[:12]}, want {CONVERTER_SHA256[:12]})",
            hint="restore cdc_assets/embedded from the release",
        )
    return content
