"""A running system whose /v1 is open on a port, for clients that know no other way."""

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from tests.gateway.street import Street, open_street


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def street(database_url: str, deployment_secret: str) -> AsyncIterator[Street]:
    async with open_street(database_url, deployment_secret) as street:
        yield street
