"""Where the books are: in a PostgreSQL of our own, or in the one that DATABASE_URL names."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from app.settings import Settings, UnsafeSettings, fault_of_secret
from persistence import embedded
from persistence.embedded import Cluster
from persistence.reaching import DatabaseUnusable, make_database
from persistence.roles import Login, url_of

DATABASE: Final = "tallystick"
_SECRET_FILE: Final = "secret"  # noqa: S105 - its name
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The operator's way into the database, and the secret everything else is derived from."""

    url: str = field(repr=False)
    settings: Settings = field(repr=False)
    makes_secret: bool
    cluster: Cluster | None
    """The PostgreSQL of our own, if it is one."""

    @cached_property
    def secret(self) -> str:
        """Read, or made, when it is needed first. Raises UnsafeSettings."""
        return _secret(self.settings, makes=self.makes_secret)

    def url_of(self, login: Login) -> str:
        """The way into the database for one of our logins."""
        return url_of(login, self.url, secret=self.secret)


def data_dir_of(settings: Settings) -> Path:
    return settings.tallystick_data_dir or embedded.default_data_dir()


@contextmanager
def deployed(
    settings: Settings, *, claims: bool = False, makes: bool = False
) -> Iterator[Deployment]:
    """The database of these settings, started if it is ours, and let go of in the end.

    With `claims` a database of ours is refused to a second process that claims it; with `makes`
    what is missing is made: data directory, database, secret. Raises EmbeddedPostgresError,
    DatabaseUnusable or UnsafeSettings.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        yield Deployment(url=url, settings=settings, makes_secret=makes, cluster=None)
        return
    data_dir = data_dir_of(settings)
    if not makes and not (data_dir / "cluster").exists():
        raise DatabaseUnusable(
            f"There are no books in {data_dir} yet. `tallystick up` makes them there; "
            "--data-dir or DATABASE_URL name others."
        )
    cluster = embedded.start(data_dir, claim=claims)
    try:
        asyncio.run(make_database(cluster.url("postgres"), DATABASE))
        yield Deployment(
            url=cluster.url(DATABASE), settings=settings, makes_secret=True, cluster=cluster
        )
    finally:
        embedded.stop(cluster)


def _secret(settings: Settings, *, makes: bool) -> str:
    """TALLYSTICK_SECRET, or else the one kept in the data directory."""
    if settings.tallystick_secret is not None:
        return settings.tallystick_secret.get_secret_value()
    path = data_dir_of(settings) / _SECRET_FILE
    try:
        if makes and not path.exists():
            _keep_new_secret(path)
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UnsafeSettings(
            "TALLYSTICK_SECRET is not set. It has to be the same for every process that uses "
            "this database; `openssl rand -hex 32` prints a good first one."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnsafeSettings(f"The secret in {path} cannot be read or made: {error}.") from error
    if fault := fault_of_secret(secret):
        raise UnsafeSettings(f"The secret in {path} is not one: {fault}")
    return secret


def _keep_new_secret(path: Path) -> None:
    """Appears whole or not at all, for its owner only; of two that are made at once, one stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")
    try:
        with os.fdopen(draft, "w", encoding="utf-8") as file:
            file.write(f"{secrets.token_hex(_SECRET_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
