"""One database URL, as each library wants to read it."""

from urllib.parse import urlsplit, urlunsplit


def sqlalchemy_url(url: str) -> str:
    """The same address, naming the driver SQLAlchemy shall use."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))
