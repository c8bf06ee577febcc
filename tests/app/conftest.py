"""The toy schema, served."""

from collections.abc import AsyncIterator

import pytest

from tests.app.client import Client, client_of
from tests.app.toy import Toy


@pytest.fixture
def toy() -> Toy:
    """A schema with one field of each kind; what its mutations did is in `done`."""
    return Toy()


@pytest.fixture
async def client(toy: Toy) -> AsyncIterator[Client]:
    """A client of the toy."""
    async with client_of(toy.app()) as client:
        yield client
