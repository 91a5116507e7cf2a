"""Each thing that could lose or damage something is found by its own check, with a fix; what is in order passes."""

from dataclasses import replace

import pytest

from cdc_assets.dialects.type_registry import TypeVerdict, Verdict
from cdc_assets.model.errors import (
    ConnectUnavailableError,
    KafkaError,
    SourceError,
    SourceLockedError,
    TargetError,
    TargetLockedError,
    TargetNotOursError,
)
from cdc_assets.model.pipeline import Endpoint, Mode
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.model.table import ColumnType, LeafTable, TableMapping, TableName
from cdc_assets.planning.connectors import CONVERTER_OFFER
from cdc_assets.ports.streaming import ConnectorPlugin
from cdc_assets.stages.preflight.facts import ColumnFact, ConnectFacts, KafkaFacts
from cdc_assets_tests.unit.preflight.facts import (
    CONNECT,
    COPY,
    ORDERS,
    PIPELINE,
    PUBLICATION,
    SLOT,
    Case,
    column,
    connection,
    index,
    loaded_record,
    record,
    slot,
    source_table,
    target_table,
)

GOOD = Case()
LOAD_ONLY = GOOD.pipeline(mode=Mode.FULL_LOAD_ONLY)
STARTED = GOOD.having(record=record()).source(slots=(slot(),))
KEYED = GOOD.key("tenant", "number")
OWNERS = GOOD.pipeline(publication="owners").source(publication=PUBLICATION)
WITH_COPY = GOOD.target(tables={COPY: target_table()})
LOADED = WITH_COPY.having(record=loaded_record())
CDC_ONLY = WITH_COPY.pipeline(mode=Mode.CDC_ONLY)
REFUSED = GOOD.target(refused={"orders": TargetNotOursError("it is theirs", hint="rename it")})
KEY_COLUMNS = (column("tenant"), column("number"), column("note", nullable=True))
NO_KEY = GOOD.table(primary_key=())
GOOD_INDEX = index("tenant", "number")
FLAWED = (
    replace(GOOD_INDEX, is_unique=False),
    replace(GOOD_INDEX, is_valid=False),
    replace(GOOD_INDEX, all_not_null=False),
    replace(GOOD_INDEX, is_partial=True),
    replace(GOOD_INDEX, is_deferrable=True),
    replace(GOOD_INDEX, columns=()),
)
A_B, A_SPACE_B = TableName("public", "a_b"), TableName("public", "a b")


COMPUTED = replace(column("total", generated="stored"), default="(amount * 2)")
MOOD = replace(
    column("mood"), type=ColumnType("mood", "public", "mood", "mood", "public", "e", base_category="e", labels=("ok",))
)


_AMOUNT_LEFT_OUT = r"(?-i)public\.orders\.more,(?-i)public\.orders\.amount"


def excluding(*columns: str) -> Case:
    return GOOD.pipeline(tables=(TableMapping(ORDERS, COPY, excluded=columns),))


