"""GraphQL over WebSockets, by the protocol graphql-transport-ws.

Whoever connects says who it is in `connection_init`, as `authorization`. Every operation has a
context of its own, so that nothing read for one is shown in another. A socket ends with code 4403
when the token ends or the right to use it; clients connect again, with a fresh one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, Generic

import orjson
import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.errors import RequestCode, told
from app.graphql import messages
from app.graphql.door import Calling, Door
from app.graphql.messages import BadMessage, Complete, Init, Message, Ping, Pong, Subscribe
from app.graphql.operations import Operation
from app.graphql.streams import STREAMS_PER_SOCKET_MAX
from app.logging import REQUEST_ID, kind_and_places
from domain.errors import AccessError, AccountSuspended, Problem, ProblemCode, Unauthenticated
from domain.tracing import span

INIT_SECONDS_MAX: Final = 10.0

BAD_MESSAGE: Final = 4400
NOT_ACKNOWLEDGED: Final = 4401
FORBIDDEN: Final = 4403
NO_PROTOCOL: Final = 4406
NO_INIT: Final = 4408
ID_TAKEN: Final = 4409
INIT_TWICE: Final = 4429
TRY_LATER: Final = 1013
FAULT_OF_OURS: Final = 1011

_NEXT: Final = b'"type":"next","payload":'

_log = structlog.get_logger("socket")


@dataclass(slots=True)
class _Running:
    """An operation of this socket."""

    task: "asyncio.Task[None] | None" = None
    operation: Operation | None = None
    """None until it is known who is asking."""
    is_dropped: bool = False
    """Nobody waits for it any more."""


class Socket(Generic[Calling]):
    """One connection, from its handshake to its end."""

    def __init__(
        self, door: Door[Calling], websocket: WebSocket, *, init_seconds_max: float
    ) -> None:
        self._door = door
        self._websocket = websocket
        self._init_seconds_max = init_seconds_max
        self._authorization: Sequence[str] = ()
        self._principal: str | None = None
        """Who this is, from the moment it was acknowledged."""
        self._is_initiated = False
        self._is_closed = False
        self._operations: dict[str, _Running] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._open = ExitStack()

    async def serve(self) -> None:
        """Answer everything that is asked on this connection until it ends."""
        if messages.PROTOCOL not in self._websocket.scope["subprotocols"]:
            await self._websocket.accept()
            await self._close(NO_PROTOCOL, "Subprotocol not acceptable")
            return
        await self._websocket.accept(subprotocol=messages.PROTOCOL)
        self._after(
            self._init_seconds_max,
            lambda: self._do(self._close(NO_INIT, "Connection initialisation timeout")),
        )
        try:
            while (message := await self._received()) is not None:
                await self._take(message)
        except BadMessage as bad:
            await self._close(BAD_MESSAGE, str(bad))
        except WebSocketDisconnect:
            pass  # the other side left while we wrote
        finally:
            await self._shut()

    async def look(self) -> None:
        caller = await self._caller()
        for id, running in list(self._operations.items()):
            if running.operation and (error := running.operation.refusal(caller.viewer)):
                self._drop(id)
                self._do(self._send({"id": id, "type": "error", "payload": [_formatted(error)]}))

    def end(self, error: AccessError | Problem) -> None:
        for id in list(self._operations):
            self._drop(id)
        reason = "Unauthorized" if error.code == RequestCode.UNAUTHENTICATED else "Forbidden"
        self._do(self._close(FORBIDDEN, reason))

    def beat(self) -> None:
        """The server's own pings show that a socket is alive."""

    async def _received(self) -> Message | None:
        if self._is_closed:
            return None
        message = await self._websocket.receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        if not isinstance(text, str):
            raise BadMessage("Messages are text.")
        return messages.read(text)

    async def _take(self, message: Message) -> None:
        match message:
            case Init():
                await self._begin(message)
            case Ping(payload):
                pong = {"type": "pong"}
                await self._send(pong if payload is None else {**pong, "payload": payload})
            case Pong():
                pass
            case Subscribe():
                await self._subscribe(message)
            case Complete(id):
                self._drop(id)

    async def _begin(self, init: Init) -> None:
        if self._is_initiated:
            await self._close(INIT_TWICE, "Too many initialisation requests")
            return
        self._is_initiated = True
        self._stop_timer()
        self._authorization = _authorization_of(init, self._websocket)
        try:
            caller = await self._caller()
            principal = caller.principal
            self._open.enter_context(self._door.streams.socket(principal))
        except (AccessError, AccountSuspended) as error:
            self.end(error)
        except Problem as problem:
            await self._close(TRY_LATER, str(problem))
        except Exception as fault:  # noqa: BLE001 - the edge: nobody else would tell the caller
            await self._fail(fault)
        else:
            self._principal = principal
            self._open.enter_context(self._door.streams.watched(self))
            if (seconds := self._door.seconds_left(caller.viewer)) is not None:
                self._after(seconds, lambda: self.end(Unauthenticated()))
            await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: Subscribe) -> None:
        id = message.id
        if self._principal is None:
            await self._close(NOT_ACKNOWLEDGED, "Unauthorized")
        elif id in self._operations:
            await self._close(ID_TAKEN, f"Subscriber for {id} already exists")
        elif len(self._operations) >= STREAMS_PER_SOCKET_MAX:
            error = GraphQLError(
                f"{STREAMS_PER_SOCKET_MAX} operations run on this socket, which is the most. "
                "End one, or open another socket.",
                extensions={"code": ProblemCode.RATE_LIMITED},
            )
            await self._send({"id": id, "type": "error", "payload": [error.formatted]})
        else:
            running = self._operations[id] = _Running()
            running.task = asyncio.create_task(
                self._run(message, running, self._principal), name="operation of a socket"
            )

    async def _run(self, message: Subscribe, running: _Running, principal: str) -> None:
        """One operation to its end; one that was dropped meanwhile says no more."""
        REQUEST_ID.set(token_hex(10))
        begun = b'{"id":' + orjson.dumps(message.id) + b"," + _NEXT
        try:
            caller = await self._caller()
            running.operation = Operation.of(self._door.schema, message.asked, caller)
            self._door.streams.asked.add(running.operation.kind)
            with span("graphql", {}), self._door.streams.running(principal):
                async with aclosing(running.operation.results()) as results:
                    async for body in results:
                        if "data" not in body:
                            await self._finish(message.id, running, body["errors"])
                            return
                        if not running.is_dropped:
                            await self._write(begun + orjson.dumps(body) + b"}")
            await self._finish(message.id, running)
        except (AccessError, AccountSuspended) as error:
            self.end(error)
        except Problem as problem:
            await self._finish(message.id, running, [_formatted(problem)])
        except WebSocketDisconnect:
            pass  # the other side left while we wrote
        except Exception as fault:  # noqa: BLE001 - the edge: nobody else would tell the caller
            await self._fail(fault)

    async def _caller(self) -> Calling:
        return await self._door.context(self._websocket, self._authorization)

    async def _finish(self, id: str, running: _Running, errors: object = None) -> None:
        if self._operations.get(id) is not running:
            return
        # The id may be used again as soon as the client hears that it is free.
        del self._operations[id]
        if errors is None:
            await self._send({"id": id, "type": "complete"})
        else:
            await self._send({"id": id, "type": "error", "payload": errors})

    def _drop(self, id: str) -> None:
        running = self._operations.pop(id, None)
        if running is None or running.task is None:
            return
        running.is_dropped = True
        self._keep(running.task)
        # What changes something is not left half done, whoever has left.
        if running.operation is None or not running.operation.is_change:
            running.task.cancel()

    async def _send(self, message: Mapping[str, object]) -> None:
        await self._write(orjson.dumps(message))

    async def _write(self, message: bytes) -> None:
        if not self._is_closed:
            text = message.decode()
            await self._websocket.send({"type": "websocket.send", "text": text})

    async def _fail(self, fault: Exception) -> None:
        _log.error("socket failed", **kind_and_places(fault))
        await self._close(FAULT_OF_OURS, "Internal error")

    async def _close(self, code: int, reason: str) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        # A reason has room for 123 bytes.
        short = reason.encode()[:123].decode(errors="ignore")
        with suppress(WebSocketDisconnect, RuntimeError):  # it may just have ended by itself
            await self._websocket.close(code, short)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self, chore: Coroutine[object, object, None]) -> None:
        self._keep(asyncio.create_task(chore))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task, which the loop does not, and wait for it when the socket ends."""
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _shut(self) -> None:
        """Leave nothing running."""
        self._is_closed = True
        self._stop_timer()
        for id in list(self._operations):
            self._drop(id)
        try:
            await asyncio.gather(*self._chores, return_exceptions=True)
        finally:
            self._open.close()


def _authorization_of(init: Init, websocket: WebSocket) -> Sequence[str]:
    """What the client says in `connection_init`, or else the header of the handshake.

    Browsers can send the former only.
    """
    for name, value in init.payload.items():
        if name.lower() == "authorization" and value is not None:
            if not isinstance(value, str):
                raise BadMessage("payload.authorization is a string.")
            return [value]
    return websocket.headers.getlist("authorization")


def _formatted(error: AccessError | Problem) -> object:
    return GraphQLError(str(error), extensions=told(error)).formatted
