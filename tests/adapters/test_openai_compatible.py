"""One provider through the openai SDK: what is sent, what is tried again, what never gets out."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.models.loopback import serve
from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.reading import ANSWER_BYTES_MAX
from domain.errors import ProviderFailure
from domain.outside import CallCanceled, Completion, ModelFailed
from domain.pricing import Tokens
from tests.adapters.model_calls import CALL, ROUTE, Answering, asking, unheard

FIRST_CHUNK = (
    b'data: {"choices": [{"delta": {"content": "Two"}}],'
    b' "usage": {"prompt_tokens": 9, "completion_tokens": 1}}\n\n'
)
OK = (200, b'{"choices": [{"message": {"content": "Two columns."}}]}')

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def completed(app: ASGIApp) -> Completion:
    provider = OpenAICompatible.in_process(ROUTE, app)
    try:
        return await provider.complete(CALL, unheard)
    finally:
        await provider.aclose()


async def failed(app: ASGIApp) -> ModelFailed:
    with pytest.raises(ModelFailed) as failure:
        await completed(app)
    return failure.value


@asynccontextmanager
async def peer(behave: Peer) -> AsyncIterator[OpenAICompatible]:
    """A provider that is a bare socket."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = OpenAICompatible.over_network(
        replace(ROUTE, base_url=f"http://127.0.0.1:{port}/v1/")
    )
    yield provider
    await provider.aclose()
    server.close()


async def failure_of(provider: OpenAICompatible, *, attempts_max: int = 3) -> ModelFailed:
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(replace(CALL, attempts_max=attempts_max), unheard)
    return failure.value


async def test_what_is_sent_is_the_question_the_limit_and_the_key() -> None:
    app = Answering(OK)

    await completed(app)

    assert orjson.loads(app.bodies[0]) == {
        "model": "deepseek-chat",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is a ledger?"},
        ],
        "max_tokens": 100,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert app.request_headers[0][b"authorization"] == b"Bearer sk-a-secret-key"


async def test_a_temperature_is_sent_when_the_caller_names_one() -> None:
    app = Answering(OK)
    provider = OpenAICompatible.in_process(ROUTE, app)

    await provider.complete(replace(CALL, temperature=0.0), unheard)

    assert orjson.loads(app.bodies[0])["temperature"] == 0.0
    await provider.aclose()


async def test_a_route_may_name_the_model_and_the_limit_its_own_way() -> None:
    app = Answering(OK)
    route = replace(
        ROUTE,
        models={"deepseek-chat": "deepseek/deepseek-chat"},
        answer_limit_field="max_completion_tokens",
    )
    provider = OpenAICompatible.in_process(route, app)

    await provider.complete(CALL, unheard)

    body = orjson.loads(app.bodies[0])
    assert body["model"] == "deepseek/deepseek-chat"
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body
    await provider.aclose()


async def test_what_is_meant_for_openai_is_not_sent_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-private")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-private")
    app = Answering(OK)

    await completed(app)

    assert not [value for value in app.request_headers[0].values() if b"private" in value]


async def test_a_server_on_this_machine_is_not_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async with serve(Answering(OK)) as base_url:
        provider = OpenAICompatible.over_network(replace(ROUTE, base_url=base_url))
        completion = await provider.complete(CALL, unheard)
        await provider.aclose()

    assert completion.text == "Two columns."