def with_columns(verdict: Verdict, *, rows: int = 0) -> Case:
    judged = TypeVerdict("float8", verdict, inexact_values="NaN and Infinity", remedy="change it")
    return GOOD.source(columns=(ColumnFact(ORDERS, column("amount"), judged, rows, is_counted=True),))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(GOOD, id="a fresh pipeline"),
        pytest.param(LOAD_ONLY, id="load only"),
        pytest.param(STARTED.source_server(used_replication_slots=10), id="its own slot needs no free one"),
        pytest.param(
            STARTED.source(slots=(slot(active_pid=9),)).source_server(used_wal_senders=10), id="its own walsender"
        ),
        pytest.param(OWNERS, id="a publication of the owner"),
        pytest.param(OWNERS.source_server(may_create_in_database=False), id="an owner's publication needs no CREATE"),
        pytest.param(
            OWNERS.table(is_owned_by_us=False, leaves=(LeafTable(ORDERS, "f", 100),)), id="owner did everything"
        ),
        pytest.param(LOADED, id="a target table we made and filled"),
        pytest.param(CDC_ONLY, id="a plain target table of somebody"),
        pytest.param(excluding("amount"), id="a column left out"),
        pytest.param(
            excluding("amount")
            .target(tables={COPY: target_table()})
            .having(
                record=loaded_record(),
                connect=replace(CONNECT, source_config={"column.exclude.list": _AMOUNT_LEFT_OUT}),
            ),
            id="a column left out as when it was loaded",
        ),
        pytest.param(LOADED.having(connect=replace(CONNECT, source_config={})), id="nothing left out, as when loaded"),
        pytest.param(
            excluding("later")
            .table(columns=(*source_table().columns, column("later")))
            .target(tables={COPY: target_table()})
            .having(record=loaded_record(), connect=replace(CONNECT, source_config={})),
            id="a column left out that came after the load",
        ),
        pytest.param(
            excluding("amount", "total").table(columns=(*source_table().columns, COMPUTED)),
            id="a column left out with the one computed from it",
        ),
        pytest.param(
            KEYED.table(primary_key=(), columns=KEY_COLUMNS, indexes=(index("number", "tenant"),)), id="a named key"
        ),
        pytest.param(LOAD_ONLY.table(primary_key=(), persistence="u"), id="no key, not logged, load only"),
        pytest.param(LOAD_ONLY.source_server(wal_level="replica", may_replicate=False), id="load only needs no WAL"),
        pytest.param(LOAD_ONLY.having(connect=None), id="load only needs no Connect"),
        pytest.param(GOOD.source(slots=(slot("cdc_sales_eu_1_abcdef"),)), id="the slot of sales_eu is not sales' slot"),
        pytest.param(GOOD.table(kind="p"), id="a partitioned table"),
        pytest.param(GOOD.table(columns=(*source_table().columns, MOOD, COMPUTED)), id="a generated column at the end"),
        pytest.param(GOOD.table(columns=(COMPUTED, *source_table().columns)), id="a generated column without an enum"),
        pytest.param(
            LOAD_ONLY.table(columns=(MOOD, COMPUTED, *source_table().columns)), id="the load counts no columns"
        ),
        pytest.param(with_columns(Verdict.EXACT), id="an exact column"),
        pytest.param(
            OWNERS.source(publication=replace(PUBLICATION, columns={ORDERS: frozenset({"id", "amount"})})),
            id="a publication that sends every column",
        ),
        pytest.param(
            OWNERS.table(columns=(column("id"), column("g", generated="stored"))).source(
                publication=replace(PUBLICATION, columns={ORDERS: frozenset({"id"})})
            ),
            id="a generated column is not copied",
        ),
        pytest.param(GOOD.source_server(free_connections=8), id="just enough connections of the source"),
        pytest.param(LOADED.source_server(free_connections=4), id="a loaded table needs no load sessions"),
        pytest.param(
            LOADED.source(slots=(slot(active_pid=9),)).source_server(free_connections=1), id="its own connector"
        ),
        pytest.param(LOAD_ONLY.table(columns=(column("id"), column("Id"))), id="the load tells case apart"),
        pytest.param(GOOD.source(largest_rows={ORDERS: 4 << 20}), id="large, and the embedded Kafka takes it"),
        pytest.param(
            GOOD.source(largest_rows={ORDERS: 4 << 20}).having(
                kafka=KafkaFacts(message_bytes=20 << 20), is_kafka_configured=True, is_connect_configured=True
            ),
            id="large, and the brokers say that they take it",
        ),
        pytest.param(GOOD.source_server(version=150014), id="the minor version that was mended"),
        pytest.param(LOAD_ONLY.source_server(version=150012), id="load only decodes nothing"),
        pytest.param(LOAD_ONLY.table(columns=(column('a"b'),)), id="the load writes any name"),
        pytest.param(GOOD.source_server(encoding="LATIN1").target_server(encoding="LATIN1"), id="the same encoding"),
        pytest.param(
            LOAD_ONLY.source_server(session_limits={"statement_timeout": "5s"}), id="our sessions set limits aside"
        ),
    ],
)
def test_what_is_in_order_passes(case: Case) -> None:
    assert case.found() == ()
    assert case.checks()


