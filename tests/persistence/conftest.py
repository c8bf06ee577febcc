"""A bank on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.persistence.bank import Bank, open_bank


@pytest.fixture
async def bank(database_url: str, deployment_secret: str) -> AsyncIterator[Bank]:
    """Every keeper of the books, and customers to try them with."""
    async with open_bank(database_url, deployment_secret) as bank:
        yield bank
