"""Requests and answers as GraphQL over HTTP wants them, and as nobody should send them."""

import pytest

from tests.app.client import JSON, NEWER, Client, client_of
from tests.app.toy import Toy

HELLO = b'{"query": "{ hello }"}'


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (NEWER, NEWER),
        (f"{NEWER}, {JSON}", NEWER),
        (f"{JSON}, {NEWER}", NEWER),
        (f"{NEWER};q=0.5, {JSON}", JSON),
        (f"{NEWER};charset=utf-8, {JSON};charset=utf-8;q=0.9", NEWER),
        (f"{JSON};q=0, */*", NEWER),
        (f"{NEWER};q=0, */*;q=0.1", JSON),
        (f"{NEWER}, {JSON}, text/event-stream, multipart/mixed", NEWER),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{JSON};q=nonsense", JSON),
    ],
)
async def test_an_answer_is_of_the_type_that_is_wanted_most(
    client: Client, accept: str, answered: str
) -> None:
    reply = await client.post(HELLO, accept=accept)

    assert (reply.status, reply.headers["content-type"]) == (200, f"{answered}; charset=utf-8")
    assert reply.body == {"data": {"hello": "hello world"}}


@pytest.mark.parametrize("accept", ["text/html", "multipart/mixed", f"{JSON};q=0", "image/*"])
async def test_a_caller_that_reads_no_json_is_told_what_there_is(
    client: Client, accept: str
) -> None:
    reply = await client.post(HELLO, accept=accept)

    assert (reply.status, reply.codes) == (406, ["BAD_REQUEST"])
    assert NEWER in reply.messages[0]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-patch+json",
        "text/json",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
    ],
)
async def test_a_body_of_another_type_is_refused(client: Client, content_type: str) -> None:
    reply = await client.send(
        "POST", headers={"content-type": content_type} if content_type else {}, content=HELLO
    )

    assert (reply.status, reply.codes) == (415, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON", "application/json;charset=UTF-8"]
)
async def test_json_in_utf_8_is_read_however_it_is_declared(
    client: Client, content_type: str
) -> None:
    body = '{"query": "{ hello(name: \\"Zoë 🏊\\") }"}'.encode()

    reply = await client.send("POST", headers={"content-type": content_type}, content=body)

    assert reply.body == {"data": {"hello": "hello Zoë 🏊"}}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
async def test_a_compressed_body_is_refused(client: Client, encoding: str) -> None:
    reply = await client.post(HELLO, content_encoding=encoding)

    assert (reply.status, reply.codes) == (415, ["BAD_REQUEST"])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"])
async def test_another_method_is_refused_with_those_that_are_answered(method: str) -> None:
    async with client_of(Toy().app()) as client:
        response = await client.http.request(method, "/graphql")

    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"true",
        b"{",
        b'{"query": "{ hello }"',
        b'{"query": "{ hello }"} trailing',
        b"\xff\xfe{\x00}\x00",
        b'{"query": "{ hello(name: \\"\xff\\") }"}',
        b'{"query": "{ hello }", "variables": {"x": NaN}}',
        b'{"query": "{ hello }", "variables": {"x": 1e999}}',
        b'{"query": "{ hello }", "variables": {"x": ' + b"1" * 5_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"x": ' + b"[" * 2_000 + b"]" * 2_000 + b"}}",
        b"[" * 30_000,
        b'{"query": "{ hello }", "variables": {"x": "\\ud800"}}',
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": 1}',
        b'{"query": ["{ hello }"]}',
        b'{"query": {"text": "{ hello }"}}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "operationName": {}}',
        b'{"query": "{ hello }", "extensions": "x"}',
    ],
    ids=range(29),
)
@pytest.mark.parametrize("accept", [JSON, NEWER])
async def test_a_request_that_cannot_be_read_is_the_callers_fault(
    client: Client, body: bytes, accept: str
) -> None:
    reply = await client.post(body, accept=accept)

    assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"])
    assert "data" not in reply.body


