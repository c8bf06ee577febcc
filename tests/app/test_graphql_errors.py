"""What callers and logs may see of failures."""

import pytest

from tests.app.client import NEWER, Client
from tests.app.toy import SECRET

NOTHING_BUT_A_NUMBER = "Something failed on our side. Quote the requestId when you report it."


@pytest.mark.parametrize("query", ["{ crash }", "{ leak }"])
async def test_a_fault_of_ours_tells_nothing_but_a_number_to_quote(
    client: Client, query: str
) -> None:
    reply = await client.post({"query": query}, accept=NEWER, x_request_id="request-0001")

    assert (reply.status, reply.messages) == (200, [NOTHING_BUT_A_NUMBER])
    assert reply.body["errors"][0]["extensions"] == {  # type: ignore[index] # a list of errors
        "code": "INTERNAL",
        "requestId": "request-0001",
    }
    assert SECRET not in str(reply.body)


async def test_a_fault_before_the_document_is_read_has_a_number_too(client: Client) -> None:
    reply = await client.ask("{ hello }", by="broken")

    assert (reply.status, reply.codes) == (500, ["INTERNAL"])
    assert SECRET not in str(reply.body)


async def test_other_fields_are_answered_beside_one_that_failed(client: Client) -> None:
    reply = await client.ask("{ hello crash }")

    assert reply.body["data"] == {"hello": "hello world", "crash": None}


async def test_an_expected_failure_keeps_its_code_and_words(client: Client) -> None:
    reply = await client.ask("{ invalid }")

    assert (reply.codes, reply.messages) == (["INVALID_INPUT"], ["first: must be 1 to 100"])


async def test_a_field_refused_deep_inside_leaves_the_rest(client: Client) -> None:
    reply = await client.ask("{ hello branch { leaf { secret } } }", by="user")

    assert (reply.status, reply.codes) == (200, ["FORBIDDEN"])


@pytest.mark.parametrize("query", ["{ crash }", "{ leak }"])
async def test_the_log_of_a_fault_says_where_and_no_words(
    client: Client, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    await client.ask(f'query Named {query[:-1]} hello(name: "a prompt") }}')

    logged = "".join(capsys.readouterr())
    assert "field failed" in logged
    assert "operation=Named" in logged
    assert "toy.py" in logged
    assert SECRET not in logged
    assert "a prompt" not in logged


async def test_mistakes_of_callers_are_not_logged_as_errors(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for query in ("{", "{ nope }", "{ theirs }", "{ invalid }", "{ hello theirs }"):
        await client.ask(query)

    assert "error" not in "".join(capsys.readouterr())