@pytest.mark.parametrize(
    ("case", "name", "what"),
    [
        (GOOD.source_server(version=130009), "source_version", "PostgreSQL 13.9; PostgreSQL 14 to 18"),
        (GOOD.source_server(version=190000), "source_version", "19.0"),
        (GOOD.source_server(wal_level="replica"), "source_wal_level", "wal_level is replica"),
        (GOOD.source_server(is_standby=True), "source_primary", "standby"),
        (GOOD.source_server(is_pooled=True), "source_not_pooled", "pooler"),
        (LOAD_ONLY.source_server(is_pooled=True), "source_not_pooled", "pooler"),
        (GOOD.source_server(used_replication_slots=10), "source_slots", "all 10 replication slots"),
        (GOOD.source_server(used_wal_senders=10), "source_walsenders", "all 10 walsenders"),
        (STARTED.source_server(used_wal_senders=10), "source_walsenders", "all 10 walsenders"),
        (GOOD.source_server(may_replicate=False), "source_replication", "cdc may not replicate"),
        (GOOD.source_server(may_create_in_database=False), "source_create", "may not make a publication"),
        (GOOD.source(has_schema_usage=False), "source_schema", "schema public does not exist in app, or cdc may not"),
        (GOOD.source(tables={}), "table_exists", "public.orders does not exist in app"),
        (GOOD.table(kind="v"), "table_kind", "public.orders is a view"),
        (GOOD.table(kind="m"), "table_kind", "is a materialized view"),
        (GOOD.table(kind="f"), "table_kind", "is a foreign table"),
        (GOOD.table(persistence="u"), "table_kind", "is not logged"),
        (LOAD_ONLY.table(kind="p", persistence="f"), "table_kind", "a foreign table as partition"),
        (LOAD_ONLY.table(has_inheritance=True), "table_kind", "inheritance"),
        (LOAD_ONLY.table(is_selectable=False), "table_readable", "cdc may not read public.orders"),
        (LOAD_ONLY.table(has_row_security=True), "table_readable", "row security"),
        (NO_KEY, "table_key", "has no primary key"),
        (GOOD.table(primary_key_deferrable=True), "table_key", "deferrable"),
        (GOOD.key("amount"), "table_key", "has a primary key (id), and the file names another"),
        (KEYED.table(primary_key=()), "table_key", "names tenant, which is no column"),
        (GOOD.key("amount").table(primary_key=()), "table_key", "names amount, which may be NULL"),
        (KEYED.table(primary_key=(), columns=KEY_COLUMNS), "table_key", "no valid unique index"),
        (KEYED.table(primary_key=(), columns=KEY_COLUMNS, indexes=(index("tenant"),)), "table_key", "no valid unique"),
        (
            KEYED.table(primary_key=(), columns=KEY_COLUMNS, indexes=(index("tenant", "number", "note"),)),
            "table_key",
            "no valid unique",
        ),
        *(
            (KEYED.table(primary_key=(), columns=KEY_COLUMNS, indexes=(flawed,)), "table_key", "no valid unique index")
            for flawed in FLAWED
        ),
        (
            GOOD.key("a b").table(primary_key=(), columns=(column("a b"),), indexes=(index("a b"),)),
            "table_key",
            "'a b': Debezium can take no space",
        ),
        (GOOD.table(columns=(column("v", generated="virtual"),)), "table_virtual_columns", "orders.v is a virtual"),
        (
            GOOD.table(columns=(MOOD, COMPUTED, *source_table().columns)),
            "table_generated_columns",
            (
                "when enum mood gets a value, Debezium would read the columns of public.orders behind generated column "
                "total"
            ),
        ),
        (
            OWNERS.table(is_owned_by_us=False),
            "table_replica_identity",
            "public.orders does not log old rows whole",
        ),
        (
            GOOD.table(is_owned_by_us=False, leaves=(LeafTable(ORDERS, "f", 100),)),
            "table_ownership",
            "cdc does not own public.orders",
        ),
        (GOOD.pipeline(publication="owners"), "source_publication", "there is no publication owners"),
        (
            OWNERS.source(publication=replace(PUBLICATION, tables=frozenset())),
            "source_publication",
            "does not send public.orders",
        ),
        (
            OWNERS.source(publication=replace(PUBLICATION, operations=frozenset({"insert", "update", "delete"}))),
            "source_publication",
            "does not send truncate",
        ),
        (
            OWNERS.table(kind="p").source(publication=replace(PUBLICATION, via_root=False)),
            "source_publication",
            "partitions under their own names",
        ),
        (
            OWNERS.table(columns=(column("g", generated="stored"),)).source_server(version=180000),
            "source_publication",
            "leaves out stored generated columns",
        ),
        (
            OWNERS.source(publication=replace(PUBLICATION, filtered=frozenset({ORDERS}))),
            "source_publication",
            "sends only the rows of public.orders that meet",
        ),
        (
            OWNERS.source(publication=replace(PUBLICATION, columns={ORDERS: frozenset({"id"})})),
            "source_publication",
            "does not send column amount of public.orders",
        ),
        (GOOD.source_server(free_connections=7), "source_connections", "need 8 connections of the source, and cdc"),
        (LOAD_ONLY.source_server(free_connections=4), "source_connections", "need 5 connections"),
        (GOOD.source_server(encoding="SQL_ASCII"), "encoding", "SQL_ASCII"),
        (
            GOOD.target_server(encoding="LATIN1"),
            "encoding",
            "LATIN1, which cannot hold every text of the source's UTF8",
        ),
        (
            GOOD.table(columns=(column("id"), column("Id"))),
            "table_columns",
            "columns id and Id of public.orders differ only by case",
        ),
        (GOOD.source(largest_rows={ORDERS: 11 << 20}), "row_size", "11.0 MiB, and an event of it (before and after"),
        (
            GOOD.source(largest_rows={ORDERS: 11 << 20}).having(kafka=KafkaFacts(message_bytes=1 << 30)),
            "row_size",
            "a Kafka message holds 20 MiB",
        ),
        (
            GOOD.source(largest_rows={ORDERS: 1 << 20}).having(kafka=KafkaFacts(message_bytes=1_048_588)),
            "row_size",
            "a Kafka message holds 1 MiB",
        ),
        (GOOD.target_server(is_pooled=True), "target_not_pooled", "pooler"),
        (GOOD.target_server(is_read_only=True), "target_primary", "default_transaction_read_only is on for loader"),
        (GOOD.target_server(free_connections=1), "target_connections", "1 that loader may still open"),
        (
            GOOD.pipeline(tables=(TableMapping(ORDERS, TableName("dbo", 'ord"ers')),)),
            "target_names",
            "cannot write to a table 'ord\"ers'",
        ),
        (GOOD.table(columns=(column("a${b"),)), "target_names", "cannot write column 'a${b'"),
        (GOOD.target_server(version=130000), "target_version", "13.0"),
        (GOOD.target_server(is_standby=True), "target_primary", "standby"),
        (GOOD.target(may_create_in=False), "target_create", "loader may not make tables in schema dbo"),
        (
            GOOD.target(has_schema=False, may_create_in=False).target_server(may_create_schema=False),
            "target_create",
            "schema dbo does not exist in dwh, and loader may not make it",
        ),
        (REFUSED, "target_table", "it is theirs"),
        (
            CDC_ONLY.target(tables={COPY: replace(target_table(), has_row_security=True)}),
            "target_row_security",
            "row security on target table dbo.orders hides rows from loader",
        ),
        (
            CDC_ONLY.target(tables={COPY: replace(target_table(), is_writable=False)}),
            "target_write",
            "loader may not write target table dbo.orders",
        ),
        (
            CDC_ONLY.target(tables={COPY: replace(target_table(), is_selectable=False)}),
            "target_write",
            "loader may not write target table dbo.orders",
        ),
        (GOOD.target_server(used_connections=99), "target_connections", "1 tables need 1 connections"),
        (
            GOOD.pipeline(
                target=Endpoint(PIPELINE.source.connection, "app", "public"), tables=(TableMapping(ORDERS, ORDERS),)
            ),
            "target_is_source",
            "public.orders would be its own target",
        ),
        (
            GOOD.having(others=(replace(PIPELINE, name="other"),)),
            "target_shared",
            "dbo.orders is also written by pipeline other",
        ),
        (
            GOOD.pipeline(target=Endpoint(connection("x", "127.0.0.1"), "dwh", "dbo")).having(
                others=(replace(PIPELINE, name="other", target=Endpoint(connection("y", "LOCALHOST"), "dwh", "dbo")),)
            ),
            "target_shared",
            "also written by pipeline other",
        ),
        (
            GOOD.having(connect=ConnectFacts((CONNECT.plugins[0], *CONNECT.plugins[2:]), ())),
            "connect_plugins",
            "JdbcSinkConnector",
        ),
        (GOOD.having(connect=ConnectFacts(CONNECT.plugins[1:])), "connect_plugins", "PostgresConnector"),
        (
            GOOD.having(connect=ConnectFacts(CONNECT.plugins, ("topic.prefix: value is invalid",))),
            "connect_accepts",
            "topic.prefix: value is invalid",
        ),
        (
            GOOD.having(connect=replace(CONNECT, target_problems=("connection.url: Login failed for user",))),
            "connect_target",
            "Kafka Connect cannot log in to the target at ",
        ),
        (with_columns(Verdict.REFUSED), "column_type", "orders.amount is integer, which cannot be carried"),
        (
            with_columns(Verdict.EXACT_IF_VALUES, rows=3),
            "column_type",
            "NaN and Infinity would arrive as something else, and 3 rows hold one",
        ),
        (
            with_columns(Verdict.REFUSED).options(accept_inexact=("orders.amount",)),
            "column_type",
            "orders.amount is integer, which cannot be carried",
        ),
        (excluding("amuont"), "columns_excluded", "names amuont, which is no column"),
        (excluding("id"), "columns_excluded", "names id, which is part of its key"),
        (
            excluding("amount").table(columns=(*source_table().columns, COMPUTED)),
            "columns_excluded",
            "generated column total of public.orders is computed from amount",
        ),
        (
            LOADED.having(connect=replace(CONNECT, source_config={"column.exclude.list": _AMOUNT_LEFT_OUT})),
            "columns_excluded",
            "no longer names amount, but the rows of public.orders were loaded without it",
        ),
        (
            excluding("amount")
            .target(tables={COPY: target_table()})
            .having(record=loaded_record(), connect=replace(CONNECT, source_config={})),
            "columns_excluded",
            "names amount, which was loaded: its values in the target would stand still",
        ),
        (GOOD.options(accept_inexact=("orders.amuont",)), "column_type", "names orders.amuont, which is no column"),
    ],
)
def test_what_could_lose_something_fails(case: Case, name: str, what: str) -> None:
    (found,) = case.found()
    assert (found.name, found.status) == (name, CheckStatus.FAIL)
    assert what in found.what
    assert found.fix


