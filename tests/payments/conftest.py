"""A store on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.payments.store import Store, open_store
from tests.persistence.bank import open_bank


@pytest.fixture
async def store(database_url: str, deployment_secret: str) -> AsyncIterator[Store]:
    """A store whose providers are on this machine."""
    async with open_bank(database_url, deployment_secret) as bank, open_store(bank) as store:
        yield store
