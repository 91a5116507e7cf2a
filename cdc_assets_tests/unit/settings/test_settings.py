"""Settings: order, refusal by name, and no secret shown."""

from pathlib import Path

import pytest

from cdc_assets.model.errors import SettingsError, StateDatabaseError
from cdc_assets.settings import Settings
from cdc_assets.settings import settings as module
from cdc_assets.settings.configuration_file import variable_of


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout of the test's own, and none of the developer's variables."""
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(variable_of(name, field), raising=False)
    (tmp_path / "cdc").touch()
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    return tmp_path


def test_environment_goes_before_file_and_file_before_default(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().ui_port == 3000
    (checkout / "cdc_assets.toml").write_text('ui_port = 3001\ndatabase_url = "postgresql://u:p@db/x"\n')
    assert Settings.load().ui_port == 3001
    assert Settings.load().database_url == "postgresql://u:p@db/x"
    monkeypatch.setenv("CDC_UI_PORT", "3002")
    assert Settings.load().ui_port == 3002


def test_relative_paths_begin_at_the_checkout(checkout: Path) -> None:
    assert Settings.load().home == checkout / ".cdc"
    assert Settings.load(home=Path("/elsewhere")).home == Path("/elsewhere")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("CDC_UI_PORT", "99999", "less than or equal to 65535"),
        ("CDC_DATABASE_URL", "mysql://u:hush@h/d", "postgresql://user:password@host:5432/database"),
        ("CDC_CONNECT_URL", "localhost:8083", "http://host:8083"),
        ("CDC_KAFKA_BOOTSTRAP", "localhost", "host:9092"),
        ("CDC_LOG_FORMAT", "xml", "'text' or 'json'"),
    ],
)
def test_a_bad_value_is_refused_with_its_variable_and_without_itself(
    variable: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert variable in str(caught.value)
    assert reason in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_unknown_key_of_the_file_names_the_likely_one(checkout: Path) -> None:
    (checkout / "cdc_assets.toml").write_text("ui_prot = 3001\n")
    with pytest.raises(SettingsError, match=r"unknown key ui_prot; did you mean ui_port\?"):
        Settings.load()


def test_an_api_open_to_others_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDC_API_HOST", "0.0.0.0")  # noqa: S104  the very thing that is refused
    with pytest.raises(SettingsError, match="CDC_API_TOKEN"):
        Settings.load()
    monkeypatch.setenv("CDC_API_TOKEN", "t")
    assert Settings.load().api_host == "0.0.0.0"  # noqa: S104


def test_before_the_first_start_the_state_database_is_missing_with_the_way_out() -> None:
    with pytest.raises(StateDatabaseError, match=r"\./cdc up"):
        _ = Settings.load().database_url


def test_no_secret_is_in_the_text_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDC_DATABASE_URL", "postgresql://u:hush@h/d")
    monkeypatch.setenv("CDC_API_TOKEN", "hush")
    monkeypatch.setenv("CDC_MAVEN_MIRROR", "http://u:hush@mirror/m")
    assert "hush" not in repr(Settings.load())


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_report_shows_what_is_set_but_no_secret() -> None:
    shown = Settings.load(api_token="a-secret", CDC_DATABASE_URL="postgresql://u:a-secret@h/d", ui_port=3001).shown()
    assert (shown["CDC_UI_PORT"], shown["CDC_API_TOKEN"]) == ("3001", "set, not shown")
    assert shown["CDC_CONNECT_URL"] == "None"
    assert "a-secret" not in str(shown)