@pytest.mark.parametrize(
    ("case", "name", "what"),
    [
        (STARTED.source(slots=(slot(), slot("cdc_sales_1_123456"))), "source_orphan_slot", "cdc_sales_1_123456"),
        (GOOD.source(slots=(slot(),)), "source_orphan_slot", SLOT),
        (GOOD.source(largest_rows={ORDERS: 6 << 20}), "row_size", "near to the 20 MiB"),
        (GOOD.source(largest_rows={ORDERS: None}), "row_size", "could not be found within a minute"),
        (
            GOOD.source(largest_rows={ORDERS: 1 << 20}).having(is_connect_configured=True),
            "row_size",
            "more than the 1 MiB that Kafka allows unless told, and the brokers did not tell",
        ),
        (
            GOOD.source(largest_rows={ORDERS: 1 << 20}).having(kafka=KafkaFacts(), is_kafka_configured=True),
            "row_size",
            "more than the 1 MiB that Kafka allows unless told, and the brokers did not tell",
        ),
        (
            GOOD.source(largest_rows={ORDERS: 300 << 10}).having(kafka=KafkaFacts(message_bytes=1 << 20)),
            "row_size",
            "near to the 1 MiB",
        ),
        (GOOD.source_server(version=140017), "source_minor_version", "PostgreSQL 14.17 may lose changes"),
        (GOOD.source_server(version=170004), "source_minor_version", "PostgreSQL 17.4 may lose changes"),
        (GOOD.source_server(version=170005), "source_minor_version", "PostgreSQL 17.5 may run out of memory"),
        (GOOD.source_server(version=160009), "source_minor_version", "PostgreSQL 16.9 may run out of memory"),
        (GOOD.source_server(slot_wal_limit_mb=1024), "source_slot_keeping", "max_slot_wal_keep_size is 1024 MB"),
        (
            GOOD.source_server(idle_slot_timeout_seconds=60),
            "source_slot_keeping",
            "idle_replication_slot_timeout is 60",
        ),
        (GOOD.source_server(wal_sender_timeout_seconds=5.0), "source_slot_keeping", "wal_sender_timeout is 5 s"),
        (
            GOOD.source_server(session_limits={"idle_session_timeout": "60000ms"}),
            "source_session_limits",
            "sessions of cdc on the source begin with idle_session_timeout = 60000ms",
        ),
        (
            GOOD.target_server(session_limits={"statement_timeout": "5000ms"}),
            "target_session_limits",
            "sessions of loader on the target",
        ),
        (GOOD.having(kafka=KafkaError("refused", hint="h")), "kafka_reachable", "does not run: refused"),
        (GOOD.target(replaced=frozenset({"orders"})), "target_table", "will be dropped and made again"),
        (
            CDC_ONLY.target(tables={COPY: replace(target_table(), triggers=("audit",))}),
            "target_triggers",
            "trigger audit of target table dbo.orders fires for every change",
        ),
        (
            CDC_ONLY.target(tables={COPY: replace(target_table(), foreign_keys=("fk_customer",))}),
            "target_triggers",
            "foreign key fk_customer of target table dbo.orders",
        ),
        (LOADED.target(tables={}), "target_table", "orders has to be loaded again"),
        (LOADED.target(tables={COPY: replace(target_table(), oid=1)}), "target_table", "made anew by someone"),
        (with_columns(Verdict.EXACT_IF_VALUES), "column_type", "no row holds one now in orders.amount"),
        (
            with_columns(Verdict.EXACT_IF_VALUES, rows=3).options(accept_inexact=("orders.amount",)),
            "column_type",
            "which the file accepts",
        ),
        (
            GOOD.having(connect=ConnectUnavailableError("refused", hint="h")),
            "connect_reachable",
            "does not run: refused",
        ),
        (
            GOOD.having(connect=ConnectFacts((*CONNECT.plugins[:2], CONNECT.plugins[3]), ())),
            "connect_converter",
            "Kafka Connect has not our converter",
        ),
        (
            GOOD.having(
                connect=ConnectFacts(
                    (*CONNECT.plugins[:2], ConnectorPlugin(CONVERTER_OFFER, "0"), CONNECT.plugins[3]), ()
                )
            ),
            "connect_converter",
            "Kafka Connect has not our converter",
        ),
        (
            GOOD.having(connect=ConnectFacts(CONNECT.plugins[:3], ())),
            "connect_target",
            "whether Kafka Connect can log in to the target is not known before its sinks start",
        ),
    ],
)
def test_what_one_should_know_is_a_warning(case: Case, name: str, what: str) -> None:
    (found,) = case.found()
    assert (found.name, found.status) == (name, CheckStatus.WARN)
    assert what in found.what
    assert found.fix


