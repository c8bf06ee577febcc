"""A bank whose customers' doings are told."""

from collections.abc import AsyncIterator

import pytest

from persistence.verifying import verify
from tests.persistence.bank import Bank, open_bank


@pytest.fixture
async def bank(database_url: str, deployment_secret: str) -> AsyncIterator[Bank]:
    """Every keeper of the books, whose books are right in the end."""
    async with open_bank(database_url, deployment_secret) as bank:
        yield bank
    report = await verify(database_url)
    assert report.is_clean, report.lines()
