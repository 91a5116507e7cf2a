"""What is asked of a SQL Server target beyond what is asked of every target: version, names, sight of the sinks."""

from cdc_assets.dialects.sqlserver import names_equal_without_case
from cdc_assets.dialects.target_statements import grant_sessions
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.ports.target import TargetServer
from cdc_assets.stages.preflight.findings import Findings

_OLDEST_VERSION = 130000
_TRIED = "SQL Server 2016 and later are meant to be served"


def check_sqlserver(pipeline: Pipeline, server: TargetServer, findings: Findings) -> None:
    """Add the checks that only a SQL Server target has."""
    version = f"{server.version // 10000}.{server.version % 10000}"
    if server.version < _OLDEST_VERSION:
        what = f"the target is SQL Server {version}; {_TRIED}"
        findings.warn("target_version", what, "use a newer target server")
    findings.pass_unless_found("target_version", f"SQL Server {version}")
    _check_names(pipeline, findings)
    if not pipeline.mode.captures:
        return
    if not server.may_see_sessions:
        what = f"{pipeline.target.connection.user} does not see the sessions of the sink connectors on the target"
        statement = grant_sessions(pipeline.target.connection.user)
        findings.fail("target_sessions", what, f"run on the target as an administrator: {statement}")
    findings.pass_unless_found("target_sessions", "the sessions of the sink connectors can be seen")


def _check_names(pipeline: Pipeline, findings: Findings) -> None:
    by_target = {mapping.target.name: mapping.partition_key for mapping in pipeline.tables}
    for group in names_equal_without_case(list(by_target)):
        what = f"to SQL Server the names of target tables {', '.join(group)} are one"
        for name in group:
            findings.fail("target_names", what, "name another target table for one of them", table=by_target[name])
