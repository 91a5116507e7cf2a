"""Writes docs/configuration.md from the settings and the models of the files.

`python -m cdc_assets_tests.unit.files.configuration_page`
"""

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cdc_assets.adapters.definition_files.alerts import AlertsFile
from cdc_assets.adapters.definition_files.connection_schema import ConnectionEntry
from cdc_assets.adapters.definition_files.pipeline_schema import PipelineFile
from cdc_assets.settings import PREFIX, Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
CHECKS = {
    "definition_valid": "the file can be used",
    "tables_chosen": "`tables: all`: the source has tables for it, and none besides that came later (a warning)",
    "alerts_valid": "`alerts.yaml` can be used; a warning, shown when it cannot",
    "target_is_source": "no table is its own target, however the server is named",
    "target_shared": "no other pipeline writes the same target table",
    "source_login": "our role can log in",
    "source_locked": "nobody holds a table so that not even its catalog entry can be read (ten seconds)",
    "source_version": "PostgreSQL 14 to 18",
    "source_not_pooled": "no pooler between us and the server",
    "source_session_limits": "warns of time limits that end the connector's sessions (`statement_timeout` and others)",
    "source_connections": "server, database and role allow as many connections as load and connector need",
    "source_minor_version": "warns of a minor version whose logical decoding may lose changes, or end",
    "source_slot_keeping": "warns of settings that give the slot up, or cut its connector off, after a while",
    "source_schema": "the schema exists and may be used",
    "source_primary": "no standby",
    "source_wal_level": "`wal_level = logical`",
    "source_slots": "a replication slot is free, or ours exists",
    "source_walsenders": "a walsender is free, or ours is connected",
    "source_replication": "our role may replicate",
    "source_create": "our role may make the publication, or the file names an owner's",
    "source_publication": "the owner's publication sends every table, row, column and operation it must",
    "source_orphan_slot": "warns of a slot that an earlier life of the pipeline left",
    "table_exists": "each table is there",
    "table_kind": "ordinary or partitioned; logged; no inheritance; no foreign partition",
    "table_readable": "SELECT on it and its partitions, and no row security that hides rows",
    "table_key": "a primary key that is not deferrable, or a `key` that a unique index over NOT NULL columns proves",
    "table_replica_identity": "old rows are logged whole, or we own the table and set that ourselves",
    "table_ownership": "we own the table, or the file names an owner's publication",
    "table_generated_columns": "before PostgreSQL 18: no generated column before others in a table with an enum",
    "table_virtual_columns": "no virtual generated column, which would break the owner's UPDATEs",
    "table_partition": "no table is a partition of another one here",
    "table_columns": "no two columns of a table differ only by case",
    "table_left_out": "tells which foreign keys, triggers and unique indexes the copy is without",
    "columns_excluded": "what `columns.exclude` names is there, no part of the key, needed by no generated column, and "
    "the same as when the table was loaded",
    "column_type": "every column arrives exactly; values are looked at where they decide ([types](types.md))",
    "row_size": "an event of the largest row fits into a Kafka message, as large as the brokers say and at most "
    "20 MiB (which is assumed, and said, where they do not tell); one pass over each table that "
    "has large values, without its TOAST part, a minute at most",
    "target_login": "our role can log in",
    "target_locked": "nobody holds a table so that not even its catalog entry can be read (ten seconds)",
    "target_version": "PostgreSQL 14 to 18; warns of a SQL Server before 2016",
    "target_not_pooled": "no pooler between us and the server",
    "target_session_limits": "warns of time limits that end the sinks' sessions",
    "target_primary": "no standby, and no `default_transaction_read_only`",
    "target_create": "our role may make schema and tables",
    "target_table": "each target table can be made, is this pipeline's own, or is empty and as it has to be",
    "target_row_security": "`cdc_only`: no row security hides rows of the target from us",
    "target_write": "`cdc_only`: we may read, insert, update, delete and truncate in the target tables",
    "target_triggers": "`cdc_only`: warns of triggers that fire for changes, and of foreign keys",
    "target_names": "no table and column name that a sink connector would write as another, or that are one to "
    "SQL Server, which ignores case",
    "target_sessions": "SQL Server: our login sees the sessions of the sinks (VIEW SERVER STATE)",
    "encoding": "every text of the source can be written in the target's encoding",
    "target_connections": "half of the free connections are enough, one a table",
    "topic_names": "every table has a topic name of its own that Kafka takes",
    "kafka_reachable": "Kafka answers (a warning while the embedded one does not run)",
    "connect_reachable": "Kafka Connect answers (a warning while the embedded one does not run)",
    "connect_plugins": "the Debezium PostgreSQL source and JDBC sink plugins are there",
    "connect_converter": "warns when Connect has not our converter, which carries more types exactly",
    "connect_accepts": "Connect resolves the config providers and logs in to the source with them",
    "connect_target": "Connect logs in to the target as its sinks will",
}
_ITEMS = {"tables": "[].", "channels": ".NAME."}
_HEAD = """\
# Configuration

Written from the code by `python -m cdc_assets_tests.unit.files.configuration_page`; a test keeps it current.

## Settings

From the environment, else from `cdc_assets.toml` beside `./cdc` (the names without `CDC_`, in lower case), else the
default. Relative paths begin at the directory of `./cdc`.
"""
_CONNECTIONS = """
## connections.yaml

A map of names to servers, each as one role. A password is never written into the file: `{env: NAME}` names an
environment variable, `{file: PATH}` a file whose trailing newline is not part of it. The variable must be there for
`./cdc up` too. Editors take the schema [connections.json](schema/connections.json).

```yaml
app: {kind: postgres, host: db.example.org, user: cdc, password: {env: APP_PASSWORD}}
warehouse:
  kind: postgres
  host: warehouse.example.org
  user: loader
  password: {file: /run/secrets/warehouse}
  tls: {mode: verify-full, ca_file: /etc/ssl/warehouse_ca.pem}
mssql: {kind: sqlserver, host: mssql.example.org, user: loader, password: {env: MSSQL_PASSWORD}}
```

A SQL Server is always encrypted and its certificate checked, unless `tls: {mode: disable}` or
`trust_server_certificate: true` says otherwise; more is in [own servers](own_servers.md#sql-server-as-target).
"""
_PIPELINE = """
## pipelines/NAME.yaml

One file a pipeline; NAME has a to z, 0 to 9 and `_`, a letter first, at most 40 characters. A bad file makes its own
pipeline INVALID and no other. Editors take the schema [pipeline.json](schema/pipeline.json).

```yaml
mode: full_load_and_cdc
source: {connection: app, database: shop, schema: public}
target: {connection: warehouse, database: dwh, schema: shop}
tables:
  - customers
  - name: order_lines
    target: lines
    columns: {exclude: [internal_note]}
    key: [order_id, line_no]
options:
  load_streams: 4
```

Or every table of the source schema, each under its own name:

```yaml
tables: all
except: [audit_log]
add_new_tables: true
```

The tables are found in the source soon after the file was written, and again at each `check`, `plan` and first
`start`; what a start finds is kept with the pipeline and is what Dagster shows as its partitions. A table that comes to
the source later is told by `check` (`tables_chosen`) and by the event `new_tables`, and copied only with
`add_new_tables: true`. A table without a primary key is listed in a file of its own, with its `key`, and named under
`except` here.
"""
_ALERTS = """
## alerts.yaml

Who is told of problems; without the file nobody is. A receiver's address is one
[apprise](https://appriseit.com) address and a secret as a whole, so it is named like a password. What is told and when:
[operations](operations.md#alerts). `./cdc alert test` sends a message to each channel.

```yaml
channels:
  ops: {url: {env: OPS_MAIL_URL}}
  pager:
    url: {file: /run/secrets/pager_url}
    alerts: [load_failed, cdc_failed, resync_required, run_died]
    pipelines: [sales]
degraded_minutes: 10
links: {dagster: https://dagster.example.org, api: https://cdc.example.org}
```

| receiver | its address, in the variable or the file |
|---|---|
| e-mail | `mailtos://USER:PASSWORD@mail.example.org?from=cdc@example.org&to=ops@example.org` |
| Slack | `slack://TOKEN_A/TOKEN_B/TOKEN_C/#CHANNEL` |
| Microsoft Teams | `workflows://HOST:443/WORKFLOW/SIGNATURE`, from the address that the workflow of the channel shows |
| PagerDuty | `pagerduty://INTEGRATION_KEY@API_KEY` |
| a webhook of yours | `jsons://USER:PASSWORD@hooks.example.org/PATH` gets a POST with `title`, `message` and `type` |
"""
_CHECKS = """
## What `./cdc check` looks at

In sessions in which the server refuses every change. A start makes the same checks first; one that fails stops it
before anything was changed. Missing rights are printed as one script for an owner or administrator.

| check | passes when |
|---|---|
"""


