"""A pipeline file is taken exactly as written, or refused with file, line and fix."""

from pathlib import Path

import pytest

from cdc_assets.adapters.definition_files import load
from cdc_assets.model.pipeline import AllTables, Mode, Options, Pipeline, SecretReference, Tls
from cdc_assets.model.table import TableMapping, TableName

CONNECTIONS = """\
app:
  kind: postgres
  host: db.example.org
  port: 5433
  user: cdc
  password: {env: APP_PASSWORD}
warehouse:
  kind: postgres
  host: 10.0.0.7
  user: loader
  password: {file: secrets/warehouse}
  connect_host: warehouse.internal
  connect_port: 6432
  connect_password: ${directory:/run/secrets:warehouse}
  tls: {mode: verify-full, ca_file: /etc/ssl/ca.pem}
"""
PIPELINE = """\
mode: full_load_and_cdc
source: {connection: app, database: cdctest, schema: public}
target: {connection: warehouse, database: cdctest, schema: dbo}
tables:
  - projects_simple
  - name: orders
    target: orders_copy
    key: [tenant_id, order_no]
options:
  load_streams: 4
  max_mb_per_s: 50
  accept_inexact: [orders.discount]
"""


class Files:
    """The files of an installation, in a directory of the test."""

    def __init__(self, directory: Path) -> None:
        self.pipelines = directory / "pipelines"
        self.pipelines.mkdir()
        self.connections = directory / "connections.yaml"
        self.connections.write_text(CONNECTIONS)

    def write(self, name: str, text: str) -> Path:
        path = self.pipelines / name
        path.write_text(text)
        return path

    def only_valid(self) -> Pipeline:
        definitions = load(self.pipelines, self.connections)
        assert definitions.invalid == ()
        (pipeline,) = definitions.pipelines
        return pipeline

    def problems(self) -> tuple[str, ...]:
        definitions = load(self.pipelines, self.connections)
        assert definitions.pipelines == ()
        return tuple(problem for invalid in definitions.invalid for problem in invalid.problems)

    def only_problem(self) -> str:
        (problem,) = self.problems()
        return problem


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_all_tables_of_a_schema_but_some(files: Files) -> None:
    listed, options = PIPELINE.index("tables:"), PIPELINE.index("options:")
    rule = "tables: all\nexcept: [audit_log, 'a b']\n"
    files.write("sales.yaml", PIPELINE[:listed] + rule + PIPELINE[options:])
    assert files.only_valid().all_tables == AllTables(("audit_log", "a b"))
    assert files.only_valid().tables == ()
    files.write("sales.yaml", PIPELINE[:listed] + rule + "add_new_tables: true\n")
    assert files.only_valid().all_tables == AllTables(("audit_log", "a b"), adds_new=True)


def test_columns_are_left_out_by_name(files: Files) -> None:
    files.write("sales.yaml", PIPELINE.replace("    key:", "    columns: {exclude: [notes, 'a b']}\n    key:"))
    tables = files.only_valid().tables
    assert [table.excluded for table in tables] == [(), ("notes", "a b")]


def test_a_full_file_becomes_the_model(files: Files, tmp_path: Path) -> None:
    files.write("sales.yaml", PIPELINE)
    pipeline = files.only_valid()
    assert pipeline.name == "sales"
    assert pipeline.mode is Mode.FULL_LOAD_AND_CDC
    assert pipeline.tables == (
        TableMapping(TableName("public", "projects_simple"), TableName("dbo", "projects_simple")),
        TableMapping(TableName("public", "orders"), TableName("dbo", "orders_copy"), ("tenant_id", "order_no")),
    )
    assert pipeline.options == Options(load_streams=4, max_mb_per_s=50, accept_inexact=("orders.discount",))
    app, warehouse = pipeline.source.connection, pipeline.target.connection
    assert (app.port, app.password, app.tls) == (5433, SecretReference(env="APP_PASSWORD"), Tls())
    assert warehouse.password == SecretReference(file=tmp_path / "secrets/warehouse")
    assert (warehouse.port, warehouse.connect_host, warehouse.connect_port) == (5432, "warehouse.internal", 6432)
    assert warehouse.tls == Tls("verify-full", Path("/etc/ssl/ca.pem"))


@pytest.mark.parametrize("word", ["yes", "no", "on", "NULLS", "1e3x"])
def test_names_that_look_like_other_things_stay_names(files: Files, word: str) -> None:
    files.write("sales.yaml", PIPELINE.replace("projects_simple", word))
    assert files.only_valid().tables[0].source.name == word