@pytest.mark.parametrize(
    ("status", "reason", "tries", "another_route_may_answer"),
    [
        (302, ProviderFailure.ERROR, 1, True),
        (400, ProviderFailure.ERROR, 1, False),
        (401, ProviderFailure.ERROR, 1, True),
        (402, ProviderFailure.ERROR, 1, True),
        (403, ProviderFailure.ERROR, 1, True),
        (404, ProviderFailure.ERROR, 1, True),
        (408, ProviderFailure.TIMEOUT, 3, True),
        (413, ProviderFailure.ERROR, 1, False),
        (422, ProviderFailure.ERROR, 1, False),
        (429, ProviderFailure.OVERLOADED, 3, True),
        (500, ProviderFailure.ERROR, 3, True),
        (502, ProviderFailure.ERROR, 3, True),
        (503, ProviderFailure.OVERLOADED, 3, True),
        (504, ProviderFailure.TIMEOUT, 3, True),
        (529, ProviderFailure.OVERLOADED, 3, True),
    ],
)
async def test_each_status_has_its_meaning(
    status: int, reason: ProviderFailure, tries: int, *, another_route_may_answer: bool
) -> None:
    app = Answering((status, b"no"), headers={"retry-after": "0"})

    failure = await failed(app)

    assert failure.reason is reason
    assert app.calls == tries
    assert failure.another_route_may_answer is another_route_may_answer
    assert failure.failed_attempts[0].detail == f"status {status}"


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation", "invalid_prompt"])
async def test_refused_content_is_told_by_its_code(code: str) -> None:
    app = Answering((400, orjson.dumps({"error": {"message": "no", "code": code}})))

    failure = await failed(app)

    assert failure.reason is ProviderFailure.REJECTED
    assert not failure.another_route_may_answer


async def test_our_own_used_up_quota_is_no_overload_and_is_not_tried_again() -> None:
    body = orjson.dumps({"error": {"message": "no", "code": "insufficient_quota"}})
    app = Answering((429, body))

    failure = await failed(app)

    assert failure.reason is ProviderFailure.ERROR
    assert app.calls == 1


@pytest.mark.parametrize("code", [400, {"a": 1}, ["content_filter"], None])
async def test_an_error_code_of_any_kind_is_survived(code: object) -> None:
    app = Answering((400, orjson.dumps({"error": {"message": "no", "code": code}})))

    assert (await failed(app)).reason is ProviderFailure.ERROR


NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "0"},
        {"retry-after": "soon"},
        {"date": NOON, "retry-after": NOON},
    ],
)
async def test_a_provider_that_can_be_asked_again_soon_is(headers: dict[str, str]) -> None:
    app = Answering((429, b"later"), OK, headers=headers)

    completion = await completed(app)

    assert len(completion.failed_attempts) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "30"},
        {"date": NOON, "retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"},
    ],
)
async def test_a_provider_that_asks_for_more_time_than_there_is_is_left_alone(
    headers: dict[str, str],
) -> None:
    app = Answering((429, b"later"), OK, headers=headers)

    failure = await failed(app)

    assert failure.reason is ProviderFailure.OVERLOADED
    assert app.calls == 1


async def test_a_refused_connection_is_tried_three_times() -> None:
    provider = OpenAICompatible.over_network(replace(ROUTE, base_url="http://127.0.0.1:9/v1"))

    failure = await failure_of(provider)

    assert failure.reason is ProviderFailure.ERROR
    assert failure.another_route_may_answer
    assert [attempt.detail for attempt in failure.failed_attempts] == [
        "connection failed, ConnectionRefusedError"
    ] * 3
    await provider.aclose()


async def test_a_connection_lost_before_the_answer_is_tried_again() -> None:
    connections = 0

    async def hang_up_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            body = OK[1]
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    async with peer(hang_up_once) as provider:
        completion = await provider.complete(CALL, unheard)

    assert completion.text == "Two columns."
    assert [attempt.reason for attempt in completion.failed_attempts] == [ProviderFailure.ERROR]


async def test_an_answer_that_has_begun_is_never_asked_for_again() -> None:
    connections = 0

    async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        await writer.drain()

    async with peer(break_off) as provider:
        failure = await failure_of(provider)

    assert connections == 1
    assert not failure.another_route_may_answer
    assert failure.failed_attempts[0].detail == "answer broken off"


