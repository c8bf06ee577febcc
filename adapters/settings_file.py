"""Settings files in TOML: read table by table, each value by its kind.

Whatever is wrong ends in a SettingsFileError that names the file, the table and the key, and
says what to write.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import TallystickError


class SettingsFileError(TallystickError):
    """A file of settings cannot be used; nothing of it was."""


class Table:
    """One table of a settings file, which knows where it stands."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self.where = where

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def has(self, key: str) -> bool:
        return key in self._values

    def only(self, *known: str) -> None:
        """Refuse keys that mean nothing, which are typing errors more often than not."""
        unknown = sorted(self._values.keys() - set(known))
        if unknown:
            raise self.error(
                f"there is no setting {', '.join(unknown)}. Known are {', '.join(known)}."
            )

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f'{key} has to be text in quotes, such as {key} = "…".')
        return value

    def whole(self, key: str, *, least: int, most: int) -> int:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(f"{key} has to be a whole number from {least} to {most}.")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key} has to be true or false.")
        return value

    def number_text(self, key: str) -> str:
        """A number exactly as it is written: floats are read as text (see `read`)."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self.error(f"{key} has to be a number, such as {key} = 0.3.")
        return str(value).replace("_", "")

    def texts(self, key: str) -> tuple[str, ...]:
        match self._get(key):
            case [*values] if values and all(isinstance(value, str) for value in values):
                return tuple(str(value) for value in values)
            case _:
                raise self.error(f'{key} has to be a list of texts, such as {key} = ["…"].')

    def table(self, key: str) -> "Table":
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.error(f"{key} has to be a table.")
        return Table(value, f"{self.where}, {key}")

    def tables(self, key: str) -> tuple["Table", ...]:
        match self._values.get(key):
            case [*values] if values and all(isinstance(value, dict) for value in values):
                return tuple(
                    Table(value, f"{self.where}, [[{key}]] number {number}")
                    for number, value in enumerate(values, start=1)
                    if isinstance(value, dict)
                )
            case _:
                raise self.error(f"write one or more tables [[{key}]].")

    def holds_a_table(self, key: str) -> bool:
        return isinstance(self._values.get(key), dict)

    def error(self, message: str) -> SettingsFileError:
        return SettingsFileError(f"{self.where}: {message}")

    def _get(self, key: str) -> object:
        if key not in self._values:
            raise self.error(f"{key} is missing.")
        return self._values[key]


def read(path: Path) -> Table:
    """The file's top table, with decimal numbers kept as they are written: 0.3 stays 0.3."""
    try:
        return Table(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str), str(path))
    except OSError as error:
        raise SettingsFileError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{path}: is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(f"{path}: is not TOML: {error}.") from error
