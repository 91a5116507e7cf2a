"""The connections file holds no secret, and a bad entry stops only the pipelines that use it."""

from pathlib import Path

import pytest

from cdc_assets.adapters.definition_files import load
from cdc_assets.model.pipeline import Definitions

SECRET = "hunter2-swordfish"
PIPELINE = """\
mode: full_load_only
source: {connection: SOURCE, database: a, schema: public}
target: {connection: good, database: b, schema: dbo}
tables: [t]
"""
GOOD = """\
good: {kind: postgres, host: h, user: u, password: {env: P}}
other: {kind: postgres, host: h, user: u, password: {env: P}}
"""


def definitions(directory: Path, connections: str | None) -> Definitions:
    pipelines = directory / "pipelines"
    pipelines.mkdir()
    (pipelines / "uses_good.yaml").write_text(PIPELINE.replace("SOURCE", "other"))
    (pipelines / "uses_bad.yaml").write_text(PIPELINE.replace("SOURCE", "bad"))
    file = directory / "connections.yaml"
    if connections is not None:
        file.write_text(connections)
    return load(pipelines, file)


@pytest.mark.parametrize(
    "entry",
    [
        f"bad:\n  password: {SECRET}\n",
        f"bad:\n  password: '{SECRET}'\n",
        f"bad:\n  password: [{SECRET}]\n",
        f"bad:\n  password: {{env: {SECRET}}}\n",
        f"bad:\n  password: {{value: {SECRET}}}\n",
        f"bad:\n  connect_password: {SECRET}\n",
        f"bad:\n  password: *{SECRET}\n",
        f"bad:\n  password: !{SECRET}\n",
        f"bad:\n  password: !{SECRET}!x y\n",
        f"bad:\n  password: a\n  password: {SECRET}\n",
        f'bad:\n  password: "{SECRET}\n',
        f"bad:\n  password: '{SECRET}' '{SECRET}'\n",
        f"bad: {{password: {SECRET}: {SECRET}}}\n",
        f"bad:\n  host: u:{SECRET}@h\n",
        f"bad:\n  port: {SECRET}\n",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(tmp_path: Path, entry: str) -> None:
    found = definitions(tmp_path, GOOD + entry)
    problems = [problem for invalid in found.invalid for problem in invalid.problems]
    assert "connections" in {invalid.name for invalid in found.invalid}
    assert SECRET not in "\n".join(problems)


def test_a_literal_password_is_refused_with_the_way_out(tmp_path: Path) -> None:
    found = definitions(tmp_path, GOOD + "bad: {kind: postgres, host: h, user: u, password: x}\n")
    (problem,) = found.invalid[0].problems
    assert problem.startswith(f"{tmp_path}/connections.yaml:3: bad.password: a password must not stand in the file")
    assert "Fix: write `{env: NAME}` or `{file: PATH}`" in problem


def test_a_bad_entry_stops_only_the_pipelines_that_use_it(tmp_path: Path) -> None:
    found = definitions(tmp_path, GOOD + "bad: {kind: postgres, hst: h, user: u, password: {env: P}}\n")
    assert [pipeline.name for pipeline in found.pipelines] == ["uses_good"]
    by_name = {invalid.name: invalid.problems for invalid in found.invalid}
    assert set(by_name) == {"connections", "uses_bad"}
    assert any("unknown key bad.hst" in problem and "`host`" in problem for problem in by_name["connections"])
    assert "source.connection bad cannot be used" in by_name["uses_bad"][0]


@pytest.mark.parametrize("text", [None, "- good\n", "good: [\n"])
def test_without_a_usable_file_every_pipeline_is_invalid(tmp_path: Path, text: str | None) -> None:
    found = definitions(tmp_path, text)
    assert found.pipelines == ()
    assert {invalid.name for invalid in found.invalid} == {"connections", "uses_bad", "uses_good"}


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("kind: oracle", "bad.kind: only postgres and sqlserver are supported"),
        ("driver: x", "`driver` and `trust_server_certificate` are of kind sqlserver"),
        ("tls: {mode: verify-full}", "mode verify-full needs `ca_file`"),
        ("tls: {mode: maybe}", "bad.tls.mode: should be 'disable'"),
        ("password: {env: A, file: b}", "must name either `env` or `file`"),
        ("password: {}", "must name either `env` or `file`"),
        ("port: 70000", "bad.port: should be less than or equal to 65535"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, entry: str, what: str) -> None:
    keys = {"kind": "postgres", "host": "h", "user": "u", "password": "{env: P}"}
    key, _, value = entry.partition(": ")
    text = "bad:\n" + "".join(f"  {name}: {content}\n" for name, content in (keys | {key: value}).items())
    found = definitions(tmp_path, GOOD + text)
    assert any(what in problem for problem in found.invalid[0].problems), found.invalid[0].problems