def test_a_configured_connect_or_kafka_that_does_not_answer_fails() -> None:
    away = ConnectUnavailableError("no answer", hint="look at it")
    (found,) = GOOD.having(connect=away, is_connect_configured=True).found()
    assert (found.name, found.status, found.fix) == ("connect_reachable", CheckStatus.FAIL, "look at it")
    (found,) = GOOD.having(kafka=KafkaError("no answer", hint="look at it"), is_kafka_configured=True).found()
    assert (found.name, found.status, found.fix) == ("kafka_reachable", CheckStatus.FAIL, "look at it")


def test_a_refused_login_is_the_check_that_fails_and_the_other_side_is_still_checked() -> None:
    case = GOOD.having(
        source=SourceError("password refused", hint="set it"), target=TargetError("no route", hint="dig")
    )
    assert [(found.name, found.what, found.fix) for found in case.found()] == [
        ("source_login", "password refused", "set it"),
        ("target_login", "no route", "dig"),
    ]
    only_source = GOOD.having(source=SourceError("password refused", hint="set it"))
    assert {"target_login", "target_table", "connect_plugins"} <= {check.name for check in only_source.checks()}


def test_what_is_wrong_with_a_source_table_is_said_once() -> None:
    (found,) = REFUSED.table(kind="v").found()
    assert found.name == "table_kind"


