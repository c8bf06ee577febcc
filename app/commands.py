"""What every command of the command line does alike: its settings, and how it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from adapters.settings_file import SettingsFileError
from app.settings import Settings, UnsafeSettings
from domain.errors import TallystickError
from persistence.embedded import EmbeddedPostgresError


class ExitCode(IntEnum):
    """What a command tells the shell."""

    FAILED = 1
    MISCONFIGURED = 2
    INTERRUPTED = 130


DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Use the PostgreSQL in this directory, whatever DATABASE_URL says.", show_default=False
    ),
]


def settings_of(
    data_dir: Path | None,
    *,
    host: str | None = None,
    port: int | None = None,
    processes: int | None = None,
) -> Settings:
    settings = Settings.read(
        tallystick_data_dir=data_dir, host=host, port=port, processes=processes
    )
    # A directory named by hand is meant, even in a shell whose environment names a database.
    return settings if data_dir is None else settings.model_copy(update={"database_url": None})


@contextmanager
def telling() -> Iterator[None]:
    """Say an expected failure in one message, without a traceback."""
    try:
        yield
    except (UnsafeSettings, SettingsFileError) as error:
        _fail(error, ExitCode.MISCONFIGURED)
    except (TallystickError, EmbeddedPostgresError) as error:
        _fail(error, ExitCode.FAILED)


def _fail(error: Exception, code: ExitCode) -> NoReturn:
    typer.echo(f"tallystick: {error}", err=True)
    raise typer.Exit(code)
