"""Wrong uses of the command line, one line a case: exit code, the thing, the reason, the fix, and nothing changed.

They are told beside a state database with two pipelines: of `sales` nothing is recorded, `idle` was recorded and never
started.
"""

import fcntl
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings
from cdc_assets.wiring.parts import migrate
from cdc_assets_tests.services.checkout_copy import Console, Copy, Told
from cdc_assets_tests.services.installation import database_name
from cdc_assets_tests.services.servers import Databases, drop_databases, make_databases

_HELP = "Try 'cdc"


class Words(NamedTuple):
    """A command line that no verb takes."""

    line: str
    what: str
    fix: str = _HELP


_WORDS = (
    Words("frobnicate", "No such command 'frobnicate'"),
    Words("chek", "No such command 'chek'"),
    Words("-x", "No such option: -x"),
    Words("alert tset", "No such command 'tset'"),
    Words("alert test a b", "unexpected extra argument(s) (b)"),
    Words("check --nope", "No such option: --nope"),
    Words("check a b", "unexpected extra argument(s) (b)"),
    Words("status --wach", "No such option: --wach (Possible options: --watch)"),
    *(Words(verb, "Missing argument 'P'") for verb in ("plan", "start", "stop", "drop", "pause", "resume", "diagnose")),
    *(Words(f"{verb} extra", "unexpected extra argument(s) (extra)") for verb in ("up", "down", "demo")),
    *(Words(f"{verb} --json", "No such option: --json") for verb in ("up", "down", "demo")),
    Words("start sales --timeout", "Option '--timeout' requires an argument", ""),
    Words("start sales --timeout soon", "Invalid value for '--timeout'"),
    Words("start sales --timeout -1", "Invalid value for '--timeout'"),
    Words("start sales --timeout nan", "Invalid value for '--timeout'"),
    Words("stop sales --timeout 1,5", "Invalid value for '--timeout'"),
    Words("check sales --timeout 5", "No such option: --timeout"),
    Words("plan sales --no-wait", "No such option: --no-wait"),
    Words("pause sales -t", "Option '-t' requires an argument", ""),
    Words("drop sales -t orders", "No such option: -t"),
    Words("up --ready-fd x", "Invalid value for '--ready-fd'"),
    Words("up --ready-fd 987", "no open descriptor"),
)


class Command(NamedTuple):
    """A command line that is understood and refused."""

    line: str
    code: int
    what: str
    fix: str


_COMMANDS = (
    *(
        Command(f"{verb} sails", 2, "there is no pipeline sails (known: idle, sales)", "pipelines")
        for verb in ("check", "plan", "start", "stop", "status", "drop", "pause", "resume")
    ),
    Command("diagnose sails", 2, "there is no pipeline sails", "./cdc status"),
    Command("check --json sails", 2, "there is no pipeline sails", "pipelines"),
    Command("check ../sales", 2, "there is no pipeline ../sales", "pipelines"),
    Command("check Sales", 2, "there is no pipeline Sales", "pipelines"),
    Command("check sales.yaml", 2, "there is no pipeline sales.yaml", "pipelines"),
    Command("pause sales", 1, "sales was never started: only one that is RUNNING can be paused", "./cdc start sales"),
    Command("resume sales", 1, "sales was never started, not paused: there is nothing to resume", "./cdc start sales"),
    Command("pause sales -t orders", 1, "table orders of pipeline sales was never loaded", "./cdc start sales"),
    Command("resume sales -t orders", 1, "table orders of pipeline sales was never loaded", "./cdc start sales"),
    Command("pause sales -t ordres", 2, "pipeline sales has no table ordres (known: orders)", "./cdc status sales"),
    Command("resume sales -t ordres", 2, "pipeline sales has no table ordres (known: orders)", "./cdc status sales"),
    Command("pause sales -t public.orders", 2, "pipeline sales has no table public.orders", "./cdc status sales"),
    Command("pause idle -t nothing", 2, "pipeline idle has no table nothing", "./cdc status idle"),
    Command("pause idle -t orders", 1, "table orders of pipeline idle is NOT_STARTED", "./cdc status idle"),
    Command("start idle_file", 2, "there is no pipeline idle_file", "pipelines"),
)


