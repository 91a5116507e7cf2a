"""The Kafka Connect worker: distributed mode on one machine, with the two Debezium plugins and nothing else."""

import signal
from dataclasses import dataclass
from pathlib import Path

import requests
from tenacity import RetryError, Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.java import LOGGING, java_command
from cdc_assets.embedded.server_process import JVM_TERMINATED, ServerProcess
from cdc_assets.model.errors import EmbeddedStackError
from cdc_assets.planning.connectors import LARGEST_MESSAGE_BYTES

HEAP_MB = 768
REQUEST_SECONDS = 10
PROVIDERS = "org.apache.kafka.common.config.provider"


@dataclass(frozen=True)
class Worker:
    """Where the worker lives, how it is reached, and how long its cluster waits for a worker that left it."""

    directory: Path
    libraries: Path
    plugins: Path
    secrets: Path
    java: Path
    port: int
    kafka_bootstrap: str
    log: Path
    fast: bool = False
    rebalance_delay_seconds: int = 10

    @property
    def url(self) -> str:
        """REST address."""
        return f"http://127.0.0.1:{self.port}"

    def process(self) -> ServerProcess:
        """Return the worker, not started."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        properties = self.directory / "worker.properties"
        logging = self.directory / "log4j2.yaml"
        properties.write_text(self._properties(), encoding="utf-8")
        logging.write_text(LOGGING, encoding="utf-8")
        command = java_command(
            self.java,
            "org.apache.kafka.connect.cli.ConnectDistributed",
            [str(properties)],
            libraries=self.libraries,
            heap_mb=HEAP_MB,
            logging=logging,
            fast=self.fast,
        )
        return ServerProcess(
            "Kafka Connect",
            command,
            probe=self.answers,
            log=self.log,
            # With TERM it lingers after its broker is gone and could meet the next stack.
            death_signal=signal.SIGKILL,
            expected_returncode=JVM_TERMINATED,
            cwd=self.directory,
        )

    def answers(self) -> bool:
        """Say whether the worker has joined its group and serves requests."""
        try:
            return requests.get(f"{self.url}/connectors", timeout=5).ok
        except requests.RequestException:
            return False

    def stop_connectors(self, seconds: float = 60) -> None:
        """Bring every connector to STOPPED with no task left, so that the worker's end interrupts nothing.

        Does nothing when no worker listens. Raises EmbeddedStackError naming the connectors that do not get there.
        """
        waiting = Retrying(
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.2),
            # During a rebalance Connect answers 409, 404 and 500: not yet.
            retry=retry_if_exception(_not_yet) | retry_if_result(bool),
        )
        moving: list[str] = []
        try:
            moving = waiting(self._moving_connectors)
        except requests.ConnectionError:
            return
        except RetryError as error:
            last = error.last_attempt
            if not last.failed:
                moving = last.result()
            names = ", ".join(moving) or "Kafka Connect does not answer"
            raise EmbeddedStackError(
                f"connectors were not stopped within {seconds:.0f} s: {names}",
                hint=f"see {self.log}; the stop goes on, and the next start resumes from what Kafka acknowledged",
            ) from error

    def _moving_connectors(self) -> list[str]:
        answer = requests.get(f"{self.url}/connectors?expand=status", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        moving = []
        for name, entry in answer.json().items():
            status = entry["status"]
            if status["connector"]["state"] != "STOPPED":
                requests.put(f"{self.url}/connectors/{name}/stop", timeout=REQUEST_SECONDS)
                moving.append(name)
            elif status["tasks"]:
                moving.append(name)
        return moving

    def _properties(self) -> str:
        settings = {
            "bootstrap.servers": self.kafka_bootstrap,
            "group.id": "cdc",
            "listeners": self.url,
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": self.port,
            "plugin.path": self.plugins,
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "true",
            "value.converter.schemas.enable": "true",
            "config.storage.topic": "_connect_configs",
            "offset.storage.topic": "_connect_offsets",
            "status.storage.topic": "_connect_status",
            "config.storage.replication.factor": 1,
            "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 4,
            "status.storage.replication.factor": 1,
            "status.storage.partitions": 1,
            "offset.flush.interval.ms": 1000,
            "topic.creation.enable": "true",
            "connector.client.config.override.policy": "All",
            "scheduled.rebalance.max.delay.ms": self.rebalance_delay_seconds * 1000,
            # Short sessions: after an unclean stop the next worker would wait 45 s for the dead member.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            "consumer.session.timeout.ms": 6000,
            "consumer.heartbeat.interval.ms": 2000,
            "producer.max.request.size": LARGEST_MESSAGE_BYTES,
            "consumer.max.partition.fetch.bytes": LARGEST_MESSAGE_BYTES,
            "config.providers": "file,env,directory",
            "config.providers.file.class": f"{PROVIDERS}.FileConfigProvider",
            "config.providers.file.param.allowed.paths": self.secrets,
            "config.providers.env.class": f"{PROVIDERS}.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "^CDC_CONNECT_SECRET_.*",
            "config.providers.directory.class": f"{PROVIDERS}.DirectoryConfigProvider",
            # The second gives every start of a source task a topic prefix, and so an offset key, of its own.
            "config.providers.directory.param.allowed.paths": f"{self.secrets},/proc/sys/kernel/random",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def _not_yet(error: BaseException) -> bool:
    # Nobody listens: the worker never came up or is gone, and its tasks with it.
    return isinstance(error, requests.RequestException) and not isinstance(error, requests.ConnectionError)
