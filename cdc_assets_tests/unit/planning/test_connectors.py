"""What stands in the connectors' configurations, and what must not."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Pipeline, SecretReference, Tls
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.planning.connectors import ConnectorCredentials
from cdc_assets.planning.names import pipeline_names, topic_part
from cdc_assets.planning.sink_connector import sink_application, sink_config, unusable_target_names
from cdc_assets.planning.source_connector import CapturedTable, source_config, unusable_key_columns

CREDENTIALS = ConnectorCredentials(user="${directory:/s/app:user}", password="${directory:/s/app:password}")


def _connection(**changes: object) -> Connection:
    plain: dict[str, object] = {
        "name": "app",
        "kind": "postgres",
        "host": "10.0.0.1",
        "port": 5432,
        "user": "u",
        "password": SecretReference(env="P"),
    }
    return Connection(**{**plain, **changes})  # type: ignore[arg-type]


def _pipeline(*tables: TableName, **changes: object) -> Pipeline:
    endpoint = Endpoint(_connection(**changes), "app db", "public")
    return Pipeline(
        name="shop",
        mode=Mode.FULL_LOAD_AND_CDC,
        source=endpoint,
        target=Endpoint(_connection(**changes), "dw", "dbo"),
        tables=tuple(TableMapping(table, TableName("dbo", table.name)) for table in tables),
    )


def _source(*tables: CapturedTable, **changes: object) -> dict[str, str]:
    pipeline = _pipeline(*(table.name for table in tables), **changes)
    return dict(source_config(pipeline, pipeline_names(pipeline, 1, "abc123"), tables, CREDENTIALS))


def test_a_start_never_meets_a_stored_offset_and_never_retries_in_place() -> None:
    config = _source(CapturedTable(TableName("public", "t")))
    assert config["topic.prefix"] == "cdc_shop_1_abc123.${directory:/proc/sys/kernel/random:uuid}"
    assert config["errors.max.retries"] == "0"
    assert config["snapshot.mode"] == "no_data"
    assert config["lsn.flush.mode"] == "connector"
    assert config["publication.autocreate.mode"] == "disabled"
    assert config["slot.drop.on.stop"] == "false"
    assert config["slot.name"] == config["publication.name"] == "cdc_shop_1_abc123"


def test_a_deleted_row_is_one_record() -> None:
    config = _source(CapturedTable(TableName("public", "t")))
    assert config["tombstones.on.delete"] == "false"
    assert config["skipped.operations"] == "none"


@pytest.mark.parametrize("name", ["t", "We ird", "Größe", "a.b", "😀"])
def test_topic_names_stay_the_same_at_every_start(name: str) -> None:
    config = _source(CapturedTable(TableName("public", name)))
    part = topic_part(name)
    for sign in ("_", "\n", ""):
        prefix = f"cdc_shop_1_abc123.1b4e28ba-2fa1-11d2-883f-0016d3cca427{sign}"
        router, replacement = (
            config["transforms.root.regex"],
            re.sub(r"\$(\d)", r"\\\1", config["transforms.root.replacement"]),
        )
        assert re.sub(router, replacement, f"{prefix}.public.{part}") == f"cdc_shop_1_abc123.public.{part}"
        assert re.sub(router, replacement, f"__debezium-heartbeat.{prefix}") == "__debezium-heartbeat.cdc_shop_1_abc123"


def test_the_router_leaves_the_topics_of_other_pipelines_alone() -> None:
    router = _source(CapturedTable(TableName("public", "t")))["transforms.root.regex"]
    assert re.match(router, "cdc_shop_1_abc1234.1b4e28ba-2fa1-11d2-883f-0016d3cca427_.public.t") is None
    assert re.match(router, "cdc_shop_1xabc123.1b4e28ba-2fa1-11d2-883f-0016d3cca427_.public.t") is None


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("a.b", ["axb"]),
        ("t", ["T", "tt", "xt"]),
        ("a,b", ["a", "b"]),
        ("x|y", ["x", "y"]),
        ("sum(1)$", ["sum1"]),
        (" edge ", ["edge"]),
    ],
)
def test_the_include_list_means_exactly_the_tables(name: str, others: list[str]) -> None:
    listed = _source(CapturedTable(TableName("public", name)))["table.include.list"]
    assert "," not in listed
    # Debezium compiles with CASE_INSENSITIVE, anchored, and trims around commas; Python writes the switch differently.
    pattern = re.compile(listed.strip().replace("(?-i)", ""))
    assert pattern.fullmatch(f"public.{name}")
    assert listed.startswith("(?-i)")
    assert not any(pattern.fullmatch(f"public.{other}") for other in others)


def test_a_key_from_the_file_and_columns_left_out_are_named_with_their_table() -> None:
    config = _source(
        CapturedTable(TableName("public", "a")),
        CapturedTable(TableName("public", "b"), key=("tenant", "no"), left_out=("total",)),
    )
    assert config["message.key.columns"] == r"(?-i)public\.b:tenant,no"
    assert config["column.exclude.list"] == r"(?-i)public\.b\.total"


def test_the_converter_is_told_whole_names_and_only_where_there_are_any() -> None:
    config = _source(
        CapturedTable(TableName("public", "t"), as_text=("x", "a,b/c %Ü${y}")),
        CapturedTable(TableName("public", "other")),
        CapturedTable(TableName("my.schema", "T/1"), as_text=("x",)),
    )
    assert config["exact_text.columns"] == ("public.t/x,public.t/a%2Cb%2Fc%20%25%C3%9C%24%7By%7D,my.schema.T%2F1/x")
    assert config[f"{config['converters']}.type"] == "cdcassets.connect.ExactText"
    assert "converters" not in _source(CapturedTable(TableName("public", "t")))


def test_only_events_of_columns_that_need_it_name_the_type_of_the_source() -> None:
    """Every event carries what is named, twice."""
    config = _source(
        CapturedTable(TableName("public", "t"), typed=("bits", "a,b")), CapturedTable(TableName("public", "u"))
    )
    assert config["column.propagate.source.type"] == r"(?-i)public\.t\.bits,(?-i)public\.t\.a\x2cb"
    assert "column.propagate.source.type" not in _source(CapturedTable(TableName("public", "t")))


def test_columns_that_cannot_be_named_as_a_key_are_found() -> None:
    assert unusable_key_columns(("id", "a b", "x:y", "Größe")) == ("a b", "x:y")


def test_names_that_the_sink_cannot_write_are_found() -> None:
    assert unusable_target_names(("t", 'a"b', "We ird", "x${topic}")) == ('a"b', "x${topic}")


def test_connect_may_see_the_source_under_another_address() -> None:
    config = _source(
        CapturedTable(TableName("public", "t")),
        connect_host="db.inner",
        connect_port=6432,
        tls=Tls("verify-full", Path("/ca.pem")),
    )
    assert (config["database.hostname"], config["database.port"]) == ("db.inner", "6432")
    assert (config["database.sslmode"], config["database.sslrootcert"]) == ("verify-full", "/ca.pem")
    assert config["database.password"] == CREDENTIALS.password


def _sink(name: str, *, unique: bool = False, **changes: object) -> dict[str, str]:
    pipeline = _pipeline(TableName("public", name), **changes)
    return dict(
        sink_config(
            pipeline.tables[0],
            pipeline.target,
            CREDENTIALS,
            name="cdc_shop_1_abc123_sink_0_t",
            topic="cdc_shop_1_abc123.public.t",
            keeps_events_apart=unique,
        )
    )


def test_the_sink_is_told_of_what_numbers_its_target_holds() -> None:
    pipeline = _pipeline(TableName("public", "t"))
    config = sink_config(
        pipeline.tables[0],
        pipeline.target,
        CREDENTIALS,
        name="s",
        topic="t",
        keeps_events_apart=False,
        fitting={"f": "float", "a,b:c %": "decimal:10:2"},
    )
    assert config["transforms.fit.columns"] == "f:float,a%2Cb%3Ac%20%25:decimal:10:2"
    assert config[f"transforms.{config['transforms']}.type"] == "cdcassets.connect.FittingValues"
    assert "transforms" not in _sink("t")


def test_a_gap_in_a_topic_fails_instead_of_being_skipped() -> None:
    config = _sink("t")
    assert config["consumer.override.auto.offset.reset"] == "none"
    assert config["errors.tolerance"] == "none"
    assert config["truncate.enabled"] == config["delete.enabled"] == "true"
    assert config["schema.evolution"] == "none"


def test_a_target_table_is_named_literally_and_quoted() -> None:
    assert _sink("We ird")["collection.name.format"] == '"dbo"."We ird"'
    assert _sink('a"b')["collection.name.format"] == '"dbo"."a""b"'


def test_events_are_not_merged_where_another_unique_index_could_break() -> None:
    url = _sink("t", unique=True)["connection.url"]
    assert _sink("t", unique=True)["use.reduction.buffer"] == "false"
    assert "reWriteBatchedInserts" not in url
    assert _sink("t")["use.reduction.buffer"] == "true"
    assert "reWriteBatchedInserts=true" in _sink("t")["connection.url"]


def test_the_sinks_address_can_be_read_back() -> None:
    url = urlsplit(_sink("t", host="fe80::1", tls=Tls("require"))["connection.url"].removeprefix("jdbc:"))
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (url.hostname, url.port, url.path) == ("fe80::1", 5432, "/dw")
    assert query["ApplicationName"] == "cdc_shop_1_abc123_sink_0_t"
    assert query["sslmode"] == "require"
    assert "-c lock_timeout=30000" in query["options"]
    assert " -c synchronous_commit=on " in query["options"]


def test_no_setting_of_a_role_or_database_changes_the_text_of_values() -> None:
    source = _source(CapturedTable(TableName("public", "t")))["driver.options"]
    for setting in ("extra_float_digits=1", "bytea_output=hex", "intervalstyle=postgres", "lc_monetary=C"):
        assert f"-c {setting}" in source
    assert source.replace(" ", "%20").replace("=", "%3D") in _sink("t")["connection.url"]


def test_long_sink_names_stay_apart_in_the_targets_sessions() -> None:
    names = [f"cdc_{'p' * 40}_1_abc123_sink_{n}_orders" for n in range(20)]
    applications = {sink_application(name) for name in names}
    assert len(applications) == 20
    assert all(len(application.encode()) <= 63 for application in applications)


def test_no_configuration_holds_a_secret_in_plain() -> None:
    for config in (_source(CapturedTable(TableName("public", "t"))), _sink("t")):
        secret = {key: value for key, value in config.items() if "password" in key}
        assert secret
        assert all(value.startswith("${") for value in secret.values())