def test_all_tables_are_judged_not_the_first_alone() -> None:
    mappings = tuple(TableMapping(name, TableName("dbo", name.name)) for name in (A_B, A_SPACE_B))
    tables = {A_B: source_table(A_B), A_SPACE_B: replace(source_table(A_SPACE_B), primary_key=())}
    found = GOOD.pipeline(tables=mappings).source(tables=tables).found()
    assert [(check.name, check.table) for check in found] == [
        ("table_key", "a b"),
        ("topic_names", "a_b"),
        ("topic_names", "a b"),
    ]


def test_a_partition_beside_its_root_is_refused() -> None:
    """Changes are sent as the root's: the partition's own copy would stand still without a word."""
    root, part, other = (TableName("public", name) for name in ("orders", "orders_1", "other"))
    leaves = tuple(LeafTable(TableName("public", f"orders_{n}"), "d", n) for n in (1, 2))
    tables = {
        part: source_table(part),
        root: replace(source_table(root), kind="p", leaves=leaves),
        other: source_table(other),
    }
    mappings = tuple(TableMapping(name, TableName("dbo", name.name)) for name in tables)
    case = GOOD.pipeline(tables=mappings).source(tables=tables)
    (found,) = case.found()
    assert (found.name, found.table) == ("table_partition", "orders_1")
    assert "changes of both are sent as changes of public.orders only" in found.what
    assert case.pipeline(mode=Mode.FULL_LOAD_ONLY).found() == ()


