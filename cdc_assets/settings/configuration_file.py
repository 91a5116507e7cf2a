"""The file `cdc_assets.toml` as a source of settings."""

import difflib
import os.path
import tomllib
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from cdc_assets.model.errors import SettingsError

PREFIX = "CDC_"


def variable_of(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


class ConfigurationFile(PydanticBaseSettingsSource):
    """The keys of the file, named as the variables without their prefix, in lower case."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path) -> None:
        """Read `file` when the values are asked for; one that is not there holds none."""
        super().__init__(settings_cls)
        self._file = file

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the whole file is read at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the file's values; SettingsError when it cannot be used."""
        known = {variable_of(name, field): name for name, field in self.settings_cls.model_fields.items()}
        values: dict[str, Any] = {}
        for key, value in self._content().items():
            if key not in {variable.removeprefix(PREFIX).lower() for variable in known}:
                raise self._unknown(key, known)
            variable = PREFIX + key.upper()
            name = known[variable]
            values[variable if self.settings_cls.model_fields[name].validation_alias else name] = value
        return values

    def _unknown(self, key: str, known: dict[str, str]) -> SettingsError:
        keys = [variable.removeprefix(PREFIX).lower() for variable in known]
        near = difflib.get_close_matches(key.lower().removeprefix(PREFIX.lower()), keys, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return SettingsError(
            f"{self._file}: unknown key {key}{meant}",
            hint="remove or correct the key; docs/configuration.md lists all",
        )

    def _content(self) -> dict[str, Any]:
        if not os.path.lexists(self._file):
            return {}
        try:
            # Nobody may ever write into a pipe: the reading would wait for ever.
            if self._file.exists() and not self._file.is_file():
                raise SettingsError(f"{self._file} is no ordinary file", hint="make it a file, or take it away")
            return tomllib.loads(self._file.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise SettingsError(
                f"{self._file} cannot be read: {error.strerror}", hint="make it a file this user can read"
            ) from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{self._file} is not UTF-8 text", hint="save it as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"{self._file} is not TOML: {error}", hint="write lines like ui_port = 3001, texts in double quotes"
            ) from error
