"""The broker: one combined KRaft node, its files, its one-time format and its command."""

import base64
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cdc_assets.embedded.java import LOGGING, java_command
from cdc_assets.embedded.server_process import JVM_TERMINATED, ServerProcess, free_port
from cdc_assets.model.errors import EmbeddedStackError
from cdc_assets.planning.connectors import LARGEST_MESSAGE_BYTES

HEAP_MB = 384


@dataclass(frozen=True)
class Broker:
    """Where the broker lives and how it is reached."""

    directory: Path
    libraries: Path
    java: Path
    port: int
    log: Path
    fast: bool = False

    def process(self) -> ServerProcess:
        """Return the broker, not started; its storage is formatted afterwards."""
        # Topics hold row values: no one else on the machine reads them.
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        properties = self.directory / "broker.properties"
        logging = self.directory / "log4j2.yaml"
        properties.write_text(self._properties(), encoding="utf-8")
        logging.write_text(LOGGING, encoding="utf-8")
        self._format(properties, logging)
        return ServerProcess(
            "Kafka broker",
            self._command("kafka.Kafka", [str(properties)], logging),
            probe=self.answers,
            log=self.log,
            death_signal=signal.SIGTERM,
            expected_returncode=JVM_TERMINATED,
            cwd=self.directory,
        )

    def answers(self) -> bool:
        """Say whether the broker serves metadata."""
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0})
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _command(self, main: str, arguments: list[str], logging: Path) -> list[str]:
        return java_command(
            self.java,
            main,
            arguments,
            libraries=self.libraries,
            heap_mb=HEAP_MB,
            logging=logging,
            fast=self.fast,
        )

    def _format(self, properties: Path, logging: Path) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would be taken for an option.
        cluster = "A" + cluster[1:] if cluster.startswith("-") else cluster
        done = subprocess.run(
            self._command("kafka.tools.StorageTool", ["format", "-t", cluster, "-c", str(properties)], logging),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode:
            raise EmbeddedStackError(
                f"the Kafka broker's storage could not be formatted (exit code {done.returncode}); see {self.log}",
                hint="free disk space and the permissions of CDC_HOME are the usual causes",
            )

    def _properties(self) -> str:
        controller = free_port()
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.directory / "data",
            "num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": LARGEST_MESSAGE_BYTES,
            "auto.create.topics.enable": "false",
            "log.retention.hours": 168,
            # A pipeline may be paused for as long as its operator likes: its sinks' positions must still be there.
            "offsets.retention.minutes": 2147483647,
            # One broker has no second copy: a power cut must not lose what the slot has passed.
            "log.flush.interval.ms": 1000,
            "log.flush.scheduler.interval.ms": 1000,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())
