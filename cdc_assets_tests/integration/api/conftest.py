"""The API as a process of its own on a real state database, with a pipeline `shop` and a broken file."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql

from cdc_assets.embedded.api import api_server, api_url
from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings
from cdc_assets.wiring import load_definitions, migrate, open_store

TOKEN = "a token of the test"
CONTENT: dict[str, Any] = {
    "mode": "full_load_only",
    "source": {"connection": "app", "database": "cdctest", "schema": "public"},
    "target": {"connection": "app", "database": "cdctest", "schema": "dbo"},
    "tables": ["customers"],
}
_CONNECTIONS = "".join(
    f"{name}: {{kind: postgres, host: 127.0.0.1, port: 9, user: cdc, password: {{env: APP_PASSWORD}}}}\n"
    for name in ("app", "warehouse")
)
_PIPELINE = """
mode: full_load_and_cdc
source: {connection: app, database: cdctest, schema: public}
target: {connection: app, database: cdctest, schema: dbo}
tables: [orders, {name: lines, target: order_lines}]
"""


@dataclass(frozen=True)
class Api:
    """A running API and what stands behind it."""

    url: str
    settings: Settings

    def get(self, path: str, **options: Any) -> requests.Response:  # noqa: ANN401
        return requests.get(self.url + path, timeout=30, **options)

    def post(self, path: str, **options: Any) -> requests.Response:  # noqa: ANN401
        return requests.post(self.url + path, timeout=30, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:  # noqa: ANN401
        return requests.delete(self.url + path, timeout=30, **options)


@contextmanager
def serve_api(directory: Path, database_url: str, **variables: str) -> Iterator[Api]:
    """Serve the API of the installation in `directory` from a process of its own."""
    port = free_port()
    settings = Settings.load(
        home=directory / "home",
        pipelines_dir=directory / "pipelines",
        connections_file=directory / "connections.yaml",
        CDC_DATABASE_URL=database_url,
        CDC_CONNECT_URL=f"http://127.0.0.1:{free_port()}",
        api_port=port,
    )
    environment: Mapping[str, str] = {
        "CDC_HOME": str(settings.home),
        "CDC_PIPELINES_DIR": str(settings.pipelines_dir),
        "CDC_CONNECTIONS_FILE": str(settings.connections_file),
        "CDC_DATABASE_URL": database_url,
        "CDC_CONNECT_URL": settings.connect_url,
        "APP_PASSWORD": "of-nobody",
        **variables,
    }
    process = api_server(settings, environment).start()
    try:
        yield Api(api_url(settings), settings)
    finally:
        process.end()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("installation")
    (made / "pipelines").mkdir()
    (made / "pipelines" / "shop.yaml").write_text(_PIPELINE)
    (made / "pipelines" / "broken.yaml").write_text(_PIPELINE + "speed: fast\n")
    (made / "connections.yaml").write_text(_CONNECTIONS)
    return made


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> Iterator[str]:
    name = sql.Identifier(f"api_{secrets.token_hex(4)}")
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres_url.rpartition("/")[0] + f"/{name.as_string(session).strip(chr(34))}"
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.fixture(scope="module")
def start_api(directory: Path, database_url: str) -> Callable[..., AbstractContextManager[Api]]:
    """Start a further API on the same state, with further variables."""
    return lambda url=database_url, **variables: serve_api(directory, url, **variables)


@pytest.fixture(scope="module")
def guarded_api(api: Api, start_api: Callable[..., AbstractContextManager[Api]]) -> Iterator[Api]:
    """An API on the same state that asks for TOKEN."""
    del api  # it has recorded the pipelines
    with start_api(CDC_API_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture(scope="module")
def api(start_api: Callable[..., AbstractContextManager[Api]]) -> Iterator[Api]:
    """An API without a token; `shop` is recorded, as the daemon's tick would."""
    with start_api() as started:
        migrate(started.settings)
        store = open_store(started.settings)
        for pipeline in load_definitions(started.settings).pipelines:
            store.ensure_pipeline(pipeline)
        yield started