@dataclass(frozen=True)
class Place:
    """A checkout, its state database, and the database of both pipelines."""

    console: Console
    databases: Databases

    @property
    def copy(self) -> Copy:
        return self.console.copy

    def tell(self, *arguments: str, **variables: str) -> Told:
        return self.console.tell(*arguments, **self.variables, **variables)

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "CDC_DATABASE_URL": self.databases.state_url,
            "APP_PASSWORD": str(urlsplit(self.databases.source_url).password),
        }

    def state(self) -> object:
        """Every file, every row of ours, and every table of source and target."""
        with psycopg.connect(self.databases.state_url) as connection:
            rows = [
                connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("pipelines", "pipeline_tables", "pipeline_events", "pipeline_leases")
            ]
        objects = []
        for url in (self.databases.source_url, self.databases.target_url):
            with psycopg.connect(url) as connection:
                objects += connection.execute(
                    "SELECT oid::int8 FROM pg_class UNION ALL SELECT oid::int8 FROM pg_publication UNION ALL "
                    "SELECT oid::int8 FROM pg_namespace ORDER BY 1"
                ).fetchall()
        return self.copy.files(), rows, objects


@pytest.fixture(scope="module")
def place(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    databases = make_databases(postgres_url)
    copy = Copy.make(tmp_path_factory.mktemp("bad commands"))
    parts = urlsplit(databases.source_url)
    directory = copy.directory
    (directory / "connections.yaml").write_text(
        f"app: {{kind: postgres, host: {parts.hostname}, port: {parts.port}, user: {parts.username}, "
        "password: {env: APP_PASSWORD}}\n"
    )
    for name in ("sales", "idle"):
        (directory / "pipelines" / f"{name}.yaml").write_text(
            f"mode: full_load_and_cdc\ntables: [orders]\n"
            f"source: {{connection: app, database: {database_name(databases.source_url)}, schema: public}}\n"
            f"target: {{connection: app, database: {database_name(databases.target_url)}, schema: {name}}}\n"
        )
    with psycopg.connect(databases.source_url) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    migrate(Settings.load(configured_database_url=databases.state_url))
    with copy.console() as console:
        made = Place(console, databases)
        # Recorded, as a stack's tick would have done it.
        assert made.tell("stop", "idle").code == 0
        yield made
    drop_databases(postgres_url, databases)


def _words(text: str) -> str:
    """The words of a usage error, which is drawn into a box as wide as the terminal."""
    return re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", text))


@pytest.fixture(scope="module")
def told(place: Place) -> Mapping[str, Told]:
    """What is said to each of them; nothing is changed by all of them together."""
    before = place.state()
    lines = [*(each.line for each in _WORDS), *(each.line for each in _COMMANDS)]
    found = {line: place.tell(*line.split()) for line in lines}
    assert place.state() == before
    return found


@pytest.mark.parametrize("case", _WORDS, ids=lambda case: case.line)
def test_wrong_words(case: Words, told: Mapping[str, Told]) -> None:
    one = told[case.line]
    assert (one.code, one.output) == (2, "")
    assert "Traceback" not in one.error
    assert case.what in _words(one.error)
    assert case.fix in one.error


@pytest.mark.parametrize("case", _COMMANDS, ids=lambda case: case.line)
def test_a_command_that_cannot_be_done(case: Command, told: Mapping[str, Told]) -> None:
    one = told[case.line]
    assert (one.code, one.output) == (case.code, ""), one
    lines = one.error.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error", "fix"]
    assert case.what in lines[0]
    assert case.fix in lines[1]


def test_there_are_enough_of_them() -> None:
    assert len(_WORDS) + len(_COMMANDS) >= 40


def test_what_is_done_already_is_no_wrong_use(place: Place) -> None:
    before = place.state()
    told = place.tell("stop", "idle", "--json")
    assert (told.code, told.error, json.loads(told.output)["status"]) == (0, "", "NOT_STARTED")
    assert place.state() == before
    assert place.tell("down") == Told(0, f"Nothing runs on {place.copy.directory / 'home'}.\n", "")
    assert place.state() == before


def test_wrong_arguments_for_the_tests_are_a_wrong_use(place: Place) -> None:
    (place.copy.checkout / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    told = place.tell("test", "--no-such-option", "-p", "no:cacheprovider")
    (place.copy.checkout / "pyproject.toml").unlink()
    assert told.code == 2
    assert "unrecognized arguments: --no-such-option" in told.error + told.output


def _is_refused(told: Told, what: str, fix: str) -> bool:
    lines = told.error.splitlines()
    return (
        told.code == 1
        and [line.partition(": ")[0] for line in lines] == ["error", "fix"]
        and what in lines[0]
        and fix in lines[1]
    )


@pytest.fixture
def free(tmp_path: Path) -> Mapping[str, str]:
    """A state directory of the test's own, and free ports."""
    ports = ("UI", "API", "EMBEDDED_PG", "EMBEDDED_KAFKA", "EMBEDDED_CONNECT")
    return {"CDC_HOME": str(tmp_path / "home"), **{f"CDC_{name}_PORT": str(free_port()) for name in ports}}


@pytest.mark.parametrize("variable", ["CDC_UI_PORT", "CDC_API_PORT", "CDC_EMBEDDED_PG_PORT", "CDC_EMBEDDED_KAFKA_PORT"])
def test_up_on_a_used_port(variable: str, place: Place, free: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(free[variable]))):
        told = place.console.tell("up", **free)
    assert _is_refused(told, f"port {free[variable]} ", f"stop the program that uses it, or set {variable}"), told
    assert {path.name for path in Path(free["CDC_HOME"]).rglob("*")} == {"stack.lock"}


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach")])
def test_up_twice(arguments: tuple[str, ...], place: Place, free: Mapping[str, str]) -> None:
    home = Path(free["CDC_HOME"])
    home.mkdir()
    lock = home / "stack.lock"
    # In the place of a supervisor: who holds this lock is one.
    lock.write_text("4242\n")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        told = place.console.tell(*arguments, **free)
    assert _is_refused(told, f"already running (pid 4242) on state directory {home}", "./cdc down"), told
    assert lock.read_text() == "4242\n"


@pytest.mark.parametrize("variable", ["CDC_DATABASE_URL", "CDC_KAFKA_BOOTSTRAP", "CDC_CONNECT_URL"])
def test_the_demo_brings_its_own_servers(variable: str, place: Place, free: Mapping[str, str]) -> None:
    value = {"CDC_KAFKA_BOOTSTRAP": "h:9092", "CDC_CONNECT_URL": "http://h"}.get(variable, "postgresql://u@h/d")
    told = place.console.tell("demo", "--once", **free, **{variable: value})
    assert (told.code, told.error) == (1, "")
    fix, cause = told.output.splitlines()[-2:]
    assert cause == f"demo: FAILED: the demo brings its own servers, but {variable} is set"
    assert fix.startswith("fix: unset it")
    assert not Path(free["CDC_HOME"]).exists()


def test_the_demo_where_nothing_can_be_written(place: Place, free: Mapping[str, str]) -> None:
    told = place.console.tell("demo", "--once", **{**free, "CDC_HOME": "/proc/sys/nothing"})
    assert told.code == 1
    assert "Traceback" not in told.error
    assert told.output.splitlines()[-1].startswith("demo: FAILED: state directory /proc/sys/nothing cannot be made")
    assert "fix: let this user write there" in told.output


def _directory(path: Path) -> None:
    path.mkdir()


def _unreadable(path: Path) -> None:
    # Not even for root.
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("make", "what"), [(_directory, "is no ordinary file"), (_unreadable, "cannot be read: Input/output error")]
)
@pytest.mark.parametrize("name", ["connections.yaml", "pipelines/odd.yaml"])
def test_what_cannot_be_read_in_the_place_of_a_file(
    name: str, make: Callable[[Path], None], what: str, place: Place, tmp_path: Path
) -> None:
    directory = tmp_path / "files"
    (directory / "pipelines").mkdir(parents=True)
    (directory / "pipelines" / "good.yaml").write_text("mode: full_load_only\n")
    make(directory / name)
    told = place.tell(
        "check",
        "--json",
        CDC_PIPELINES_DIR=str(directory / "pipelines"),
        CDC_CONNECTIONS_FILE=str(directory / "connections.yaml"),
    )
    assert (told.code, told.error) == (1, "")
    found = [each for each in json.loads(told.output) if each["what"] == f"{directory / name}: {what}"]
    assert [each["status"] for each in found] == ["fail"], told.output
    assert found[0]["fix"]
