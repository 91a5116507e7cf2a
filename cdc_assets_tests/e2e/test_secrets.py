"""Recognisable secrets and row values are planted, a pipeline lives its life, then everything is searched for them.

Searched: what every verb prints, every answer of the HTTP API and of Kafka Connect, every table of the state database
with Dagster's, every log, every other file below the installation, the checkout, and the command lines of all
processes. What is found must be exactly what `_PLACES` lists: where it was planted, or where it has to be. Not
searched are environments, which only the same user reads, and the files of source and target.
"""

import base64
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import pytest
import requests
from psycopg import sql

from cdc_assets_tests.services.installation import CHECKOUT, Installation, database_name, prepare_roles, wait_until
from cdc_assets_tests.services.servers import Databases, Servers, make_databases

_MARK = secrets.token_hex(6)
_SECRETS = {name: f"s3cret-{name}-{_MARK}" for name in ("source", "target", "state", "token", "wrong")}
_ROWS = {
    name: f"planted-{name}-{_MARK}" for name in ("key", "text", "streamed", "refused", "duplicate", "cast", "long")
}
_WITHOUT_SEARCH = {".venv", ".git", "__pycache__"}
_Found = set[tuple[str, str]]
"""Place and name of what was found there."""

_PLACES: _Found = {
    # Where they were planted.
    ("target.password", "target"),
    ("wrong.password", "wrong"),
    ("home/secrets/embedded_postgres", "state"),
    # Where Kafka Connect's config provider reads them.
    ("home/secrets/connect/app/password", "source"),
    ("home/secrets/connect/warehouse/password", "target"),
}
# Topics hold the rows, and the worker's status topic what its REST interface shows; only their owner may read them.
_HOLDS_ROWS = "home/kafka/data/"
_TABLES = {
    "notes": "code text PRIMARY KEY, body text",
    # The target refuses a row of each, and tells the value in its own way.
    "checked": "code text PRIMARY KEY, body text",
    "doubled": "code text PRIMARY KEY, body text",
    "casted": "code text PRIMARY KEY, body text",
    "shortened": "code text PRIMARY KEY, body text",
}
_TRAPS = (
    "ALTER TABLE dbo.checked ADD CONSTRAINT trap CHECK (body IS NULL)",
    "CREATE UNIQUE INDEX trap_index ON dbo.doubled (body)",
    (
        "CREATE FUNCTION dbo.cast_it() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM NEW.body::integer; RETURN NEW; END$$"
    ),
    "CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON dbo.casted FOR EACH ROW EXECUTE FUNCTION dbo.cast_it()",
    (
        "CREATE FUNCTION dbo.shorten_it() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM NEW.body::date; RETURN NEW; END$$"
    ),
    "CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON dbo.shortened FOR EACH ROW EXECUTE FUNCTION dbo.shorten_it()",
)
_CAUGHT = ("checked", "doubled", "casted", "shortened")


