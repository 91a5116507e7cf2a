"""How secrets reach Kafka Connect: as files of the embedded worker, or by what a remote one was given.

A configuration then holds `${directory:<path>:password}`; Connect reads the file at each start of a task and never
stores its content.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdc_assets.model.errors import ConnectorError
from cdc_assets.model.pipeline import Connection, SecretReference
from cdc_assets.planning.connector_configs import ConnectorCredentials


@dataclass(frozen=True, slots=True)
class EmbeddedConnectSecrets:
    """Files below `directory`, one folder a connection; `read` looks a secret up when it is needed."""

    directory: Path
    read: Callable[[SecretReference], str]

    def ensure(self, connection: Connection) -> ConnectorCredentials:
        """Write user and password, readable by their owner only, and return references to them."""
        folder = (self.directory / connection.name).absolute()
        if set(str(folder)) & set(":}"):
            raise ConnectorError(
                f"Kafka Connect cannot read secrets below {folder}: the path holds a colon or a brace",
                hint="set CDC_HOME to a path without them",
            )
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        _write(folder / "user", connection.user)
        _write(folder / "password", self.read(connection.password))
        return ConnectorCredentials(user=f"${{directory:{folder}:user}}", password=f"${{directory:{folder}:password}}")


@dataclass(frozen=True, slots=True)
class RemoteConnectSecrets:
    """What the operator of a remote Connect has put there; `connections.yaml` names it."""

    def ensure(self, connection: Connection) -> ConnectorCredentials:
        """Return the reference the file names; nothing is written."""
        if connection.connect_password is None:
            raise ConnectorError(
                f"Kafka Connect runs elsewhere and connection {connection.name} names no password for it",
                hint="set connect_password in the connections file, such as ${directory:/run/secrets:app_password}",
            )
        return ConnectorCredentials(user=connection.user, password=connection.connect_password)


def _write(file: Path, content: str) -> None:
    """Replace the file in one step: a task that starts meanwhile reads the old or the new value, never half."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    # No line end: the provider would hand it on as part of the secret.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(content)
    fresh.replace(file)
