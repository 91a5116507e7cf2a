"""What a user loses without these: a wrong or broken jar is never used, and a rerun continues."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cdc_assets.embedded import jars
from cdc_assets.embedded.jars import Jar, JarStore, configured_mirror, locked_jars, platform_name
from cdc_assets.model.errors import EmbeddedStackError

CONTENT = b"a jar's bytes" * 1000


@dataclass
class Mirror:
    """A repository whose answers to the jar's address are listed in advance; then it serves the real thing."""

    url: str
    bad_answers: list[tuple[int, bytes]] = field(default_factory=list)
    requests: int = 0


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    monkeypatch.setattr(jars, "MAVEN_HOME", tmp_path / "no-m2")
    state = Mirror(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".sha1"):
                self.send_error(404)
                return
            state.requests += 1
            status, body = state.bad_answers.pop(0) if state.bad_answers else (200, CONTENT)
            self.send_response(status)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def jar() -> Jar:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Jar("library", "any", digest, len(CONTENT), "org.example", "thing", "1.0", "", "jar")


def test_a_busy_server_and_a_broken_transfer_are_tried_again(mirror: Mirror, jar: Jar, tmp_path: Path) -> None:
    mirror.bad_answers = [(503, b""), (200, CONTENT[:500])]
    path = JarStore(tmp_path / "store", mirror=mirror.url).ensure([jar])[jar]
    assert path.read_bytes() == CONTENT
    assert path.name == "thing-1.0.jar"


def test_an_altered_jar_is_never_used(mirror: Mirror, jar: Jar, tmp_path: Path) -> None:
    altered = b"X" + CONTENT[1:]
    mirror.bad_answers = [(200, altered)] * jars.FETCH_ATTEMPTS
    store = JarStore(tmp_path / "store", mirror=mirror.url)
    with pytest.raises(EmbeddedStackError, match=r"thing-1\.0\.jar is not the pinned one"):
        store.ensure([jar])
    assert store.missing([jar]) == [jar]


def test_a_dead_mirror_is_named_with_the_way_out(jar: Jar, mirror: Mirror, tmp_path: Path) -> None:
    mirror.bad_answers = [(503, b"")] * jars.FETCH_ATTEMPTS
    with pytest.raises(EmbeddedStackError, match=r"could not fetch org\.example:thing:1\.0 after 4 tries") as caught:
        JarStore(tmp_path / "store", mirror=mirror.url).ensure([jar])
    assert "CDC_MAVEN_MIRROR" in caught.value.hint


def test_offline_names_what_is_missing_and_asks_nobody(mirror: Mirror, jar: Jar, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedStackError, match="CDC_OFFLINE"):
        JarStore(tmp_path / "store", offline=True, mirror=mirror.url).ensure([jar])
    assert mirror.requests == 0


def test_a_right_file_of_maven_is_taken_and_a_wrong_one_is_not(mirror: Mirror, jar: Jar, tmp_path: Path) -> None:
    local = tmp_path / "no-m2" / "repository" / jar.maven_path
    local.parent.mkdir(parents=True)
    local.write_bytes(CONTENT)
    JarStore(tmp_path / "store", mirror=mirror.url).ensure([jar])
    assert mirror.requests == 0
    local.write_bytes(b"X" + CONTENT[1:])
    path = JarStore(tmp_path / "other", mirror=mirror.url).ensure([jar])[jar]
    assert mirror.requests == 1
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:any"'])
@pytest.mark.parametrize(
    ("covers", "used"),
    [("*", True), ("central", True), ("external:*,!central", False), ("other", False), ("external:*", True)],
)
def test_the_mirror_of_mavens_settings_is_used(namespace: str, covers: str, *, used: bool, tmp_path: Path) -> None:
    entry = f"<mirror><mirrorOf>{covers}</mirrorOf><url>http://mirror/m</url></mirror>"
    file = tmp_path / "settings.xml"
    file.write_text(f"<settings{namespace}><mirrors>{entry}</mirrors></settings>")
    assert configured_mirror(file) == ("http://mirror/m" if used else None)


def test_the_lock_serves_this_machine_and_pins_the_driver_the_sink_needs() -> None:
    parts = {jar.part: jar for jar in locked_jars("sink-driver", "postgres-18", "source-plugin", "sink-plugin")}
    assert parts["postgres-18"].platform == platform_name()
    driver = tuple(int(number) for number in parts["sink-driver"].version.split("."))
    assert driver >= (42, 7, 13)


def test_an_unknown_machine_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "platform_name", lambda: "linux-musl-x86_64")
    with pytest.raises(EmbeddedStackError, match="no postgres-18 for linux-musl-x86_64") as caught:
        locked_jars("postgres-18")
    assert "glibc" in caught.value.hint
