"""How a failed connection is told apart from one that took too long."""

import httpx2
import openai
import pytest

from adapters.models.faults import Remedy, fault_of_connection
from domain.errors import ProviderFailure

REQUEST = httpx2.Request("POST", "https://llm.example.com/v1/chat/completions")


def caused_by(cause: Exception) -> openai.APITimeoutError:
    """What the SDK raises for every kind of failed connection on its aiohttp backend."""
    between = httpx2.ConnectTimeout("")
    between.__cause__ = cause
    error = openai.APITimeoutError(request=REQUEST)
    error.__cause__ = between
    return error


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (TimeoutError(), ProviderFailure.TIMEOUT),
        (httpx2.ConnectTimeout(""), ProviderFailure.TIMEOUT),
        (ConnectionRefusedError(), ProviderFailure.ERROR),
        (OSError("no such host"), ProviderFailure.ERROR),
    ],
)
def test_the_first_cause_says_whether_it_was_a_timeout(
    cause: Exception, reason: ProviderFailure
) -> None:
    fault = fault_of_connection(caused_by(cause))

    assert fault.reason is reason
    assert fault.remedy is Remedy.RETRY