@pytest.mark.parametrize(
    "head",
    [
        b"220 mail.test ESMTP\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["another protocol", "bytes", "huge header", "no gzip", "no chunks"],
)
async def test_a_peer_that_does_not_speak_http_is_an_error(head: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()

    async with peer(answer) as provider:
        failure = await failure_of(provider, attempts_max=1)

    assert failure.reason is ProviderFailure.ERROR


@pytest.mark.parametrize("status", [200, 500])
async def test_an_endless_body_is_cut_off(status: int) -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\n\r\n".encode())
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    async with peer(flood) as provider:
        failure = await failure_of(provider)

    assert failure.failed_attempts[-1].detail == "answer too large"


async def test_a_small_body_that_unpacks_to_a_huge_one_is_cut_off() -> None:
    bomb = gzip.compress(b" " * (ANSWER_BYTES_MAX + 1))
    app = Answering((200, bomb), headers={"content-encoding": "gzip"})

    assert (await failed(app)).failed_attempts[0].detail == "answer too large"


async def test_a_canceled_call_hangs_up() -> None:
    arrived, hung_up = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            arrived.set()
        hung_up.set()

    async with serve(wait_for_the_end) as base_url:
        provider = OpenAICompatible.over_network(replace(ROUTE, base_url=base_url))
        task = asyncio.create_task(provider.complete(CALL, unheard))
        await arrived.wait()
        task.cancel()

        await asyncio.wait_for(hung_up.wait(), timeout=2)

        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.aclose()


async def test_a_canceled_call_tells_what_was_used_and_tried_until_then() -> None:
    tries = 0

    async def fail_once_then_stall(_: Scope, receive: Receive, send: Send) -> None:
        nonlocal tries
        tries += 1
        status = 200 if tries > 1 else 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": FIRST_CHUNK, "more_body": tries > 1})
        await receive()
        await receive()

    async with serve(fail_once_then_stall) as base_url:
        provider = OpenAICompatible.over_network(replace(ROUTE, base_url=base_url))
        begun = asyncio.Event()
        task = asyncio.create_task(provider.complete(CALL, lambda _: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(CallCanceled) as canceled:
            await task
        await provider.aclose()

    assert task.cancelled()
    assert canceled.value.tokens == Tokens(input=9, output=1)
    assert [attempt.detail for attempt in canceled.value.failed_attempts] == ["status 500"]


async def test_no_failure_is_mended_once_the_first_byte_has_come() -> None:
    connections = 0

    async def break_the_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + f"{len(FIRST_CHUNK):x}\r\n".encode() + FIRST_CHUNK + b"\r\n")
        await writer.drain()

    async with peer(break_the_chunks) as provider:
        failure = await failure_of(provider)

    assert connections == 1
    assert not failure.another_route_may_answer
    assert failure.failed_attempts[0].detail == "answer broken off"
    assert failure.failed_attempts[0].tokens == Tokens(input=9, output=1)


async def test_a_whole_answer_does_not_wait_for_a_body_that_never_ends() -> None:
    async def keep_open(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + FIRST_CHUNK + b"data: [DONE]\n\n")
        await writer.drain()
        await asyncio.sleep(1)

    async with peer(keep_open) as provider:
        completion = await provider.complete(CALL, unheard)

    assert completion.text == "Two"
    assert completion.latency_ms < 900


@pytest.mark.parametrize(
    "answer",
    [
        (500, b'{"error": {"message": "CANARY", "type": "CANARY", "code": "CANARY"}}'),
        (401, b'{"error": {"message": "Wrong key: CANARY"}}'),
        (400, b"CANARY"),
        (200, b"CANARY"),
        (200, b'{"choices": [{"message": {"refusal": "CANARY"}}]}'),
    ],
)
async def test_neither_the_providers_words_nor_ours_get_out(
    answer: tuple[int, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    provider = OpenAICompatible.in_process(
        ROUTE, Answering(answer, headers={"retry-after": "0", "x-request-id": "CANARY"})
    )
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(asking("Keep this CANARY to yourself."), unheard)
    await provider.aclose()

    said = f"{failure.value!r} {failure.value.failed_attempts} {provider!r} {capsys.readouterr()}"
    assert "model_attempt_failed" in said
    assert "CANARY" not in said
    assert "sk-a-secret-key" not in said
    # Nothing is hidden in a chained exception, which a traceback would print.
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