@dataclass
class Scene:
    """The installation, and what was said by whom."""

    installation: Installation
    servers: Servers
    said: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    """Of the sinks' tasks, as Connect's REST interface shows them, by table."""

    def run(self, *arguments: str, expect: int | None = 0) -> None:
        """Run a verb and keep what it prints."""
        done = self.installation.cdc(*arguments, expect=expect, timeout=600)
        self.said[f"{len(self.said)}: ./cdc {' '.join(arguments)}"] = done.stdout + done.stderr

    def ask_api(self, *paths: str) -> None:
        """Keep the answers of the HTTP API, with the token and without it."""
        url = f"http://127.0.0.1:{self.installation.environment['CDC_API_PORT']}"
        for path in paths:
            for headers in ({"Authorization": f"Bearer {_SECRETS['token']}"}, {}):
                answer = requests.get(url + path, headers=headers, timeout=60)
                self.said[f"{len(self.said)}: GET {path} {answer.status_code}"] = answer.text

    def ask_connect(self) -> None:
        """Keep all that Connect shows; the traces apart."""
        url = f"{self.installation.connect_url}/connectors"
        names = requests.get(url, timeout=60).json()
        for name in names:
            for what in ("", "/config", "/tasks", "/tasks-config", "/topics", "/offsets", "/status"):
                answer = requests.get(f"{url}/{quote(name, safe='')}{what}", timeout=60)
                text = answer.text
                if what == "/status":
                    status = answer.json()
                    for task in status["tasks"]:
                        self.traces[name] = task.pop("trace", "")
                    text = json.dumps(status)
                self.said[f"{len(self.said)}: Connect {name}{what} {answer.status_code}"] = text

    def read_state(self, when: str) -> None:
        """Keep every row of every table of the state database."""
        with psycopg.connect(self.installation.state_url) as connection:
            tables = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', "
                "'information_schema')"
            ).fetchall()
            assert {("public", "pipeline_events"), ("dagster", "event_logs")} <= set(tables)
            for schema, table in tables:
                rows = connection.execute(
                    sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
                ).fetchall()
                self.said[f"{when}: table {schema}.{table}"] = "\n".join(row for (row,) in rows)

    def read_command_lines(self) -> None:
        """Keep the command lines of every process of the installation."""
        lines = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get("CDC_HOME") == self.installation.environment["CDC_HOME"]
                lines += [" ".join(process.cmdline())] if is_ours else []
            except psutil.Error:
                continue
        assert any("ConnectDistributed" in line for line in lines)
        self.said["command lines"] = "\n".join(lines)

    def quarantined(self) -> bool:
        tables = self.installation.tables("sales")
        return all(tables[table]["state"] == "QUARANTINED" for table in _CAUGHT)


def search_texts(texts: Mapping[str, str], needles: Mapping[str, str]) -> _Found:
    return {(place, name) for place, text in texts.items() for name in names_in(text.encode(), needles)}


def search_files(root: Path, needles: Mapping[str, str]) -> _Found:
    found: _Found = set()
    for directory, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each not in _WITHOUT_SEARCH]
        for file in (Path(directory) / name for name in files):
            if file.is_file():
                found |= {(str(file.relative_to(root)), name) for name in names_in(file.read_bytes(), needles)}
    return found


def names_in(content: bytes, needles: Mapping[str, str]) -> set[str]:
    """The planted values that stand in it, as they are or inside something that is written in base64."""
    # All of them hold the mark: most files are done with after it.
    if not any(form in content for form in _forms(_MARK)):
        return set()
    return {name for name, value in needles.items() if any(form in content for form in _forms(value))}


def _forms(value: str) -> list[bytes]:
    plain = value.encode()
    # Three letters become four characters; the outer ones depend on what stands beside the value.
    shifted = [base64.b64encode(b" " * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return [plain, *shifted]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """The life of a pipeline, with what it left; the stack is down."""
    servers = Servers.make()
    installation = Installation.make()
    try:
        databases = make_databases(servers.postgres(18).url("postgres"))
        made = Scene(installation, servers)
        _plant(installation, databases)
        _live(made, databases)
        yield made
    finally:
        installation.remove()
        servers.stop()


def _plant(installation: Installation, databases: Databases) -> None:
    directory = installation.directory
    temporary = directory / "tmp"
    temporary.mkdir()
    installation.environment |= {
        "PLANTED_PASSWORD": _SECRETS["source"],
        "CDC_API_TOKEN": _SECRETS["token"],
        # What is written elsewhere is searched too.
        "TMPDIR": str(temporary),
    }
    for name in ("target", "wrong"):
        (directory / f"{name}.password").write_text(_SECRETS[name] + "\n")
    state = directory / "home" / "secrets" / "embedded_postgres"
    state.parent.mkdir(parents=True, mode=0o700)
    state.parent.parent.chmod(0o711)
    state.write_text(_SECRETS["state"])
    state.chmod(0o600)
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        for table, columns in _TABLES.items():
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table), sql.SQL(columns)))
            connection.execute(sql.SQL("INSERT INTO {} VALUES ('first')").format(sql.Identifier(table)))
        connection.execute("INSERT INTO notes VALUES (%s, %s)", (_ROWS["key"], _ROWS["text"]))
        connection.execute("INSERT INTO doubled VALUES ('one', %s)", (_ROWS["duplicate"],))
    source_role, target_role = prepare_roles(databases)
    for url, role, secret in (
        (databases.source_url, source_role, "source"),
        (databases.target_url, target_role, "target"),
    ):
        with psycopg.connect(url, autocommit=True) as connection:
            password = sql.Literal(_SECRETS[secret])
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), password))
    _write_files(installation, databases, source_role, target_role)