def page() -> str:
    """Return the page as it should be."""
    return (
        _HEAD
        + _settings()
        + _CONNECTIONS
        + _fields(ConnectionEntry)
        + _PIPELINE
        + _fields(PipelineFile)
        + _ALERTS
        + _fields(AlertsFile)
        + _CHECKS
        + "".join(f"| `{name}` | {meaning} |\n" for name, meaning in CHECKS.items())
    )


def _settings() -> str:
    rows = "".join(
        f"| `{_variable(name, field)}` | {_default(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    return f"\n| variable | default | meaning |\n|---|---|---|\n{rows}"


def _variable(name: str, field: FieldInfo) -> str:
    return field.validation_alias if isinstance(field.validation_alias, str) else f"{PREFIX}{name.upper()}"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    return "" if value is None or field.is_required() else f"`{int(value) if isinstance(value, bool) else value}`"


def _fields(model: type[BaseModel]) -> str:
    return "\n| key | default | meaning |\n|---|---|---|\n" + "".join(_rows(model, ""))


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = _model_in(field.annotation)
        default = (
            "required" if field.is_required() else "" if inner or field.default in (None, []) else f"`{field.default}`"
        )
        rows.append(f"| `{key}` | {default} | {field.description} |\n")
        if inner is not None:
            rows += _rows(inner, f"{key}{_ITEMS.get(name, '.')}")
    return rows


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
