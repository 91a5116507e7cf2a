"""A secret is read as its owner wrote it, and never shown."""

from pathlib import Path

import pytest

from cdc_assets.adapters.secret_reader import read_secret
from cdc_assets.model.errors import SecretMissingError
from cdc_assets.model.pipeline import SecretReference

VARIABLES = {"APP_PASSWORD": " päss\n", "EMPTY": ""}


def read(reference: SecretReference) -> str:
    return read_secret(reference, environment=VARIABLES.get)


def test_a_variable_is_taken_as_it_is() -> None:
    assert read(SecretReference(env="APP_PASSWORD")) == " päss\n"


@pytest.mark.parametrize(
    ("content", "secret"),
    [("p", "p"), ("p\n", "p"), ("p\r\n", "p"), ("p\n\n", "p\n"), (" p ", " p "), ("\ufeffp\n", "p")],
)
def test_one_trailing_newline_of_a_file_is_not_part_of_the_secret(tmp_path: Path, content: str, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    assert read(SecretReference(file=file)) == secret


@pytest.mark.parametrize("name", ["EMPTY", "ABSENT"])
def test_a_variable_without_a_secret_is_named(name: str) -> None:
    with pytest.raises(SecretMissingError, match=f"environment variable {name} holds no secret"):
        read(SecretReference(env=name))


def test_a_file_without_a_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretMissingError, match=f"{tmp_path}/absent cannot be read: No such file"):
        read(SecretReference(file=tmp_path / "absent"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretMissingError, match="is empty"):
        read(SecretReference(file=tmp_path / "empty"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretMissingError, match="is not UTF-8"):
        read(SecretReference(file=tmp_path / "binary"))
