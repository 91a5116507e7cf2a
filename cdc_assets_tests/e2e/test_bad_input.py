"""Bad files, one line a case: each is refused with the thing, the reason and the fix, and nothing is changed.

All of it is told by one `./cdc check`: bad files never take the others down. Seen red, among others, for a date that
is none, a pipe in the place of a file and a home of nobody: a traceback, or waiting for ever.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings, inherited_environment
from cdc_assets.wiring.parts import migrate
from cdc_assets_tests.services.installation import CHECKOUT, database_name
from cdc_assets_tests.services.servers import Databases, drop_databases, make_databases

_SECRET = "throw-away"
_PIPELINE = """\
mode: full_load_only
source: {connection: app, database: shop, schema: public}
target: {connection: app, database: warehouse, schema: dbo}
tables:
  - customers
  - name: orders
    target: orders_copy
options:
  load_streams: 2
"""
_NOTHING = ""


class File(NamedTuple):
    """A pipeline file that is `_PIPELINE` with `old` replaced by `new` (the whole text where `old` is empty)."""

    name: str
    old: str
    new: str
    line: int | None
    what: str
    fix: str


_ALL_TABLES = "tables:\n  - customers\n  - name: orders\n    target: orders_copy\n"
_FILES = (
    File("empty", _NOTHING, "", 1, "the file: should be a map", "mode, source, target, tables"),
    File("a_list", _NOTHING, "- a\n", 1, "the file: should be a map", "mode, source, target, tables"),
    File("open_list", _NOTHING, "mode: [\n", 2, "is not YAML", "the one before it"),
    File("open_quote", "shop", '"shop', 2, "is not YAML", "quotes"),
    File("a_tab", "  - customers", "\t- customers", 5, "is not YAML", "indentation"),
    File("two_documents", "options:", "---\noptions:", 8, "more than one document", "keep one document"),
    File("no_such_alias", "full_load_only", "*mode", 1, "an alias (*name) that is not defined", "quote a text"),
    File("alias_bomb", _NOTHING, "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
         "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
         "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", 1, "more than 100,000 values", "without aliases"),
    File("nested_deep", _NOTHING, "a: " + "[" * 3000 + "]" * 3000, None, "nested too deep", "a few levels"),
    File("key_twice", "options:", "mode: cdc_only\noptions:", 8, "the key mode stands twice", "keep one of the two"),
    File("key_is_number", "options:", "1: x\noptions:", 8, "a key is no text", "quote the key"),
    File("escape", "shop", '"\\q"', 2, "is not YAML", "correct the line"),
    File("huge_escape", "shop", '"\\UFFFFFFFF"', None, "a character YAML does not allow", "UTF-8"),
    File("control_byte", "shop", "sh\0op", None, "a character YAML does not allow", "UTF-8"),
    File("half_character", "shop", '"\\ud800"', 2, "source.database: must hold neither control", "rename"),
    File("a_date", "shop", "2024-01-01", 2, "neither text, number, list nor map", "quote"),
    File("no_date", "shop", "2024-99-99", 2, "looks like a number, a date", "quote it"),
    File("no_integer", "load_streams: 2", "load_streams: !!int x", 9, "looks like a number", "quote it"),
    File("endless_integer", "load_streams: 2", f"load_streams: {'9' * 5000}", 9, "looks like a number", "quote it"),
    File("a_tag", "shop", "!secret shop", 2, "neither text, number, list nor map", "quote"),
    File("a_python_object", "shop", '!!python/object/apply:os.system ["true"]', 2, "valid string", "`database: app`"),
    File("unknown_key", "options:", "optoins: {}\noptions:", 8, "unknown key optoins", "`options`"),
    File("unknown_option", "load_streams", "load_strems", 9, "options.load_strems", "`load_streams`"),
    File("no_mode", "mode: full_load_only\n", "", 1, "mode is missing", "`mode: full_load_and_cdc`"),
    File("no_schema", ", schema: dbo", "", 3, "target.schema is missing", "`schema: dbo`"),
    File("wrong_mode", "full_load_only", "everything", 1, "'full_load_only', 'full_load_and_cdc'", "mode:"),
    File("source_is_text", "{connection: app, database: shop, schema: public}", "app", 2, "source: should be", "{"),
    File("no_such_connection", "connection: app", "connection: ap", 2, "source.connection ap is not in", "`app`"),
    File("bad_connection", "connection: app", "connection: literal_password", 2, "cannot be used", "connections.yaml"),
    File("catalog_schema", "schema: public", "schema: pg_catalog", 2, "a schema of PostgreSQL itself", "of your own"),
    File("no_tables", _ALL_TABLES, "tables: []\n", 4, "tables: must hold at least one entry", "`tables: [orders]`"),
    File("every_table", _ALL_TABLES, "tables: every\n", 4, "tables: must be `all`, or a list", "`tables: all`"),
    File("except_of_a_list", "options:", "except: [a]\noptions:", 8, "`except` goes with `tables: all` only", "out"),
    File("adds_to_a_list", "options:", "add_new_tables: true\noptions:", 8, "with `tables: all` only", "take it out"),
    File("except_twice", _ALL_TABLES, "tables: all\nexcept: [a, a]\n", 5, "`except` names a twice", "one of the two"),
    File("tables_are_a_map", _ALL_TABLES, "tables: {orders: x}\n", 4, "tables: should be a valid list", "[orders]"),
    File("table_is_number", "- customers", "- 7", 5, "tables[1]: must be a table's name", "quote a name"),
    File("table_is_nothing", "- customers", "-", 5, "tables[1]: must be a table's name", "`- orders`"),
    File("table_without_name", "- customers", '- ""', 5, "tables[1].name: must have 1 to 63 bytes", "as the database"),
    File("table_too_long", "- customers", f"- {'x' * 64}", 5, "must have 1 to 63 bytes", "as the database"),
    File("table_with_tab", "- customers", '- "a\\tb"', 5, "control characters", "rename"),
    File("table_twice", "- customers", "- orders", 6, "names the source table orders twice", "keep one of the two"),
    File("target_twice", "orders_copy", "customers", 6, "names the target table customers twice", "keep one"),
    File("our_own_table", "orders_copy", "cdc_assets_state", 7, "a table this product keeps", "another name"),
    File("column_twice", "target: orders_copy", "key: [a, a]", 7, "`key` names a column twice", "each column once"),
    File("key_is_text", "target: orders_copy", "key: id", 7, "tables[2].key: should be a valid list", "`key: ["),
    File("streams_zero", "load_streams: 2", "load_streams: 0", 9, "greater than or equal to 1", "`load_streams: 2`"),
    File("streams_text", "load_streams: 2", 'load_streams: "2"', 9, "valid integer", "`load_streams: 2`"),
    File("rate_endless", "load_streams: 2", "max_mb_per_s: .inf", 9, "a finite number", "`max_mb_per_s: 50`"),
    File("replace_what", "load_streams: 2", "if_target_not_empty: drop", 9, "should be 'fail' or 'replace'", "fail`"),
    File("inexact_no_column", "load_streams: 2", "accept_inexact: [orders]", 9, "no table.column", "`table.column`"),
    File("options_are_nothing", "\n  load_streams: 2", "", 8, "options: should be", "`options: {load_streams: 2}`"),
    File("Capitals", _NOTHING, _PIPELINE, None, "Capitals is no name for a pipeline", "rename it"),
)  # fmt: skip


class Entry(NamedTuple):
    """An entry of connections.yaml: `_CONNECTION` with one key added or replaced."""

    name: str
    key: str
    value: str
    line: int
    """Of the entry: 1 is its name."""
    what: str
    fix: str


_CONNECTION = {"kind": "postgres", "host": "h", "user": "u", "password": "{env: APP_PASSWORD}"}
_ENTRIES = (
    Entry("literal_password", "password", _SECRET, 5, "a password must not stand in the file", "{env: NAME}"),
    Entry("no_variable", "password", f"{{env: {_SECRET}}}", 5, "no name of an environment variable", "APP_PASSWORD"),
    Entry("two_secrets", "password", "{env: A, file: b}", 5, "either `env` or `file`", "{file: PATH}"),
    Entry("no_path", "password", '{file: "a\\0b"}', 5, "password.file: must be the path", "/run/secrets"),
    Entry("nobodys_home", "password", "{file: ~nobody_has_this_name/p}", 5, "who does not exist", "from / on"),
    Entry("sql_server", "kind", "oracle", 2, "only postgres and sqlserver are supported", "`kind: postgres`"),
    Entry("host_is_url", "host", f"postgresql://u:{_SECRET}@h", 3, "no host name or address", "without port and user"),
    Entry("port_too_large", "port", "70000", 6, "less than or equal to 65535", "`port: 5432`"),
    Entry("port_is_text", "port", f'"{_SECRET}"', 6, "port: should be a valid integer", "`port: 5432`"),
    Entry("user_with_nul", "user", '"a\\0b"', 4, "must be a role's name", "`user: cdc`"),
    Entry("no_certificate", "tls", "{mode: verify-full}", 6, "verify-full needs `ca_file`", "add `ca_file:`"),
    Entry("tls_maybe", "tls", "{mode: maybe}", 6, "tls.mode: should be 'disable'", "`mode: verify-full`"),
    Entry("plain_for_connect", "connect_password", _SECRET, 6, "must be a config-provider reference", "${directory:"),
    Entry("misspelt", "hst", "h", 6, "unknown key misspelt.hst", "`host`"),
    Entry('"../escape"', "port", "5432", 1, "'../escape' is no name for a connection", "rename it"),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """An installation with a state database and no stack, every bad file of the tables in it, and one good one."""

    directory: Path
    environment: Mapping[str, str]
    state_url: str

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run `./cdc check --json` over everything."""
        return subprocess.run(
            [str(CHECKOUT / "cdc"), "check", "--json"],
            cwd=CHECKOUT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def state(self) -> object:
        """Everything that a refused command must leave as it was: every file, every row."""
        files = {str(path): path.read_bytes() if path.is_file() else b"" for path in self.directory.rglob("*")}
        with psycopg.connect(self.state_url) as connection:
            rows = [
                connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("pipelines", "pipeline_tables", "pipeline_events")
            ]
        return files, rows


@pytest.fixture(scope="module")
def place(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    databases = make_databases(postgres_url)
    directory = tmp_path_factory.mktemp("bad input")
    (directory / "pipelines").mkdir()
    for each in _FILES:
        assert each.old in _PIPELINE
        text = _PIPELINE.replace(each.old, each.new, 1) if each.old else each.new
        (directory / "pipelines" / f"{each.name}.yaml").write_text(text)
    os.mkfifo(directory / "pipelines" / "a_pipe.yaml")
    (directory / "pipelines" / "a_link.yaml").symlink_to("/nowhere/at/all.yaml")
    (directory / "pipelines" / "no_text.yaml").write_bytes(b"mode: \xff")
    (directory / "pipelines" / "wrong_ending.yml").write_text(_PIPELINE)
    _write_good(directory, databases)
    environment = {
        **{key: value for key, value in inherited_environment().items() if not key.startswith(("CDC_", "DAGSTER_"))},
        "CDC_HOME": str(directory / "home"),
        "CDC_PIPELINES_DIR": str(directory / "pipelines"),
        "CDC_CONNECTIONS_FILE": str(directory / "connections.yaml"),
        "CDC_DATABASE_URL": databases.state_url,
        "APP_PASSWORD": str(urlsplit(databases.source_url).password),
        **{f"CDC_{name}_PORT": str(free_port()) for name in ("UI", "API", "EMBEDDED_KAFKA", "EMBEDDED_CONNECT")},
    }
    migrate(Settings.load(configured_database_url=databases.state_url))
    yield Place(directory, environment, databases.state_url)
    drop_databases(postgres_url, databases)


def _write_good(directory: Path, databases: Databases) -> None:
    parts = urlsplit(databases.source_url)
    app = (
        f"app:\n  kind: postgres\n  host: {parts.hostname}\n  port: {parts.port}\n  user: {parts.username}\n"
        "  password: {env: APP_PASSWORD}\n"
    )
    entries = [
        f"{each.name}:\n"
        + "".join(f"  {key}: {value}\n" for key, value in {**_CONNECTION, each.key: each.value}.items())
        for each in _ENTRIES
    ]
    (directory / "connections.yaml").write_text(app + "".join(entries))
    (directory / "pipelines" / "good.yaml").write_text(
        _PIPELINE.replace("shop", database_name(databases.source_url)).replace(
            "warehouse", database_name(databases.target_url)
        )
    )
    with psycopg.connect(databases.source_url) as connection:
        connection.execute("CREATE TABLE customers (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")


@pytest.fixture(scope="module")
def findings(place: Place) -> list[dict[str, str]]:
    """What one check says of all files; nothing is changed by it."""
    before = place.state()
    done = place.check()
    assert (done.returncode, done.stderr) == (1, "")
    assert _SECRET not in done.stdout
    assert place.state() == before
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", _FILES, ids=lambda case: case.name)
def test_a_bad_pipeline_file(case: File, place: Place, findings: list[dict[str, str]]) -> None:
    failed = [each for each in findings if each["pipeline"] == case.name and each["status"] == "fail"]
    matching = [each for each in failed if case.what in each["what"]]
    assert len(matching) == 1, failed
    file = place.directory / "pipelines" / f"{case.name}.yaml"
    assert matching[0]["what"].startswith(f"{file}:{case.line}: " if case.line else f"{file}: ")
    assert case.fix in matching[0]["fix"]
    assert all(each["fix"] for each in failed)


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("a_pipe", "a_pipe.yaml: is no ordinary file", "take it away"),
        ("a_link", "a_link.yaml: is a link to a file that does not exist", "remove the link"),
        ("no_text", "no_text.yaml: is not UTF-8 text", "save it as UTF-8"),
        ("wrong_ending", "wrong_ending.yml: the name must end in .yaml", "rename it to wrong_ending.yaml"),
    ],
)
def test_what_is_no_pipeline_file(name: str, what: str, fix: str, findings: list[dict[str, str]]) -> None:
    (found,) = [each for each in findings if each["pipeline"] == name]
    assert what in found["what"]
    assert fix in found["fix"]


@pytest.mark.parametrize("case", _ENTRIES, ids=lambda case: case.name)
def test_a_bad_connection(case: Entry, place: Place, findings: list[dict[str, str]]) -> None:
    file = place.directory / "connections.yaml"
    line = file.read_text().splitlines().index(f"{case.name}:") + case.line
    told = [each for each in findings if each["pipeline"] == "connections"]
    (found,) = [each for each in told if each["what"].startswith(f"{file}:{line}: ")]
    assert case.what in found["what"]
    assert case.fix in found["fix"]


def test_the_good_pipeline_among_all_of_them_can_be_used(findings: list[dict[str, str]]) -> None:
    good = [each for each in findings if each["pipeline"] == "good"]
    assert {each["status"] for each in good} == {"pass"}
    assert len(good) > 10


def test_there_are_enough_of_them() -> None:
    assert len(_FILES) + len(_ENTRIES) >= 60
