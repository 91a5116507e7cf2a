"""A real pgbouncer between us and the servers is named, in the mode that breaks a load and in the one that does not."""

import getpass
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.embedded.server_process import free_port
from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import PASSWORD, Site

_PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@pytest.mark.skipif(_PROGRAM is None, reason="this machine has no pgbouncer (apt-get install pgbouncer)")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_is_named_on_both_sides(site_18: Site, mode: str) -> None:
    site_18.make_table()
    direct = site_18.databases
    with tempfile.TemporaryDirectory() as directory, _pgbouncer(site_18, Path(directory), mode) as port:
        site_18.databases = replace(
            direct, source_url=_through(direct.source_url, port), target_url=_through(direct.target_url, port)
        )
        found = {check.name: check for check in site_18.checks() if check.status is CheckStatus.FAIL}
    assert {"source_not_pooled", "target_not_pooled"} <= set(found), found
    assert "goes through a pooler" in found["source_not_pooled"].what
    site_18.databases = direct
    assert site_18.found() == []


@contextmanager
def _pgbouncer(site: Site, directory: Path, mode: str) -> Iterator[int]:
    """Run it on a free port until the block ends."""
    directory.chmod(0o755)
    server, port = urlsplit(site.databases.source_url), free_port()
    users = directory / "users.txt"
    users.write_text("".join(f'"{role}" "{PASSWORD}"\n' for role in (site.source_role, site.target_role)))
    file = directory / "pgbouncer.ini"
    file.write_text(
        f"""
        [databases]
        * = host={server.hostname} port={server.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {users}
        pool_mode = {mode}
        """.replace("        ", "")
    )
    assert _PROGRAM is not None
    process = subprocess.Popen(
        [_PROGRAM, str(file)],
        # It refuses to run as root.
        user="nobody" if getpass.getuser() == "root" else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(_through(site.databases.source_url, port), site.source_role)
        yield port
    finally:
        process.terminate()
        process.wait()


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.2), retry=retry_if_exception_type(psycopg.OperationalError))
def _wait(url: str, role: str) -> None:
    parts = urlsplit(url)
    psycopg.connect(host=parts.hostname, port=parts.port, user=role, dbname=parts.path.lstrip("/")).close()


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.port}/", f":{port}/")