def _write_files(installation: Installation, databases: Databases, source_role: str, target_role: str) -> None:
    address = databases.source_url.rpartition("@")[2].partition("/")[0]
    host, _, port = address.partition(":")
    entry = "{name}: {{kind: postgres, host: {host}, port: {port}, user: {user}, password: {{{password}}}}}\n"
    (installation.directory / "connections.yaml").write_text(
        "".join(
            entry.format(name=name, host=host, port=port, user=user, password=password)
            for name, user, password in (
                ("app", source_role, "env: PLANTED_PASSWORD"),
                ("warehouse", target_role, "file: target.password"),
                ("locked", source_role, "file: wrong.password"),
            )
        )
    )
    for name, connection in (("sales", "app"), ("refused_login", "locked")):
        installation.write_pipeline(
            name,
            f"mode: full_load_and_cdc\n"
            f"source: {{connection: {connection}, database: {database_name(databases.source_url)}, schema: public}}\n"
            f"target: {{connection: warehouse, database: {database_name(databases.target_url)}, schema: dbo}}\n"
            f"tables: [{', '.join(_TABLES if name == 'sales' else ['notes'])}]\n",
        )


def _live(scene: Scene, databases: Databases) -> None:
    scene.run("check", expect=None)  # no stack yet
    scene.run("up", "--detach")
    for verb in ("check", "plan"):
        scene.run(verb, "sales", expect=None)
        scene.run(verb, "sales", "--json", expect=None)
    for arguments in (("check", "refused_login"), ("start", "refused_login"), ("plan", "refused_login")):
        scene.run(*arguments, expect=1)
    (scene.installation.directory / "pipelines" / "refused_login.yaml").unlink()
    scene.run("start", "sales")
    with psycopg.connect(databases.target_url, autocommit=True) as target:
        for trap in _TRAPS:
            target.execute(trap)
    with psycopg.connect(databases.source_url, autocommit=True) as source:
        source.execute("INSERT INTO notes VALUES ('second', %s)", (_ROWS["streamed"],))
        source.execute("UPDATE notes SET body = %s || 'x' WHERE code = %s", (_ROWS["text"], _ROWS["key"]))
        source.execute("INSERT INTO checked VALUES (%s, %s)", (_ROWS["refused"], _ROWS["refused"]))
        source.execute("INSERT INTO doubled VALUES ('two', %s)", (_ROWS["duplicate"],))
        source.execute("INSERT INTO casted VALUES ('two', %s)", (_ROWS["cast"],))
        source.execute("INSERT INTO shortened VALUES ('two', %s)", (_ROWS["long"],))
    wait_until(scene.quarantined, what="each refused row in quarantine", seconds=300)
    _look_at_everything(scene)
    scene.run("pause", "sales", "-t", "notes", "--no-wait")
    scene.run("resume", "sales", "-t", "checked", "--no-wait", expect=None)
    scene.run("stop", "sales")
    scene.run("status", "sales", "--json")
    scene.read_state("stopped")
    scene.run("drop", "sales", "--drop-target", "--json")
    scene.read_state("dropped")
    scene.run("down")