def test_what_the_copy_is_without_is_told_and_is_no_fault() -> None:
    unique = replace(index("amount"), definition="CREATE UNIQUE INDEX ix ON t USING btree (amount)")
    case = GOOD.table(foreign_keys=("fk_customer",), triggers=("audit",), indexes=(unique,))
    assert case.found() == ()
    (told,) = [check for check in case.checks() if check.name == "table_left_out"]
    assert (told.status, told.table) == (CheckStatus.PASS, "orders")
    for part in ("foreign key fk_customer", "trigger audit", "uniqueness of index ix"):
        assert part in told.what


def test_a_locked_table_is_not_mistaken_for_a_refused_login() -> None:
    case = GOOD.having(
        source=SourceLockedError("held by pid 7", hint="wait", table="orders"),
        target=TargetLockedError("held by pid 8", hint="wait", table="orders"),
    )
    assert [(found.name, found.table, found.what) for found in case.found()] == [
        ("source_locked", "orders", "held by pid 7"),
        ("target_locked", "orders", "held by pid 8"),
    ]


def test_a_topic_name_that_kafka_refuses_is_found_before() -> None:
    long = TableName("s" * 200, "t" * 63)
    case = GOOD.pipeline(tables=(TableMapping(long, COPY),)).source(tables={long: source_table(long)})
    assert [check.name for check in case.found()] == ["topic_names"]


def test_a_missing_unique_index_over_not_null_columns_is_proposed_when_there_is_one() -> None:
    (found,) = GOOD.table(primary_key=(), columns=KEY_COLUMNS, indexes=(index("tenant", "number"),)).found()
    assert found.fix == "add `key: [tenant, number]` to the table in the file"


def test_missing_grants_are_statements_for_their_side_with_quoted_names() -> None:
    odd = 'c"dc'
    case = GOOD.source_server(role=odd, may_replicate=False, may_create_in_database=False).table(is_selectable=False)
    case = case.target(may_create_in=False)
    scripts = [(script.side, script.sql) for check in case.found() for script in check.scripts]
    assert scripts == [
        ("source", 'ALTER ROLE "c""dc" REPLICATION;'),
        ("source", 'GRANT CREATE ON DATABASE "app" TO "c""dc";'),
        ("source", 'GRANT SELECT ON TABLE "public"."orders" TO "c""dc";'),
        ("target", 'GRANT USAGE, CREATE ON SCHEMA "dbo" TO "loader";'),
    ]


def test_only_leaves_that_are_not_full_yet_are_in_the_script() -> None:
    leaves = tuple(LeafTable(TableName("public", f"orders_{n}"), "f" if n == 1 else "d", n) for n in (1, 2))
    case = OWNERS.table(kind="p", is_owned_by_us=False, leaves=leaves)
    (found,) = case.found()
    assert [script.sql for script in found.scripts] == ['ALTER TABLE "public"."orders_2" REPLICA IDENTITY FULL;']


def test_the_keys_of_the_json_are_the_contract() -> None:
    (found,) = GOOD.table(columns=(column("v", generated="virtual"),)).found()
    assert found.as_json() == {
        "name": "table_virtual_columns",
        "status": "fail",
        "pipeline": "sales",
        "table": "orders",
        "column": "v",
        "what": found.what,
        "fix": found.fix,
    }
    assert {check.as_json()["table"] for check in GOOD.checks()} == {None}
