"""Calls to models, and applications that answer them in one fixed way."""

from dataclasses import replace

from starlette.types import Receive, Scope, Send

from adapters.models.routes import Route
from domain.outside import ModelCall
from domain.questions import Message, MessageRole
from domain.units import AccountId, HoldId, Moment, PurseId

ROUTE = Route(name="first", base_url="http://localhost/v1", api_key="sk-a-secret-key")
CALL = ModelCall(
    hold=HoldId(PurseId(AccountId(1)), Moment(1)),
    upstream_name="deepseek-chat",
    messages=(
        Message(MessageRole.SYSTEM, "Be brief."),
        Message(MessageRole.USER, "What is a ledger?"),
    ),
    answer_tokens_max=100,
    deadline_seconds=5.0,
)


def unheard(text: str) -> None:
    """Nobody reads along."""


def asking(content: str) -> ModelCall:
    return replace(CALL, messages=(*CALL.messages[:1], Message(MessageRole.USER, content)))


def simulating(directive: str) -> ModelCall:
    """A call that tells the simulated provider how to behave."""
    return asking(f"What is a ledger?\nsimulate: {directive}")


class Answering:
    """A provider that gives its answers in turn, the last one again and again."""

    def __init__(self, *answers: tuple[int, bytes], headers: dict[str, str] | None = None) -> None:
        self._answers = answers
        self._headers = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
        self.bodies: list[bytes] = []
        self.request_headers: list[dict[bytes, bytes]] = []

    @property
    def calls(self) -> int:
        return len(self.bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, answer = self._answers[min(self.calls, len(self._answers) - 1)]
        self.request_headers.append(dict(scope["headers"]))
        self.bodies.append(await _read(receive))
        await send({"type": "http.response.start", "status": status, "headers": self._headers})
        await send({"type": "http.response.body", "body": answer})


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
