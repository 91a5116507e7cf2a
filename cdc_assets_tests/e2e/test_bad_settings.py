"""Bad settings, one line a case, from the environment and from cdc_assets.toml.

Each is refused with the thing, the reason and the fix, without its value, which may be a secret; nothing is made or
changed. One `./cdc` tells of every bad variable at once, so these are told in rounds: the first value of each variable,
then the second, and so on.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings
from cdc_assets.settings.configuration_file import variable_of
from cdc_assets.wiring.parts import migrate
from cdc_assets_tests.services.checkout_copy import Console, Copy, Told
from cdc_assets_tests.services.servers import Databases

_SECRET = "throw-away"
_OPEN = "0.0.0.0"  # noqa: S104  what is refused
_URL = f"postgresql://u:{_SECRET}@h"


class Variable(NamedTuple):
    """A bad value of one variable."""

    name: str
    value: str
    reason: str


_PORTS = ("UI", "API", "EMBEDDED_PG", "EMBEDDED_KAFKA", "EMBEDDED_CONNECT", "DEMO_SOURCE", "DEMO_TARGET")
_DATABASE_URL = "must look like postgresql://user:password@host:5432/database"
_VARIABLES = (
    *(Variable(f"CDC_{name}_PORT", "none", "should be a whole number") for name in _PORTS),
    *(Variable(f"CDC_{name}_PORT", "0", "should be greater than or equal to 1") for name in _PORTS),
    *(Variable(f"CDC_{name}_PORT", "70000", "should be less than or equal to 65535") for name in _PORTS),
    Variable("CDC_UI_PORT", "-1", "should be greater than or equal to 1"),
    Variable("CDC_UI_PORT", "80.5", "should be a whole number"),
    Variable("CDC_UI_PORT", "nan", "should be a whole number"),
    Variable("CDC_DATABASE_URL", f"mysql://u:{_SECRET}@h/d", _DATABASE_URL),
    Variable("CDC_DATABASE_URL", _URL, _DATABASE_URL),
    Variable("CDC_DATABASE_URL", f"{_URL}:none/d", _DATABASE_URL),
    Variable("CDC_DATABASE_URL", f"{_URL}:70000/d", _DATABASE_URL),
    Variable("CDC_DATABASE_URL", f"postgresql://u:{_SECRET}/x@h/d", "%2F for / in the password"),
    Variable("CDC_DATABASE_URL", f"{_URL}/d?{_SECRET}=1", "a connection option that PostgreSQL does not know"),
    Variable("CDC_DATABASE_URL", _SECRET, _DATABASE_URL),
    Variable("CDC_CONNECT_URL", "localhost:8083", "must look like http://host:8083"),
    Variable("CDC_CONNECT_URL", f"ftp://u:{_SECRET}@h", "must look like http://host:8083"),
    Variable("CDC_CONNECT_URL", "http://", "must look like http://host:8083"),
    Variable("CDC_KAFKA_BOOTSTRAP", "localhost", "must look like host:9092"),
    Variable("CDC_KAFKA_BOOTSTRAP", "h:9092,", "must look like host:9092"),
    Variable("CDC_KAFKA_BOOTSTRAP", "http://h:9092", "must look like host:9092"),
    Variable("CDC_MAVEN_MIRROR", f"ftp://u:{_SECRET}@h", "must look like https://"),
    Variable("CDC_OFFLINE", "maybe", "should be 1 or 0"),
    Variable("CDC_FAST_START", "2", "should be 1 or 0"),
    Variable("CDC_START_SECONDS", "soon", "should be a whole number"),
    Variable("CDC_START_SECONDS", "0", "should be greater than 0"),
    Variable("CDC_LOG_FORMAT", "xml", "should be 'text' or 'json'"),
    Variable("CDC_HOME", "/etc/hostname", "/etc/hostname is a file: name a directory"),
    Variable("CDC_HOME", "/etc/hostname/below", "/etc/hostname is a file: name a directory"),
    Variable("CDC_HOME", "~nobody_has_this_name/x", "a user who does not exist"),
    Variable("CDC_HOME", "a\nb", "holds control characters"),
    Variable("CDC_CACHE_DIR", "/etc/hostname", "is a file: name a directory"),
    Variable("CDC_PIPELINES_DIR", "/etc/hostname", "is a file: name a directory"),
    Variable("CDC_ALERTS_FILE", "~nobody_has_this_name/x", "a user who does not exist"),
    Variable("CDC_CONNECTIONS_FILE", "~nobody_has_this_name/x", "a user who does not exist"),
)


class Alone(NamedTuple):
    """What can be told only by a process of its own."""

    name: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    code: int
    what: str
    fix: str


_ALONE = (
    Alone(
        "open_api", ("check",), {"CDC_API_HOST": _OPEN}, 2, "set CDC_API_TOKEN or use 127.0.0.1", "correct the variable"
    ),
    Alone("open_page", ("up",), {"CDC_UI_HOST": _OPEN}, 1, "CDC_UI_HOST 0.0.0.0", "use 127.0.0.1 behind a proxy"),
    Alone(
        "no_address",
        ("up",),
        {"CDC_API_HOST": "no.such.invalid", "CDC_API_TOKEN": _SECRET},
        1,
        "CDC_API_HOST no.such.invalid is no address of this machine",
        "set CDC_API_HOST to 127.0.0.1",
    ),
    Alone(
        "one_port_for_two",
        ("up",),
        {"CDC_UI_PORT": "23999", "CDC_API_PORT": "23999"},
        1,
        "port 23999 is both CDC_UI_PORT and CDC_API_PORT",
        "set CDC_API_PORT to another",
    ),
    Alone("no_java", ("up",), {"CDC_JAVA_HOME": "/nowhere"}, 1, "CDC_JAVA_HOME /nowhere is not a Java", "unset it"),
    Alone(
        "home_that_takes_nothing",
        ("up",),
        {"CDC_HOME": "/proc/sys/nothing/here"},
        1,
        "state directory /proc/sys/nothing/here cannot be made",
        "set CDC_HOME to another directory",
    ),
    Alone(
        "home_that_takes_nothing_detached",
        ("up", "--detach"),
        {"CDC_HOME": "/proc/sys/nothing/here"},
        1,
        "state directory /proc/sys/nothing/here cannot be made",
        "set CDC_HOME to another directory",
    ),
    Alone("closed_home", ("up",), {"CDC_HOME": "/proc/sys"}, 1, "nothing can be written to", "set CDC_HOME"),
    Alone(
        "cache_that_takes_nothing",
        ("up",),
        {"CDC_CACHE_DIR": "/proc/sys/nothing"},
        1,
        "/proc/sys/nothing cannot be written to",
        "set CDC_CACHE_DIR",
    ),
    Alone("no_home_yet", ("status",), {}, 1, "there is no state database yet", "./cdc up"),
    Alone(
        "nobody_listens",
        ("status",),
        {"CDC_DATABASE_URL": f"postgresql://u:{_SECRET}@127.0.0.1:9/d"},
        1,
        "the state database 127.0.0.1:9/d does not answer",
        "correct CDC_DATABASE_URL",
    ),
    Alone(
        "no_such_host",
        ("status",),
        {"CDC_DATABASE_URL": f"postgresql://u:{_SECRET}@no.such.invalid/d"},
        1,
        "no.such.invalid:5432/d does not answer: failed to resolve host",
        "correct CDC_DATABASE_URL",
    ),
    Alone(
        "no_such_mode",
        ("status",),
        {"CDC_DATABASE_URL": f"postgresql://u:{_SECRET}@127.0.0.1:9/d?sslmode=maybe"},
        1,
        'invalid sslmode value: "maybe"',
        "correct CDC_DATABASE_URL",
    ),
)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with Copy.make(tmp_path_factory.mktemp("bad settings")).console() as console:
        yield console


def _is_two_sentences(told: Told, code: int) -> bool:
    """An error and a fix, nothing else, and no secret."""
    lines = told.error.splitlines()
    heads = [line.partition(": ")[0] for line in lines]
    return (told.code, heads) == (code, ["error", "fix"]) and _SECRET not in told.output + told.error


@pytest.fixture(scope="module")
def rounds(console: Console) -> list[Told]:
    """What is said of the first value of each variable, of the second, and so on."""
    values = defaultdict(list)
    for each in _VARIABLES:
        values[each.name].append((each.name, each.value))
    chosen = [dict(filter(None, one)) for one in zip_longest(*values.values())]
    before = console.copy.files()
    told = [console.tell("status", **one) for one in chosen]
    assert console.copy.files() == before
    return told


@pytest.mark.parametrize("case", _VARIABLES, ids=lambda case: f"{case.name}={case.value}")
def test_a_bad_variable(case: Variable, rounds: list[Told]) -> None:
    earlier = [each for each in _VARIABLES if each.name == case.name]
    told = rounds[earlier.index(case)]
    assert _is_two_sentences(told, 2), told
    error, fix = told.error.splitlines()
    (reason,) = [part for part in error.removeprefix("error: ").split("; ") if part.startswith(f"{case.name}: ")]
    assert case.reason in reason
    assert "correct the variable or unset it; see docs/configuration.md" in fix


def test_every_variable_that_can_be_wrong_is_among_them() -> None:
    told = {each.name for each in _VARIABLES} | {name for each in _ALONE for name in each.variables}
    # The script ./cdc reads the one, only the live tests the other.
    others = {"CDC_PYTHON", "CDC_TEST_SQLSERVER_URL"}
    assert {variable_of(name, field) for name, field in Settings.model_fields.items()} - told == others


def _free_ports() -> dict[str, str]:
    return {f"CDC_{name}_PORT": str(free_port()) for name in _PORTS}


@pytest.fixture(scope="module")
def alone(console: Console) -> dict[str, Told]:
    before = console.copy.files()
    told = [console.tell(*each.arguments, **{**_free_ports(), **each.variables}) for each in _ALONE]
    # Whoever asks for a start has the state directory made; no server has begun.
    made = set(console.copy.files()) - set(before)
    assert made <= {"home", "home/stack.lock"}
    return dict(zip((each.name for each in _ALONE), told, strict=True))


@pytest.mark.parametrize("case", _ALONE, ids=lambda case: case.name)
def test_a_setting_that_cannot_be_used(case: Alone, alone: dict[str, Told]) -> None:
    told = alone[case.name]
    assert _is_two_sentences(told, case.code), told
    error, fix = told.error.splitlines()
    assert case.what in error
    assert case.fix in fix


def test_a_wrong_state_database_is_named_and_left_as_it_is(console: Console, databases: Databases) -> None:
    url = databases.state_url
    server, _, database = url.rpartition("/")
    address = server.rpartition("@")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA dagster")
        role = f"nobody_{database}"
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(_SECRET))
        )
    cases = {
        "password authentication failed": ("status", f"postgresql://{role}:not-{_SECRET}@{address}/{database}"),
        'database "nothing_here" does not exist': ("status", f"postgresql://{role}:{_SECRET}@{address}/nothing_here"),
        "has no tables of this product": ("status", f"postgresql://{role}:{_SECRET}@{address}/{database}"),
        "may not make schema dagster": ("up", f"postgresql://{role}:{_SECRET}@{address}/{database}"),
    }
    told = [console.tell(verb, CDC_DATABASE_URL=each, **_free_ports()) for verb, each in cases.values()]
    with psycopg.connect(url, autocommit=True) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN "
            "('public', 'dagster'))"
        ).fetchone()
        assert left == (0,)
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    for what, one in zip(cases, told, strict=True):
        assert _is_two_sentences(one, 1), one
        assert what in one.error
        assert "CDC_DATABASE_URL" in one.error or "GRANT CREATE" in one.error


class Toml(NamedTuple):
    """A bad cdc_assets.toml; `key` is None where the file as a whole is bad."""

    name: str
    content: str
    what: str
    fix: str


_TYPES = {
    "ui_port": ("'x'", "should be a whole number"),
    "api_port": ("80.5", "should be a whole number"),
    "home": ("7", "should be a path"),
    "java_home": ("[]", "should be a path"),
    "cache_dir": ('"a\\u0000b"', "holds control characters"),
    "offline": ("'maybe'", "should be 1 or 0"),
    "log_format": ("5", "should be 'text' or 'json'"),
    "api_token": ("7", "should be a valid string"),
    "database_url": (f"'mysql://u:{_SECRET}@h/d'", _DATABASE_URL),
    "connect_url": ("{}", "should be a valid string"),
    "kafka_bootstrap": ("2024-01-01", "should be a valid string"),
}
_FILES = (
    Toml("syntax", "ui_port 3001\n", "is not TOML: Expected '='", "write lines like ui_port = 3001"),
    Toml("unquoted_text", f"api_token = {_SECRET}\n", "is not TOML: Invalid value", "texts in double quotes"),
    Toml("open_text", f'api_token = "{_SECRET}\n', "is not TOML", "texts in double quotes"),
    Toml("twice", "ui_port = 3001\nui_port = 3002\n", "is not TOML: Cannot overwrite a value", "write lines like"),
    Toml("unknown_key", "frobnicate = 1\n", "unknown key frobnicate", "remove or correct the key"),
    Toml("misspelt_key", "ui_prot = 3001\n", "unknown key ui_prot; did you mean ui_port?", "correct the key"),
    Toml("variable_as_key", "CDC_UI_PORT = 3001\n", "did you mean ui_port?", "docs/configuration.md lists all"),
    Toml("section", "[ui]\nport = 3001\n", "unknown key ui", "remove or correct the key"),
    Toml("wrong_types", "".join(f"{key} = {value}\n" for key, (value, _) in _TYPES.items()), "", "correct the key"),
)


def _no_text(file: Path) -> None:
    file.write_bytes(b"ui_port = 3001 # \xff\n")


def _unreadable(file: Path) -> None:
    # Not even for root.
    file.symlink_to("/proc/self/mem")


def _dangling(file: Path) -> None:
    file.symlink_to("/nowhere/at/all.toml")


def _directory(file: Path) -> None:
    file.mkdir()


def _pipe(file: Path) -> None:
    os.mkfifo(file)


_PLACES: Mapping[str, tuple[Callable[[Path], None], str, str]] = {
    "no_text": (_no_text, "is not UTF-8 text", "save it as UTF-8"),
    "unreadable": (_unreadable, "cannot be read: Input/output error", "make it a file this user can read"),
    "dangling": (_dangling, "cannot be read: No such file or directory", "make it a file this user can read"),
    "directory": (_directory, "is no ordinary file", "make it a file, or take it away"),
    "pipe": (_pipe, "is no ordinary file", "make it a file, or take it away"),
}


@pytest.fixture(scope="module")
def of_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What `./cdc status` says beside each bad cdc_assets.toml."""
    copy = Copy.make(tmp_path_factory.mktemp("bad files"))
    file = copy.checkout / "cdc_assets.toml"
    before = copy.files()
    told = {}
    with copy.console() as console:
        for name in (*(each.name for each in _FILES), *_PLACES):
            if name in _PLACES:
                _PLACES[name][0](file)
            else:
                file.write_text(next(each.content for each in _FILES if each.name == name))
            # Empty is unset: what the file says counts.
            told[name] = console.tell("status", CDC_HOME="", CDC_PIPELINES_DIR="", CDC_CONNECTIONS_FILE="")
            if file.is_dir():
                file.rmdir()
            else:
                file.unlink()
            assert copy.files() == before, name
    return told


