"""What source and target servers are judged by alike: version, pooler, encoding, time limits of a session."""

from cdc_assets.dialects.postgres import quote
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.ports.source import SourceServer
from cdc_assets.ports.target import TargetServer
from cdc_assets.stages.preflight.findings import Findings

OLDEST_VERSION, AFTER_NEWEST_VERSION = 140000, 190000
VERSIONS = "PostgreSQL 14 to 18 are supported"
_FORGETS_NO_DDL = {14: 140018, 15: 150013, 16: 160009, 17: 170005}
"""Since when decoding sees DDL that runs beside a transaction.

Release notes of 17.5 and its sisters, 2025-05-08: "Avoid data loss when DDL operations that don't take a strong lock
affect tables that are being logically replicated".
"""
_REPEATS_NO_MESSAGES = {14: 140019, 15: 150014, 16: 160010, 17: 170006}
"""Since when that fix does not multiply its messages until memory ends.

Release notes of 17.6 and its sisters, 2025-08-14: "Avoid re-distributing cache invalidation messages from other
transactions during logical replication". PostgreSQL 18 had both from its first release on.
"""


def major(version: int) -> str:
    """Return a `server_version_num` as people write it."""
    return f"{version // 10000}.{version % 10000}"


def check_version(side: str, version: int, findings: Findings) -> None:
    """Add the check of the server's version."""
    name = f"{side}_version"
    if not OLDEST_VERSION <= version < AFTER_NEWEST_VERSION:
        what = f"the {side} is PostgreSQL {major(version)}; {VERSIONS}"
        findings.fail(name, what, f"use a supported {side}")
    findings.pass_unless_found(name, f"PostgreSQL {major(version)}")


def check_minor_version(version: int, findings: Findings) -> None:
    """Warn of a source whose logical decoding has a known error that loses changes or stops the stream."""
    mended = _REPEATS_NO_MESSAGES.get(version // 10000)
    if mended is not None and version < mended:
        what = (
            "may lose changes of a transaction that runs beside DDL such as ALTER PUBLICATION ... ADD TABLE or ALTER "
            "TYPE"
            if version < _FORGETS_NO_DDL[version // 10000]
            else "may run out of memory, and the stream stop, when DDL runs beside many open transactions"
        )
        findings.warn(
            "source_minor_version",
            f"logical decoding of PostgreSQL {major(version)} {what}",
            f"update the source server to {major(mended)} or later",
        )
    findings.pass_unless_found("source_minor_version", "no known error of this minor version touches the stream")


def check_pooler(side: str, connection: str, findings: Findings, *, is_pooled: bool) -> None:
    """Add the check that no pooler stands between."""
    name = f"{side}_not_pooled"
    if is_pooled:
        what = "the connection goes through a pooler, which hands one session's settings and snapshots to another"
        findings.fail(name, what, f"name the server itself in connection {connection}, not the pooler")
    findings.pass_unless_found(name, "the connection reaches the server itself")


def check_session_limits(
    pipeline: Pipeline, side: str, server: SourceServer | TargetServer, findings: Findings
) -> None:
    """Warn of time limits that end the connectors' sessions; ours set them aside themselves."""
    name = f"{side}_session_limits"
    if server.session_limits and pipeline.mode.captures:
        listed = ", ".join(f"{limit} = {value}" for limit, value in server.session_limits.items())
        role = quote(server.role)
        statements = " ".join(f"ALTER ROLE {role} SET {limit} = 0;" for limit in server.session_limits)
        what = f"sessions of {server.role} on the {side} begin with {listed}: the connectors' are ended by it"
        findings.warn(name, what, f"run on the {side} as an administrator: {statements}")
    findings.pass_unless_found(name, f"no time limit ends the sessions of {server.role}")


def check_encodings(source: SourceServer, target: TargetServer, findings: Findings) -> None:
    """Add the check that every text of the source can be read, and written to the target."""
    if source.encoding == "SQL_ASCII":
        what = "the source database has encoding SQL_ASCII: what its texts mean is not known, and they cannot be read"
        findings.fail("encoding", what, "move the tables to a database with encoding UTF8")
    elif target.encoding not in {"UTF8", source.encoding}:
        what = (
            f"the target database has encoding {target.encoding}, which cannot hold every text of the source's "
            f"{source.encoding}"
        )
        findings.fail("encoding", what, "name a target database with encoding UTF8")
    findings.pass_unless_found("encoding", f"every text in {source.encoding} can be written in {target.encoding}")
