"""A pipeline from PostgreSQL to SQL Server, driven stage by stage as its PostgreSQL counterpart is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets
from cdc_assets.adapters.sqlserver import SqlServerTarget
from cdc_assets.model.pipeline import Endpoint, Pipeline, SecretReference
from cdc_assets.model.sqlserver_url import SECRET
from cdc_assets.ports.target import TargetDatabase
from cdc_assets_tests.integration.load.killed_run import run_until_killed
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.servers import PASSWORD
from cdc_assets_tests.sqlserver.server import SqlServer
from cdc_assets_tests.sqlserver.values import differences


@dataclass(kw_only=True)
class SqlServerBench(StreamBench):
    """Runs the steps of one pipeline whose target is a schema of a SQL Server."""

    server: SqlServer

    def __post_init__(self) -> None:
        """Each side has its password."""
        super().__post_init__()
        self.secrets = EmbeddedConnectSecrets(self.secrets_dir, self._password)

    def target_endpoint(self) -> Endpoint:
        """Where a pipeline's tables go."""
        return self.server.endpoint

    def open_target(self, pipeline: Pipeline, epoch: int, patience_seconds: float | None = None) -> TargetDatabase:
        """The adapter of the target's product."""
        return SqlServerTarget(
            pipeline.target,
            password=self.server.password,
            pipeline=pipeline.name,
            epoch=epoch,
            patience_seconds=patience_seconds,
        )

    def target(self, statements: str) -> list[tuple[object, ...]]:
        """Run T-SQL in the target."""
        return self.server.run(statements)

    def differences(self, tables: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
        """How many values differ and how many rows are in one side only, by table."""
        found = {}
        for source, target in tables:
            unequal = differences(self.databases.source_url, source, self.server, target)
            if unequal:
                alone = sum(sentence.endswith("in one side only") for sentence in unequal)
                found[source] = (len(unequal) - alone, alone)
        return found

    def run_until_killed(self, pipeline: Pipeline, point: str, times: int = 1) -> None:
        """Run Step 0 and Step 1 in a process that kills itself at the point."""
        make = partial(SqlServerBench, self.databases, self.kafka_bootstrap, server=self.server)
        run_until_killed(self, pipeline, point, times, make=make)

    def _password(self, reference: SecretReference) -> str:
        return self.server.password if reference == SECRET else PASSWORD
