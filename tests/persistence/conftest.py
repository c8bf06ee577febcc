"""A bank on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from persistence.engine import Engines
from tests.persistence.bank import Bank, open_bank


@pytest.fixture
async def bank(database_url: str, deployment_secret: str) -> AsyncIterator[Bank]:
    """Every keeper of the books, and customers to try them with."""
    async with open_bank(database_url, deployment_secret) as bank:
        yield bank


@pytest.fixture
async def one_connection(bank: Bank, deployment_secret: str) -> AsyncIterator[Engines]:
    """Engines whose every request uses the same connection."""
    engines = Engines.connecting(bank.url, secret=deployment_secret, connections_max=1)
    yield engines
    await engines.dispose()
