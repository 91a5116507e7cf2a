"""Our own jars on the Kafka Connect worker, which are files of this package, made from `connect-plugin/`.

`distribution` puts each into the directory of the plugin that it belongs to: what a configuration of the PostgreSQL
connector names is loaded from there, and only from the sink's directory are the sink's drivers seen.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources

from cdc_assets.model.errors import EmbeddedStackError


@dataclass(frozen=True, slots=True)
class ConnectJar:
    """A jar, what it has to be, and the directory of the plugin beside which it lies."""

    name: str
    sha256: str
    plugin: str

    def content(self) -> bytes:
        """Return it; EmbeddedStackError when it is not the one that was recorded."""
        content = resources.files("cdc_assets.embedded").joinpath(self.name).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise EmbeddedStackError(
                f"file {self.name} is not the recorded one (got sha256 {found[:12]}, want {self.sha256[:12]})",
                hint="restore cdc_assets/embedded from the release",
            )
        return content


CONNECT_JARS = (
    ConnectJar(
        "cdc-assets-connect.jar",
        "fccf1d8c53f4ec01a576f0e3be5ea59bbb60bd641f02345c07c8d4e52824e14a",
        "debezium-connector-postgres",
    ),
    ConnectJar(
        "cdc-assets-connect-sink.jar",
        "39f1dd9993a20a7f28ac4adb9be702ed59264addbc3dc70ca0ae999361ea3793",
        "debezium-connector-jdbc",
    ),
)
"""The converter of the source connector, and the login that `check` asks of a worker."""
