"""A bank on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from persistence.engine import Engines
from tests.persistence.bank import Bank, open_bank
from tests.persistence.doors import Doors, doors_of


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


@pytest.fixture
async def doors(bank: Bank) -> AsyncIterator[Doors]:
    """What people come in by."""
    async with doors_of(bank) as doors:
        yield doors
