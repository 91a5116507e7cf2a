"""One object writes the address for every driver, and nothing in it can end a value early."""

from pathlib import Path

import pytest

from cdc_assets.adapters.definition_files import load
from cdc_assets.model.pipeline import Connection, Endpoint, SecretReference, Tls
from cdc_assets.model.sqlserver_connection import SqlServerAddress

_PIPELINE = """\
mode: full_load_only
source: {connection: app, database: a, schema: public}
target: {connection: warehouse, database: dw, schema: dbo}
tables: [t]
"""
_APP = "app: {kind: postgres, host: h, user: u, password: {env: P}}\n"


def _endpoint(**changes: object) -> Endpoint:
    login = {"host": "db", "port": 1433, "user": "cdc", "password": SecretReference(env="P")} | changes
    return Endpoint(Connection("w", "sqlserver", **login), "dw", "dbo")  # type: ignore[arg-type]


def test_loader_and_sink_say_the_same_about_encryption() -> None:
    for tls, trusts, odbc, jdbc in (
        (Tls("disable"), False, "Encrypt=no;TrustServerCertificate=yes;", "encrypt=false;trustServerCertificate=true"),
        (Tls("prefer"), False, "Encrypt=yes;TrustServerCertificate=no;", "encrypt=true;trustServerCertificate=false"),
        (Tls("require"), True, "Encrypt=yes;TrustServerCertificate=yes;", "encrypt=true;trustServerCertificate=true"),
    ):
        address = SqlServerAddress.of(_endpoint(tls=tls, trust_server_certificate=trusts))
        assert odbc in address.odbc("p")
        assert jdbc in address.jdbc({})


def test_semicolons_and_braces_end_no_value() -> None:
    endpoint = Endpoint(_endpoint(user="a;b").connection, "d;w}x", "dbo")
    address = SqlServerAddress.of(endpoint)

    assert address.odbc("p;w}d=Encrypt=no") == (
        "Server=db,1433;Database={d;w}}x};UID={a;b};PWD={p;w}}d=Encrypt=no};Encrypt=yes;TrustServerCertificate=no;"
        "PacketSize=32767;"
    )
    assert address.jdbc({"applicationName": "a b"}) == (
        "jdbc:sqlserver://db:1433;databaseName={d;w}}x};encrypt=true;trustServerCertificate=false;applicationName={a b}"
    )


def test_a_driver_of_the_machine_is_named_and_told_who_we_are() -> None:
    odbc = SqlServerAddress.of(_endpoint()).odbc("p", driver="ODBC Driver 18 for SQL Server", application="cdc:x:1")

    assert odbc.startswith("DRIVER={ODBC Driver 18 for SQL Server};Server=db,1433;")
    assert "APP=cdc:x:1;" in odbc


def test_the_connect_worker_may_see_another_address() -> None:
    endpoint = _endpoint(connect_host="fe80::1", connect_port=2433)

    assert (
        SqlServerAddress.of(endpoint, as_connect_sees_it=True).jdbc({}).startswith("jdbc:sqlserver://[fe80::1]:2433;")
    )
    assert SqlServerAddress.of(endpoint).odbc("p").startswith("Server=db,1433;")


def _problems(directory: Path, warehouse: str) -> str:
    pipelines = directory / "pipelines"
    pipelines.mkdir()
    (pipelines / "p.yaml").write_text(_PIPELINE)
    file = directory / "connections.yaml"
    file.write_text(_APP + warehouse)
    return " ".join(problem for invalid in load(pipelines, file).invalid for problem in invalid.problems)


def test_its_port_is_its_own(tmp_path: Path) -> None:
    assert not _problems(tmp_path, "warehouse: {kind: sqlserver, host: h, user: u, password: {env: P}}\n")
    pipeline = load(tmp_path / "pipelines", tmp_path / "connections.yaml").pipelines[0]
    assert (pipeline.source.connection.port, pipeline.target.connection.port) == (5432, 1433)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("kind: sqlserver, tls: {mode: verify-full, ca_file: /ca.pem}", "from the machine's own store"),
        ("kind: postgres, trust_server_certificate: true", "are of kind sqlserver"),
        ('kind: sqlserver, driver: "x;UID=sa"', "must be the name of an installed ODBC driver"),
    ],
)
def test_what_a_product_does_not_know_is_refused(tmp_path: Path, entry: str, what: str) -> None:
    assert what in _problems(tmp_path, f"warehouse: {{{entry}, host: h, user: u, password: {{env: P}}}}\n")


def test_a_source_is_postgresql(tmp_path: Path) -> None:
    entries = "warehouse: {kind: postgres, host: h, user: u, password: {env: P}}\n"
    problems = _problems(tmp_path, entries)
    assert not problems
    (tmp_path / "connections.yaml").write_text(entries + _APP.replace("postgres", "sqlserver"))
    invalid = load(tmp_path / "pipelines", tmp_path / "connections.yaml").invalid
    assert "app is no PostgreSQL server" in invalid[0].problems[0]