@pytest.mark.parametrize("name", ["variables", "operationName", "extensions"])
async def test_a_null_parameter_counts_as_left_out(client: Client, name: str) -> None:
    reply = await client.post({"query": "{ hello }", name: None})

    assert reply.body == {"data": {"hello": "hello world"}}


@pytest.mark.parametrize(
    "query",
    ["{", "{ hello", "query { hello } }", "{ nope }", "{ branch }", "{ hello { x } }", "{ ...No }"],
)
@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (NEWER, 400)])
async def test_an_invalid_document_is_answered_without_data(
    client: Client, query: str, accept: str, status: int
) -> None:
    reply = await client.post({"query": query}, accept=accept)

    assert (reply.status, reply.codes) == (status, ["INVALID_DOCUMENT"])
    assert "data" not in reply.body


@pytest.mark.parametrize(
    "variables",
    [{}, {"wish": None}, {"wish": {}}, {"wish": {"text": 1}}, {"wish": {"text": "x", "no": 1}}],
)
@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (NEWER, 400)])
async def test_variables_of_the_wrong_kind_are_answered_without_data(
    client: Client, variables: dict[str, object], accept: str, status: int
) -> None:
    query = "query ($wish: Wish!) { wish(wish: $wish) }"

    reply = await client.post({"query": query, "variables": variables}, accept=accept)

    assert (reply.status, set(reply.codes)) == (status, {"INVALID_DOCUMENT"})
    assert "data" not in reply.body


async def test_several_operations_run_only_by_name(client: Client) -> None:
    query = "query One { hello } query Two { branch { name } }"

    nameless = await client.post({"query": query}, accept=NEWER)
    named = await client.post({"query": query, "operationName": "Two"}, accept=NEWER)
    unknown = await client.post({"query": query, "operationName": "Three"}, accept=NEWER)

    assert (nameless.status, nameless.codes) == (400, ["INVALID_DOCUMENT"])
    assert named.body == {"data": {"branch": {"name": "a branch"}}}
    assert (unknown.status, unknown.codes) == (400, ["INVALID_DOCUMENT"])


async def test_a_document_without_an_operation_is_invalid(client: Client) -> None:
    reply = await client.ask("fragment F on Query { hello }")

    assert (reply.status, reply.codes) == (400, ["INVALID_DOCUMENT"])


async def test_a_subscription_is_told_which_transports_it_needs(client: Client) -> None:
    reply = await client.ask("subscription { ticks }")

    assert (reply.status, reply.codes) == (400, ["INVALID_DOCUMENT"])
    assert "graphql-transport-ws" in reply.messages[0]


async def test_a_query_may_come_by_get(client: Client) -> None:
    query = "/graphql?query=query($n:String!){hello(name:$n)}&variables={%22n%22:%22you%22}"

    reply = await client.send("GET", f"{query}&operationName=&extensions=")

    assert (reply.status, reply.body) == (200, {"data": {"hello": "hello you"}})


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ("query=mutation{change}", 405),
        ("query=subscription{ticks}", 400),
        ("", 400),
        ("variables={}", 400),
        ("query={hello}&variables=[", 400),
        ("query={hello}&variables=[]", 400),
        ("query={hello}&variables=" + "[" * 3_000, 400),
    ],
)
async def test_nothing_but_a_query_is_answered_by_get(
    client: Client, toy: Toy, parameters: str, status: int
) -> None:
    reply = await client.send("GET", f"/graphql?{parameters}", headers={"accept": NEWER})

    assert reply.status == status
    assert reply.headers.get("allow") == ("POST" if status == 405 else None)
    assert toy.done == []


async def test_get_can_be_switched_off() -> None:
    async with client_of(Toy(serves_get=False).app()) as client:
        reply = await client.send("GET", "/graphql?query={hello}")

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_a_page_of_graphiql_is_not_served_here(client: Client) -> None:
    reply = await client.send("GET", headers={"accept": "text/html, */*"})

    assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"])
