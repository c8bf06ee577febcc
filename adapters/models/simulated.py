"""The built-in provider: no model, but the wire, the timing and the failures of a real one.

It is an ASGI application, so the real SDK talks to it in process or over a socket. Its answers
say that they are simulated. A line in the last user message tells it how to behave:

    simulate: slow              answers after two seconds; `slow 0.5` after half a second
    simulate: empty             finishes without any text
    simulate: cut               breaks off in the middle
    simulate: stall             falls silent in the middle
    simulate: broken            tells of an error in the middle of a stream
    simulate: silent-end        ends a stream in the middle as if that were all
    simulate: whole             answers whole, though it was asked for a stream
    simulate: early-usage       tells the tokens on the first chunk of a stream, and not again
    simulate: no-usage          says nothing about tokens
    simulate: zero-usage        says that no tokens were used
    simulate: 429               is overloaded; `429 30` asks to wait for 30 seconds
    simulate: 500               fails
    simulate: timeout           never answers
    simulate: content-filter    refuses the content
    simulate: malformed         answers with something that is no JSON
    simulate: huge              answers with 16 MiB
    simulate: drip              sends one byte every 50 ms, for ever
    simulate: redirect          points to an address inside the network

`once` after any of them, as in `simulate: 429 once`, makes the first try behave so and lets the
next one succeed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Scope, Send

from adapters.models import simulated_responses as responses
from adapters.models import simulated_wire as wire
from adapters.models.simulated_script import (
    SLOW_SECONDS,
    Directive,
    Instruction,
    answer_to,
    instruction_in,
)

_MODELS: Final = ("simulated",)
_DRIP_SECONDS: Final = 0.05
_HUGE_PIECE: Final = b" " * 65_536
_HUGE_PIECES: Final = 256
_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream"

_Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How questions are read and answers written."""

    read_request: Callable[[bytes], wire.Request | None]
    whole_answer: Callable[[wire.Answer], bytes]
    chunks: Callable[[wire.Answer, wire.UsageAt], Iterator[bytes]]


_CHAT: Final = _Dialect(wire.read_request, wire.whole_answer, wire.chunks)
_RESPONSES: Final = _Dialect(responses.read_request, responses.whole_answer, responses.chunks)


class ConnectionCutError(Exception):
    """Raised on purpose: a server that sees it drops the connection in the middle."""


class Gate:
    """Lets no call be answered before so many have arrived."""

    def __init__(self, calls: int) -> None:
        self._calls_missing = calls
        self._open = asyncio.Event()

    async def arrive(self) -> None:
        self._calls_missing -= 1
        if self._calls_missing <= 0:
            self._open.set()
        await self._open.wait()