def _look_at_everything(scene: Scene) -> None:
    for verb in ("status", "diagnose", "check", "plan"):
        scene.run(verb, "sales", expect=None)
        scene.run(verb, "sales", "--json", expect=None)
    scene.run("status")
    one = "/api/pipelines/sales"
    scene.ask_api("/health", "/health/ready", "/api/pipelines", one, f"{one}/events", f"{one}/lag", "/metrics", "/docs")
    scene.ask_api(
        "/", "/page/state", "/page/health", "/page/pipelines/sales/lag", f"{one}/lag/history", "/openapi.json"
    )
    scene.ask_connect()
    scene.read_command_lines()
    scene.read_state("flowing")


def test_no_secret_is_where_it_was_not_put(scene: Scene) -> None:
    assert search_texts(scene.said, _SECRETS) == set()
    assert search_texts(scene.traces, _SECRETS) == set()
    assert search_files(scene.installation.directory, _SECRETS) == _PLACES
    assert search_files(scene.servers.home / "logs", _SECRETS) == set()
    assert search_files(CHECKOUT, _SECRETS) == set()


def test_no_row_value_is_outside_of_databases_and_topics(scene: Scene) -> None:
    assert search_texts(scene.said, _ROWS) == set()
    found = search_files(scene.installation.directory, _ROWS)
    assert {(place, name) for place, name in found if not place.startswith(_HOLDS_ROWS)} == set()
    assert search_files(scene.servers.home / "logs", _ROWS) == set()
    assert search_files(CHECKOUT, _ROWS) == set()


def test_what_was_refused_is_told_all_the_same(scene: Scene) -> None:
    shown = "\n".join(scene.said.values())
    assert 'violates check constraint \\"trap\\"' in shown
    assert 'violates unique constraint \\"trap_index\\"' in shown
    assert "invalid input syntax for type integer" in shown
    assert "invalid input syntax for type date" in shown


def test_the_traces_of_connect_hold_no_more_of_a_row_than_the_servers_own_sentence(scene: Scene) -> None:
    """What remains: a sentence of PostgreSQL that quotes a value ('invalid input syntax for type integer: "..."')."""
    found = {name for _, name in search_texts(scene.traces, _ROWS)}
    assert found <= {"cast", "long"}
    lines = "\n".join(scene.traces.values()).splitlines()
    quoting = [line for line in lines if any(_ROWS[name] in line for name in found)]
    assert all("invalid input syntax for type" in line for line in quoting)


def test_the_files_that_hold_them_are_their_owners(scene: Scene) -> None:
    home = scene.installation.directory / "home"
    for file in (home / "secrets").rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    for closed in ("secrets", "kafka", "logs"):
        assert stat.S_IMODE((home / closed).stat().st_mode) == 0o700


def test_the_search_sees_what_is_there(scene: Scene, tmp_path: Path) -> None:
    """A search that sees nothing would pass: it finds a secret in each kind of place, were it there."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "some.log").write_bytes(b"\0\xff" + _SECRETS["state"].encode() + b"\0")
    for name in ("u", "us", "use"):
        (tmp_path / name).write_bytes(b"Basic " + base64.b64encode(f"{name}:{_SECRETS['token']}".encode()))
    assert search_files(tmp_path, _SECRETS) == {
        ("deep/er/some.log", "state"),
        *((name, "token") for name in ("u", "us", "use")),
    }
    assert search_texts({"x": f"a{_ROWS['key']}b"}, _ROWS) == {("x", "key")}
    assert any("GET /api/pipelines/sales 200" in place and "QUARANTINED" in scene.said[place] for place in scene.said)
    assert any("GET / 200" in place and "QUARANTINED" in text for place, text in scene.said.items())
    assert any("diagnose" in place and "QUARANTINED" in text for place, text in scene.said.items())
    assert len(scene.traces) == len(_TABLES) + 1