@pytest.mark.parametrize("case", _FILES, ids=lambda case: case.name)
def test_a_bad_configuration_file(case: Toml, of_files: dict[str, Told]) -> None:
    told = of_files[case.name]
    assert _is_two_sentences(told, 2), told
    error, fix = told.error.splitlines()
    assert "checkout/cdc_assets.toml" in error
    assert case.what in error
    assert case.fix in fix


@pytest.mark.parametrize("name", _PLACES)
def test_what_is_no_configuration_file(name: str, of_files: dict[str, Told]) -> None:
    told = of_files[name]
    assert _is_two_sentences(told, 2), told
    _, what, fix = _PLACES[name]
    assert f"cdc_assets.toml {what}" in told.error
    assert fix in told.error


@pytest.mark.parametrize("key", _TYPES)
def test_a_value_of_the_wrong_type(key: str, of_files: dict[str, Told]) -> None:
    error = of_files["wrong_types"].error.splitlines()[0]
    (reason,) = [part for part in error.removeprefix("error: ").split("; ") if part.startswith(f"{key} in ")]
    assert "checkout/cdc_assets.toml: " in reason
    assert _TYPES[key][1] in reason


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"CDC_PYTHON": "/nowhere/python"}, "CDC_PYTHON (/nowhere/python) is not a Python 3.11 to 3.13; set it to one"),
        ({"CDC_OFFLINE": "1"}, "CDC_OFFLINE is set and .venv does not match requirements.lock: run ./cdc once"),
    ],
)
def test_the_script_that_cannot_make_its_packages(variables: dict[str, str], what: str, tmp_path: Path) -> None:
    copy = Copy.make(tmp_path)
    (copy.checkout / ".venv" / ".ready").unlink()
    before = copy.files()
    told = copy.cdc("status", **variables)
    assert (told.code, told.output) == (1, "")
    assert told.error.startswith(f"cdc: {what}")
    assert copy.files() == before