class SimulatedProvider:
    """An ASGI application that is a provider of chat completions, responses and embeddings."""

    def __init__(self, *, gate: Gate | None = None, api_key: str | None = None) -> None:
        self._gate = gate
        self._authorization = None if api_key is None else f"Bearer {api_key}".encode()
        self.calls_received = 0
        """Questions that reached the provider, whatever became of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self._authorization not in {None, headers.get(b"authorization")}:
            await _send_error(send, 401, "Wrong API key.", code="invalid_api_key")
            return
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions" | "/v1/responses" as path:
                is_retry = headers.get(b"x-stainless-retry-count", b"0") != b"0"
                dialect = _CHAT if path == "/v1/chat/completions" else _RESPONSES
                await self._complete(dialect, receive, send, is_retry=is_retry)
            case "POST", "/v1/embeddings":
                await self._embed(receive, send)
            case "GET", "/v1/models":
                await _send(send, 200, wire.models(_MODELS))
            case _:
                await _send_error(send, 404, "There is nothing here.", code="not_found")

    async def _embed(self, receive: Receive, send: Send) -> None:
        answer = responses.embeddings(await _body(receive))
        if answer is None:
            await _send_error(send, 400, "This is no input.", code="invalid_request")
            return
        self.calls_received += 1
        if self._gate is not None:
            await self._gate.arrive()
        await _send(send, 200, answer)

    async def _complete(
        self, dialect: _Dialect, receive: Receive, send: Send, *, is_retry: bool
    ) -> None:
        request = dialect.read_request(await _body(receive))
        if request is None:
            await _send_error(send, 400, "This is no question.", code="invalid_request")
            return
        self.calls_received += 1
        if self._gate is not None:
            await self._gate.arrive()
        instruction = instruction_in(request)
        if is_retry and instruction.is_for_first_try:
            instruction = Instruction()
        if await _fail(instruction, receive, send):
            return
        if request.is_stream and instruction.directive is not Directive.WHOLE:
            await _stream(dialect, request, instruction, receive, send)
        else:
            await _answer_whole(dialect, request, instruction, receive, send)


async def _fail(instruction: Instruction, receive: Receive, send: Send) -> bool:
    """Behave badly in a way that has nothing to do with an answer; False when not told to."""
    match instruction.directive:
        case Directive.OVERLOADED:
            retry_after = str(int(instruction.seconds or 0)).encode()
            headers = [(b"retry-after", retry_after)]
            await _send_error(
                send, 429, "Too many requests.", code="rate_limit_exceeded", headers=headers
            )
        case Directive.FAILING:
            await _send_error(send, 500, "The simulated server failed.", code="server_error")
        case Directive.REDIRECT:
            await _send(send, 302, b"", headers=[(b"location", b"http://169.254.169.254/")])
        case Directive.MALFORMED:
            await _send(send, 200, b'{"choices": [{"message": ')
        case Directive.TIMEOUT:
            await receive()  # returns when the caller hangs up
        case Directive.HUGE:
            await _start(send, 200, _JSON)
            for _ in range(_HUGE_PIECES):
                await _continue(send, _HUGE_PIECE)
            await _continue(send, b"", is_last=True)
        case Directive.DRIP:
            await _drip(receive, send)
        case _:
            return False
    return True


async def _drip(receive: Receive, send: Send) -> None:
    await _start(send, 200, _JSON)
    while not await _hangs_up_within(_DRIP_SECONDS, receive):
        await _continue(send, b" ")


async def _hangs_up_within(seconds: float, receive: Receive) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        return False
    return True


async def _answer_whole(
    dialect: _Dialect,
    request: wire.Request,
    instruction: Instruction,
    receive: Receive,
    send: Send,
) -> None:
    body = dialect.whole_answer(answer_to(request, instruction))
    pause_seconds = _slow_seconds(instruction)
    if pause_seconds and await _hangs_up_within(pause_seconds, receive):
        return
    if instruction.directive is Directive.CUT:
        await _start(send, 200, _JSON, [(b"content-length", str(len(body)).encode())])
        await _continue(send, body[: len(body) // 2])
        raise ConnectionCutError
    await _send(send, 200, body)


async def _stream(
    dialect: _Dialect,
    request: wire.Request,
    instruction: Instruction,
    receive: Receive,
    send: Send,
) -> None:
    answer, directive = answer_to(request, instruction), instruction.directive
    usage_at = wire.UsageAt.FIRST if directive is Directive.EARLY_USAGE else wire.UsageAt.LAST
    events = list(dialect.chunks(answer, usage_at if request.wants_usage else wire.UsageAt.NOWHERE))
    pause_seconds = _slow_seconds(instruction) / len(events)
    await _start(send, 200, _EVENTS)
    for number, event in enumerate(events):
        if pause_seconds and await _hangs_up_within(pause_seconds, receive):
            return
        if number > len(events) // 2 and await _breaks_off(directive, receive, send):
            return
        await _continue(send, event)
    await _continue(send, b"", is_last=True)


async def _breaks_off(directive: Directive | None, receive: Receive, send: Send) -> bool:
    """Behave badly in the middle of a stream; False when not told to."""
    match directive:
        case Directive.CUT:
            raise ConnectionCutError
        case Directive.STALL:
            await receive()  # returns when the caller hangs up
        case Directive.BROKEN:
            await _continue(send, wire.error_event("The simulated server failed."), is_last=True)
        case Directive.SILENT_END:
            await _continue(send, b"", is_last=True)
        case _:
            return False
    return True


def _slow_seconds(instruction: Instruction) -> float:
    if instruction.directive is not Directive.SLOW:
        return 0.0
    return SLOW_SECONDS if instruction.seconds is None else instruction.seconds


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _send_error(
    send: Send,
    status: int,
    message: str,
    *,
    code: str,
    headers: Sequence[_Header] = (),
) -> None:
    await _send(send, status, wire.error(message, code=code), headers=headers)


async def _send(send: Send, status: int, body: bytes, *, headers: Sequence[_Header] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await _start(send, status, _JSON, [length, *headers])
    await _continue(send, body, is_last=True)


async def _start(
    send: Send,
    status: int,
    content_type: bytes,
    headers: Sequence[_Header] = (),
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", content_type), *headers],
        }
    )


async def _continue(send: Send, body: bytes, *, is_last: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not is_last})
