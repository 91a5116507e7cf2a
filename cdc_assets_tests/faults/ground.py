"""What a fault can be caused in: one installation, the servers around it, and networks in between that can be cut.

The broker is the test's own, so that there is a network to it: its clients go where it says it can be reached.
"""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import psutil
import psycopg

from cdc_assets.embedded.kafka import Broker
from cdc_assets.embedded.server_process import free_port
from cdc_assets_tests.faults.disk import Disk, make_disk
from cdc_assets_tests.services.installation import Installation
from cdc_assets_tests.services.proxy import Proxy
from cdc_assets_tests.services.servers import Servers

SOURCE, TARGET = 18, 15
Side = Literal["source", "target", "broker"]
SIDES: tuple[Side, ...] = ("source", "target", "broker")


@dataclass(frozen=True)
class _BrokerElsewhere(Broker):
    """A broker that tells its clients to come through the network in front of it."""

    network_port: int = 0

    def _properties(self) -> str:
        own, reached = (f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}" for port in (self.port, self.network_port))
        written = super()._properties()
        assert own in written
        return written.replace(own, reached)


@dataclass
class Ground:
    """One installation; source, target and broker are reached through `networks`; `disk` holds the target's tables."""

    installation: Installation
    servers: Servers
    networks: dict[Side, Proxy]
    disk: Disk

    @classmethod
    @contextmanager
    def made(cls) -> Iterator["Ground"]:
        """Start source, target and broker, and the stack; everything ends with the block."""
        with ExitStack() as ends:
            servers = Servers.make()
            ends.callback(shutil.rmtree, servers.home, ignore_errors=True)
            disk = make_disk(servers.home, lambda: servers.postmaster(TARGET))
            ends.callback(disk.remove)
            ends.callback(servers.stop)
            port = free_port()
            # What `Servers` would make itself when the broker is asked for.
            broker = Proxy(port)
            servers._broker = _BrokerElsewhere(
                directory=servers.home / "kafka",
                libraries=servers.programs.libraries,
                java=servers.java,
                port=port,
                log=servers.home / "logs" / "kafka.log",
                fast=True,
                network_port=broker.port,
            )
            servers.kafka()
            networks: dict[Side, Proxy] = {
                "source": Proxy(servers.postgres(SOURCE).port),
                "target": Proxy(servers.postgres(TARGET).port),
                "broker": broker,
            }
            if disk.tablespace is not None:
                with psycopg.connect(servers.postgres(TARGET).url("postgres"), autocommit=True) as session:
                    session.execute(f"CREATE TABLESPACE small LOCATION '{disk.tablespace}'".encode())
            installation = Installation.make()
            for network in networks.values():
                ends.callback(network.close)
            ends.callback(installation.remove)
            installation.environment["CDC_KAFKA_BOOTSTRAP"] = f"127.0.0.1:{broker.port}"
            installation.up()
            yield cls(installation, servers, networks, disk)

    def process(self, *words: str) -> psutil.Process:
        """The process of the installation's stack with these words on its command line."""
        found = self._processes(*words)
        assert found, f"no process with {words}"
        return found[0]

    def has_process(self, *words: str, besides: psutil.Process | None = None) -> bool:
        """Whether the stack has such a process, another one than `besides`."""
        return any(process != besides for process in self._processes(*words))

    def supervisor(self) -> psutil.Process:
        """The process of `./cdc up`."""
        return psutil.Process(int((self.installation.directory / "home" / "stack.lock").read_text()))

    def _processes(self, *words: str) -> list[psutil.Process]:
        home = str(self.installation.directory)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline())
                is_ours = home in command or process.environ().get("CDC_HOME", "").startswith(home)
                if is_ours and all(word in command for word in words):
                    found.append(process)
        return found

    def url(self, side: Side, database: str) -> str:
        """A database as the product reaches it, through the network."""
        return f"postgresql://127.0.0.1:{self.networks[side].port}/{database}"
