"""Where the demo takes place: databases, roles, secret files, and the two files of the pipeline.

Everything is below the state directory, so that the checkout stays clean. The roles are ordinary ones, with what the
preflight asks for and no more.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from cdc_assets.embedded.demo.sample import SOURCE_SCHEMA, TABLES, TARGET_SCHEMA, SampleTable
from cdc_assets.embedded.postgres import PostgresCluster
from cdc_assets.model.errors import DemoError
from cdc_assets.settings import EMBEDDED_DATABASE, Settings

PIPELINE = "final_test2"
SOURCE_ROLE = "demo_source"
TARGET_ROLE = "demo_target"


@dataclass(frozen=True)
class Site:
    """The demo's part of a state directory."""

    settings: Settings

    @classmethod
    def at(cls, settings: Settings) -> "Site":
        """Return the site in the settings' state directory; DemoError when servers of the user's own are configured."""
        configured = [
            name
            for name, is_embedded in (
                ("CDC_DATABASE_URL", settings.is_embedded_postgres),
                ("CDC_KAFKA_BOOTSTRAP", settings.is_embedded_kafka),
                ("CDC_CONNECT_URL", settings.is_embedded_connect),
            )
            if not is_embedded
        ]
        if configured:
            raise DemoError(
                f"the demo brings its own servers, but {', '.join(configured)} is set",
                hint="unset it in the environment or in cdc_assets.toml, or run the demo in another clone",
            )
        demo = settings.home / "demo"
        return cls(
            settings.model_copy(
                update={
                    "pipelines_dir": demo / "pipelines",
                    "connections_file": demo / "connections.yaml",
                    "alerts_file": demo / "alerts.yaml",
                    # The loads are small: what counts is how soon the servers are there.
                    "fast_start": True,
                }
            )
        )

    @property
    def ports(self) -> dict[str, int]:
        """The two further clusters and their ports."""
        return {"source": self.settings.demo_source_port, "target": self.settings.demo_target_port}

    @property
    def pipeline_file(self) -> Path:
        """The pipeline's file."""
        return self.settings.pipelines_dir / f"{PIPELINE}.yaml"

    def password_file(self, role: str) -> Path:
        """The file that holds the password of a role."""
        return self.settings.secrets_dir / f"{role}_password"

    def url(self, role: str) -> str:
        """The address of a role's database, with its password."""
        port = self.ports["source" if role == SOURCE_ROLE else "target"]
        password = self.password_file(role).read_text(encoding="utf-8")  # of letters and digits, nothing to quote
        return f"postgresql://{role}:{password}@127.0.0.1:{port}/{EMBEDDED_DATABASE}"

    def write_files(self) -> None:
        """Write the passwords, where there are none yet, and the files that a user would write."""
        settings = self.settings
        settings.secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for role in (SOURCE_ROLE, TARGET_ROLE):
            file = self.password_file(role)
            if not file.exists():
                file.touch(mode=0o600)
                file.write_text(secrets.token_hex(16), encoding="utf-8")
        settings.pipelines_dir.mkdir(parents=True, exist_ok=True)
        settings.connections_file.write_text(
            "".join(self._connection(role, side) for role, side in ((SOURCE_ROLE, "source"), (TARGET_ROLE, "target"))),
            encoding="utf-8",
        )
        tables = "".join(f"  - {table.name}\n" for table in TABLES)
        self.pipeline_file.write_text(
            "mode: full_load_and_cdc\n"
            f"source: {{connection: {SOURCE_ROLE}, database: {EMBEDDED_DATABASE}, schema: {SOURCE_SCHEMA}}}\n"
            f"target: {{connection: {TARGET_ROLE}, database: {EMBEDDED_DATABASE}, schema: {TARGET_SCHEMA}}}\n"
            f"tables:\n{tables}",
            encoding="utf-8",
        )

    def _connection(self, role: str, side: str) -> str:
        return (
            f"{role}:\n  kind: postgres\n  host: 127.0.0.1\n  port: {self.ports[side]}\n  user: {role}\n"
            f"  password: {{file: {self.password_file(role)}}}\n"
        )

    def ensure_roles(self, source: PostgresCluster, target: PostgresCluster) -> None:
        """Make the two roles exist, with their passwords and the rights that the preflight asks for."""
        for cluster, name, rights in ((source, SOURCE_ROLE, "LOGIN REPLICATION"), (target, TARGET_ROLE, "LOGIN")):
            role = sql.Identifier(name)
            with psycopg.connect(cluster.url(EMBEDDED_DATABASE), autocommit=True) as session:
                found = session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
                if found is None:
                    session.execute(sql.SQL("CREATE ROLE {}").format(role))
                password = sql.Literal(self.password_file(name).read_text(encoding="utf-8"))
                session.execute(sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(role, sql.SQL(rights), password))
                self._grant(session, role, is_source=cluster is source)

    def empty(self, source: PostgresCluster, target: PostgresCluster) -> None:
        """Remove what an earlier demo left in both databases: all that the two roles own, and nobody else's things."""
        for cluster, name in ((source, SOURCE_ROLE), (target, TARGET_ROLE)):
            role = sql.Identifier(name)
            with psycopg.connect(cluster.url(EMBEDDED_DATABASE), autocommit=True) as session:
                session.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
                # It took the role's rights as well.
                self._grant(session, role, is_source=cluster is source)

    def _grant(self, session: psycopg.Connection, role: sql.Identifier, *, is_source: bool) -> None:
        session.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(EMBEDDED_DATABASE), role))
        if is_source:
            schema = sql.Identifier(SOURCE_SCHEMA)
            session.execute(sql.SQL("GRANT CREATE ON SCHEMA {} TO {}").format(schema, role))

    def fill(self, table: SampleTable) -> int:
        """Make a sample table with its rows, as the ordinary role; returns its size in bytes."""
        with psycopg.connect(self.url(SOURCE_ROLE)) as session:
            session.execute(table.definition)
            session.execute(table.insert, {"first": 1, "last": table.row_count})
            # A row that the user adds by hand takes the next number.
            session.execute(
                "SELECT setval(pg_get_serial_sequence(%(table)s, attname), %(rows)s) FROM pg_attribute"
                " WHERE attrelid = %(table)s::regclass AND attidentity <> ''",
                {"table": table.name, "rows": table.row_count},
            )
            session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table.name)))
            size = session.execute(
                "SELECT pg_total_relation_size(%(table)s::regclass)"
                " + coalesce(sum(pg_total_relation_size(relid)), 0)::bigint"
                " FROM pg_partition_tree(%(table)s::regclass) WHERE isleaf",
                {"table": table.name},
            ).fetchone()
        return int(size[0]) if size else 0