class Secret(NamedTuple):
    """A connection whose password is not to be had."""

    name: str
    password: str
    what: str
    fix: str


_SECRETS = (
    Secret("no_variable", "{env: NOT_SET_ANYWHERE}", "environment variable NOT_SET_ANYWHERE holds no", "set NOT_SET"),
    Secret("empty_variable", "{env: SET_TO_NOTHING}", "environment variable SET_TO_NOTHING holds no", "set SET_TO"),
    Secret("no_file", "{file: nowhere}", "nowhere cannot be read: No such file", "make the file readable"),
    Secret("directory", "{file: pipelines}", "pipelines cannot be read: Is a directory", "make the file readable"),
    Secret("empty_file", "{file: empty}", "empty is empty", "write the secret into it"),
    Secret("no_text", "{file: no_text}", "no_text is not UTF-8 text", "save it as UTF-8"),
)


def test_a_secret_that_is_not_to_be_had(tmp_path: Path, databases: Databases) -> None:
    copy = Copy.make(tmp_path)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "no_text").write_bytes(_SECRET.encode() + b"\xff")
    (tmp_path / "connections.yaml").write_text(
        "".join(f"{each.name}: {{kind: postgres, host: h, user: u, password: {each.password}}}\n" for each in _SECRETS)
    )
    for each in _SECRETS:
        (tmp_path / "pipelines" / f"{each.name}.yaml").write_text(
            f"mode: full_load_only\ntables: [t]\nsource: {{connection: {each.name}, database: d, schema: s}}\n"
            f"target: {{connection: {each.name}, database: d, schema: t}}\n"
        )
    migrate(Settings.load(configured_database_url=databases.state_url))
    before = copy.files()
    told = copy.cdc("check", "--json", CDC_DATABASE_URL=databases.state_url, SET_TO_NOTHING="")
    assert (told.code, told.error) == (1, "")
    assert _SECRET not in told.output
    assert copy.files() == before
    failed = {(each["pipeline"], each["name"]): each for each in json.loads(told.output) if each["status"] == "fail"}
    for each in _SECRETS:
        for side in ("source_login", "target_login"):
            assert each.what in failed[each.name, side]["what"]
            assert each.fix in failed[each.name, side]["fix"]