@pytest.mark.parametrize(
    ("change", "line", "what", "fix"),
    [
        (
            ("options:\n  load_streams", "options:\n  load_strems"),
            10,
            "unknown key options.load_strems",
            "`load_streams`",
        ),
        (("mode: full", "mod: full"), 1, "unknown key mod", "`mode`"),
        (("    key:", "    keys:"), 8, "unknown key tables[2].keys", "`key`"),
        (
            ("  load_streams: 4", '  load_streams: "4"'),
            10,
            "options.load_streams: should be a valid integer",
            "`load_streams: 2`",
        ),
        (
            ("  load_streams: 4", "  load_streams: true"),
            10,
            "options.load_streams: should be a valid integer",
            "`load_streams: 2`",
        ),
        (
            ("  load_streams: 4", "  load_streams: 0"),
            10,
            "options.load_streams: should be greater than or equal to 1",
            "`load_streams: 2`",
        ),
        (
            ("  max_mb_per_s: 50", "  max_mb_per_s: .inf"),
            11,
            "options.max_mb_per_s: should be a finite number",
            "`max_mb_per_s: 50`",
        ),
        (
            ("mode: full_load_and_cdc", "mode: everything"),
            1,
            "mode: should be 'full_load_only', 'full_load_and_cdc' or 'cdc_only'",
            "`mode: full_load_and_cdc`",
        ),
        (("connection: app,", "connection: ap,"), 2, "source.connection ap is not in", "`app`"),
        (("connection: app,", ""), 2, "source.connection is missing", "`connection: app`"),
        (("orders.discount", "discount"), 0, "`options.accept_inexact` names discount", "`table.column`"),
        (("orders_copy", "projects_simple"), 0, "`tables` names the target table projects_simple twice", "keep one"),
        (
            ("name: orders\n", "name: projects_simple\n"),
            0,
            "`tables` names the source table projects_simple twice",
            "keep one",
        ),
        (
            ("orders_copy", "cdc_assets_state"),
            7,
            "tables[2].target: is the name of a table this product keeps",
            "another name",
        ),
        (("schema: public", "schema: pg_catalog"), 2, "source.schema: is a schema of PostgreSQL itself", "of your own"),
        (("  - name: orders\n", "  - name: 7\n"), 6, "tables[2].name: should be a valid string", "`name: orders`"),
        (
            ("  - name: orders\n", f"  - name: {'x' * 64}\n"),
            6,
            "tables[2].name: must have 1 to 63 bytes",
            "as the database",
        ),
        (("mode: full_load_and_cdc\n", "mode: cdc_only\nmode: cdc_only\n"), 2, "the key mode stands twice", "keep one"),
        (("mode: full_load_and_cdc", "mode: full_load_and_cdc: x"), 1, "is not YAML", "correct the line"),
        (("tables:\n", "tables: some\nnothing:\n"), 0, "tables: must be `all`, or a list of tables", "`tables: all`"),
        (("    key:", "    columns: {only: [notes]}\n    key:"), 8, "unknown key tables[2].columns.only", "exclude"),
        (("    key:", "    columns: [notes]\n    key:"), 8, "tables[2].columns: should be a map", "`columns: {exclude"),
        (
            ("    key:", "    columns: {exclude: notes}\n    key:"),
            8,
            "exclude: should be a valid list",
            "exclude: [notes]",
        ),
        (("    key:", "    columns: {exclude: [a, a]}\n    key:"), 8, "`columns.exclude` names a column twice", "once"),
        (
            ("    key:", "    columns: {exclude: [order_no]}\n    key:"),
            8,
            "`columns.exclude` names order_no, which is part of `key`",
            "cannot find its row",
        ),
        (("options:\n", "except: [a]\noptions:\n"), 9, "`except` goes with `tables: all` only", "take it out"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_fix(
    files: Files, change: tuple[str, str], line: int, what: str, fix: str
) -> None:
    old, new = change
    assert old in PIPELINE
    path = files.write("sales.yaml", PIPELINE.replace(old, new, 1))
    matching = [problem for problem in files.problems() if what in problem]
    assert len(matching) == 1, files.problems()
    place = f"{path}:{line}: " if line else f"{path}:"
    assert matching[0].startswith(place)
    assert fix in matching[0].partition("Fix: ")[2]


def test_all_problems_of_a_file_are_told_at_once(files: Files) -> None:
    files.write("sales.yaml", "mode: nothing\nsource: {connection: app}\ntarget: 7\ntables: []\n")
    assert len(files.problems()) == 5


def test_one_bad_file_takes_no_other_down(files: Files) -> None:
    files.write("bad.yaml", "mode: [")
    files.write("good.yaml", PIPELINE)
    definitions = load(files.pipelines, files.connections)
    assert [pipeline.name for pipeline in definitions.pipelines] == ["good"]
    assert [(invalid.name, invalid.path.name) for invalid in definitions.invalid] == [("bad", "bad.yaml")]


@pytest.mark.parametrize("name", ["Sales.yaml", "1st.yaml", "a-b.yaml", f"{'a' * 41}.yaml", "sales.yml"])
def test_a_name_that_names_no_pipeline_is_refused(files: Files, name: str) -> None:
    files.write(name, PIPELINE)
    assert "rename it" in files.only_problem()


def test_other_files_are_left_alone(files: Files) -> None:
    files.write("README.md", "# ours")
    files.write("sales.yaml", PIPELINE)
    files.write(".sales.yaml.swp", "x")
    assert files.only_valid().name == "sales"


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "a: 1\n---\nb: 2\n", "mode: *gone\n", "a: &a [*a]\n"])
def test_what_is_no_pipeline_at_all_is_refused_with_a_sentence(files: Files, text: str) -> None:
    path = files.write("sales.yaml", text)
    assert files.problems()
    assert all(problem.startswith(str(path)) and "Fix: " in problem for problem in files.problems())


def test_a_file_that_is_no_text_is_refused(files: Files) -> None:
    (files.pipelines / "sales.yaml").write_bytes(b"mode: \xff\xfe")
    assert "is not UTF-8 text" in files.only_problem()


def test_a_directory_that_is_not_there_defines_nothing(tmp_path: Path) -> None:
    definitions = load(tmp_path / "pipelines", tmp_path / "connections.yaml")
    assert (definitions.pipelines, definitions.invalid) == ((), ())
