"""What README and tutorial tell a user to do, done in that order: their own files, statements and commands."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import psycopg
import pytest
from ruamel.yaml import YAML

from cdc_assets_tests.services.installation import CHECKOUT, Installation, database_name, prepare_roles, wait_until
from cdc_assets_tests.services.servers import Databases

_BLOCK = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# The stack of the tests runs already, and goes on for the other tests.
_OF_THE_STACK = {"up", "down"}
ROLES = {"shop_reader": "choose-one", "warehouse_writer": "choose-another"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: the words behind its fence, and its text."""

    words: tuple[str, ...]
    text: str


def blocks(page: str) -> list[Block]:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    return [Block(tuple(words.split()), body) for words, body in _BLOCK.findall(text)]


def commands(text: str) -> list[list[str]]:
    """The commands of a block, without those that concern the whole stack."""
    found = [line.split("#")[0].split()[1:] for line in text.splitlines() if line.strip().startswith("./cdc ")]
    return [words for words in found if words[0] not in _OF_THE_STACK]


def is_true(url: str, query: str) -> bool:
    with psycopg.connect(url) as session:
        return session.execute(query).fetchone() == (True,)


def drop_roles(databases: Databases) -> None:
    for url in (databases.source_url, databases.target_url):
        with psycopg.connect(url, autocommit=True) as session:
            for role in ROLES:
                if session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    session.execute(f"DROP OWNED BY {role}")
    with psycopg.connect(databases.source_url, autocommit=True) as session:
        for role in ROLES:
            session.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def shop(databases: Databases) -> Iterator[Databases]:
    """The two databases of the tutorial; roles are the cluster's, so they are taken away."""
    yield databases
    drop_roles(databases)


def test_the_tutorial_leads_where_it_says(installation: Installation, shop: Databases) -> None:
    urls = {"shop": shop.source_url, "warehouse": shop.target_url}
    done: list[list[str]] = []
    for block in blocks("docs/tutorial.md"):
        match block.words:
            case ("sql", database):
                with psycopg.connect(urls[database], autocommit=True) as session:
                    session.execute(block.text)
            case ("sql", database, "arrives"):
                wait_until(partial(is_true, urls[database], block.text), what=block.text, seconds=120)
            case ("yaml", "connections.yaml"):
                for name, entry in YAML(typ="safe").load(block.text).items():
                    assert entry["password"] == {"file": f"{name}.password"}
                    installation.connect_to(name, urls[name], user=entry["user"], password=ROLES[entry["user"]])
            case ("yaml", file):
                text = block.text
                for name, url in urls.items():
                    text = text.replace(f"database: {name}", f"database: {database_name(url)}")
                installation.write_pipeline(file.removeprefix("pipelines/").removesuffix(".yaml"), text)
            case ("sh",):
                for words in commands(block.text):
                    installation.cdc(*words)
                    done.append(words)
            case _:
                raise AssertionError(f"a block of no known kind: {block.words}")
    (installation.directory / "pipelines" / "shop_copy.yaml").unlink()
    verbs = ["check", "plan", "start", "status", "diagnose", "stop", "start", "stop", "drop"]
    assert [words[0] for words in done] == verbs


def test_the_three_steps_of_the_readme_do(installation: Installation, databases: Databases) -> None:
    connections, pipeline, steps = [block.text for block in blocks("README.md")][-3:]
    named = YAML(typ="safe").load(connections)
    assert set(named) == {"app", "warehouse"}
    with psycopg.connect(databases.source_url, autocommit=True) as session:
        session.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")
        session.execute("CREATE TABLE order_lines (id int PRIMARY KEY, of int, note text)")
        session.execute("INSERT INTO orders SELECT n, 'note' FROM generate_series(1, 100) n")
    source_role, target_role = prepare_roles(databases)
    installation.connect_to("app", databases.source_url, user=source_role)
    installation.connect_to("warehouse", databases.target_url, user=target_role)
    name = f"sales_{secrets.token_hex(3)}"
    text = pipeline.replace("database: shop", f"database: {database_name(databases.source_url)}")
    text = text.replace("database: dw", f"database: {database_name(databases.target_url)}")
    file = installation.write_pipeline(name, text)
    page = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    after = re.findall(r"`\./cdc ((?:stop|start|status|drop) sales)`", page)
    assert after, "the page says how to go on"
    for words in [*commands(steps), *(each.split() for each in after)]:
        installation.cdc(*(name if word == "sales" else word for word in words))
        if words[0] == "start":
            assert installation.pipeline(name)["status"] == "RUNNING"
    # Its file is still there: it may be recorded anew by now.
    assert installation.query("SELECT 1 FROM pipelines WHERE name = %s AND status <> 'NOT_STARTED'", name) == []
    file.unlink()
