"""`ports.streaming.ConnectCluster` over the REST API of a Connect cluster in distributed mode."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from cdc_assets.adapters.kafka_connect.rest import ConnectRest, NotYetError
from cdc_assets.adapters.kafka_connect.traces import cause_of, without_values
from cdc_assets.model.connector import ConnectorReport, ConnectorState, ConnectorTask
from cdc_assets.model.errors import ConnectorError, WaitTimeoutError
from cdc_assets.model.position import Lsn
from cdc_assets.ports.streaming import ConnectorPlugin


class KafkaConnect:
    """A Connect cluster; `patience_seconds` bounds each call and each wait for a state."""

    def __init__(self, url: str, *, patience_seconds: float = 60) -> None:
        self._rest = ConnectRest(url, patience_seconds=patience_seconds)

    def plugins(self) -> tuple[ConnectorPlugin, ...]:
        """The classes the cluster offers."""
        answer = self._rest.get("connector-plugins", connectorsOnly="false")
        return tuple(ConnectorPlugin(entry["class"], entry.get("version") or "") for entry in answer.body)

    def reports(self) -> Mapping[str, ConnectorReport]:
        """Every connector with its tasks, in one call."""
        answer = self._rest.get("connectors", expand="status")
        return {name: _report(name, entry["status"]) for name, entry in answer.body.items() if "status" in entry}

    def config(self, name: str) -> Mapping[str, str] | None:
        """The stored configuration; references stay references."""
        answer = self._rest.get("connectors", name, "config")
        if answer.is_missing:
            return None
        return {key: value for key, value in answer.body.items() if key != "name"}

    def ensure_stopped_connector(self, name: str, config: Mapping[str, str]) -> None:
        """Make it with that configuration, STOPPED; one that exists is stopped first."""
        wanted = dict(config)
        present = self.config(name)
        if present is None:
            self._create(name, wanted)
        else:
            self._rest.call("PUT", "connectors", name, "stop")
            self._until(lambda: self._is_stopped(name), f"connector {name} did not stop")
            if present != wanted:
                self._rest.call("PUT", "connectors", name, "config", body=wanted)
        self._until(
            lambda: self._is_stopped(name) and self.config(name) == wanted,
            f"connector {name} was not stopped with its new configuration",
        )

    def validate(self, connector_class: str, config: Mapping[str, str]) -> tuple[str, ...]:
        """The problems Connect's own validation finds."""
        answer = self._rest.call(
            "PUT",
            "connector-plugins",
            connector_class,
            "config",
            "validate",
            body={**config, "connector.class": connector_class},
        )
        if answer.is_missing:
            return (f"{connector_class} is not installed",)
        return tuple(
            f"{entry['value']['name']}: {without_values(problem)}"
            for entry in answer.body["configs"]
            for problem in entry["value"]["errors"]
        )

    def resume(self, name: str) -> None:
        """Ask it to run."""
        self._require(self._rest.call("PUT", "connectors", name, "resume").is_missing, name)

    def stop(self, names: Sequence[str]) -> None:
        """Ask all to stop, then wait for all: together they need as long as the slowest."""
        for name in names:
            self._rest.call("PUT", "connectors", name, "stop")

        def running() -> list[str]:
            reports = self.reports()
            return [name for name in names if name in reports and not reports[name].is_stopped]

        self._until(lambda: not running(), f"connectors did not stop: {', '.join(names)}")

    def pause(self, names: Sequence[str]) -> None:
        """Ask all to pause, then wait for all; a task that has failed does nothing either."""
        for name in names:
            self._rest.call("PUT", "connectors", name, "pause")

        def running() -> list[str]:
            reports = self.reports()
            return [name for name in names if name in reports and not reports[name].is_paused]

        if names:
            self._until(lambda: not running(), f"connectors did not pause: {', '.join(names)}")

    def restart_failed(self, name: str) -> None:
        """Restart what has FAILED of it; asking twice does no harm."""
        self._require(
            self._rest.call(
                "POST", "connectors", name, "restart", query={"includeTasks": "true", "onlyFailed": "true"}
            ).is_missing,
            name,
        )

    def delete(self, name: str) -> None:
        """Stop it, forget its offsets, which would outlive it, then the connector itself."""
        if self.config(name) is None:
            return
        self.stop([name])
        self._until(lambda: self._forget_offsets(name), f"offsets of {name} were not deleted")
        self._rest.call("DELETE", "connectors", name)
        self._until(lambda: self.config(name) is None, f"connector {name} was not deleted")

    def set_sink_offset(self, name: str, topic: str, offset: int) -> None:
        """PATCH the offset and read it back."""
        wanted = {"partition": {"kafka_topic": topic, "kafka_partition": 0}, "offset": {"kafka_offset": offset}}
        answer = self._rest.call("PATCH", "connectors", name, "offsets", body={"offsets": [wanted]})
        self._require(answer.is_missing, name)
        self._until(lambda: wanted in self._offsets(name), f"the offset of {name} was not taken")

    def delivered_lsn(self, name: str) -> Lsn | None:
        """The highest `lsn_commit`: each start of the task has a row of its own, an old one is still true."""
        positions = [row["offset"].get("lsn_commit") for row in self._offsets(name) if row.get("offset")]
        return max((Lsn(int(position)) for position in positions if position is not None), default=None)

    def confirmed_lsn(self, name: str) -> Lsn | None:
        """As Debezium's `commitOffset`: a task's first transaction has no `lsn_commit` before it ends."""
        offsets = [row["offset"] for row in self._offsets(name) if row.get("offset")]
        positions = [offset.get("lsn_commit", offset.get("lsn_proc")) for offset in offsets]
        return max((Lsn(int(position)) for position in positions if position is not None), default=None)

    def _create(self, name: str, config: Mapping[str, str]) -> None:
        body = {"name": name, "config": config, "initial_state": "STOPPED"}
        try:
            self._rest.call("POST", "connectors", body=body)
        except ConnectorError:
            # A repeated request meets what the first one made.
            if self.config(name) is None:
                raise

    def _is_stopped(self, name: str) -> bool:
        answer = self._rest.get("connectors", name, "status")
        return not answer.is_missing and _report(name, answer.body).is_stopped

    def _offsets(self, name: str) -> list[Any]:
        answer = self._rest.get("connectors", name, "offsets")
        return [] if answer.is_missing else list(answer.body["offsets"])

    def _forget_offsets(self, name: str) -> bool:
        try:
            answer = self._rest.call("DELETE", "connectors", name, "offsets")
        except ConnectorError:
            # A sink's consumer needs a moment to leave its group; a sink that never ran has no group to delete.
            if not self._offsets(name):
                return True
            raise NotYetError("its consumer has not left the group") from None
        return answer.is_missing or not self._offsets(name) or answer.status == HTTPStatus.OK

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        def check() -> None:
            if not condition():
                raise NotYetError(what)

        try:
            self._rest.waiting(NotYetError)(check)
        except NotYetError as error:
            raise WaitTimeoutError(
                f"{what} within {self._rest.patience_seconds:.0f} s",
                hint="see the log of Kafka Connect; the next start or stop goes on from here",
            ) from error

    @staticmethod
    def _require(is_missing: bool, name: str) -> None:  # noqa: FBT001  private, one meaning
        if is_missing:
            raise ConnectorError(f"Kafka Connect has no connector {name}", hint="start the pipeline: it makes it again")


def _report(name: str, status: Mapping[str, Any]) -> ConnectorReport:
    connector = status["connector"]
    return ConnectorReport(
        name=name,
        state=ConnectorState(connector["state"]),
        tasks=tuple(
            ConnectorTask(
                id=int(task["id"]),
                state=ConnectorState(task["state"]),
                worker=str(task.get("worker_id", "")),
                cause=cause_of(task["trace"]) if task.get("trace") else None,
            )
            for task in status["tasks"]
        ),
        cause=cause_of(connector["trace"]) if connector.get("trace") else None,
    )
