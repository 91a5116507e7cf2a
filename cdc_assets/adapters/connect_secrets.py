"""How secrets reach Kafka Connect: as files of the embedded worker, or by what a remote one was given.

A configuration then holds `${directory:<path>:password}`; Connect reads the file at each start of a task and never
stores its content.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cdc_assets.model.errors import ConnectorError
from cdc_assets.model.pipeline import Connection, SecretReference
from cdc_assets.planning.connectors import ConnectorCredentials


@dataclass(frozen=True, slots=True)
class EmbeddedConnectSecrets:
    """Files below `directory`, one folder a connection; `read` looks a secret up when it is needed."""

    directory: Path
    read: Callable[[SecretReference], str]

    def ensure(self, connection: Connection) -> ConnectorCredentials:
        """Write user and password, readable by their owner only, and return references to them."""
        references = self.references(connection)
        self._write_files(self.directory / connection.name, connection)
        return references

    def references(self, connection: Connection) -> ConnectorCredentials:
        """Return what `ensure` returns; nothing is written."""
        return _references(self.directory / connection.name)

    @contextmanager
    def lent(self, connection: Connection) -> Iterator[ConnectorCredentials]:
        """Write them into a folder of this call's own, which is gone when the block ends.

        Not into the connection's folder: a start may have just filled that.
        """
        folder = self.directory / f".lent-{uuid4().hex}"
        references = _references(folder)
        try:
            self._write_files(folder, connection)
            yield references
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write_files(self, folder: Path, connection: Connection) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        _write(folder / "user", connection.user)
        _write(folder / "password", self.read(connection.password))


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

    def references(self, connection: Connection) -> ConnectorCredentials:
        """Return the reference the file names."""
        return self.ensure(connection)

    @contextmanager
    def lent(self, connection: Connection) -> Iterator[ConnectorCredentials]:
        """Hand out the reference the file names."""
        yield self.ensure(connection)


def _references(folder: Path) -> ConnectorCredentials:
    where = folder.absolute()
    if set(str(where)) & set(":}"):
        raise ConnectorError(
            f"Kafka Connect cannot read secrets below {where}: the path holds a colon or a brace",
            hint="set CDC_HOME to a path without them",
        )
    return ConnectorCredentials(user=f"${{directory:{where}:user}}", password=f"${{directory:{where}:password}}")


def _write(file: Path, content: str) -> None:
    """Replace the file in one step: a task that starts meanwhile reads the old or the new value, never half."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    # No line end: the provider would hand it on as part of the secret.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(content)
    fresh.replace(file)
