"""Calls of OpenAI's clients, passed on at a desk."""

import asyncio

from adapters.models.routing import RoutedProvider
from domain.asking import Asking
from domain.identity import Viewer
from domain.passed_calls import Door, PassedRequest
from domain.passing import PassedAnswer, Passing
from domain.units import AnswerId
from persistence.replies import PostgresReplies
from tests.journeys.desk import MODEL, Desk, NoLimit


def two_choices(content: str) -> PassedRequest:
    messages = [{"role": "user", "content": content}]
    return PassedRequest(
        door=Door.CHAT,
        model=MODEL.id,
        fields={"model": "simulated", "n": 2, "messages": messages},
        body_bytes=100,
        messages=1,
        choices=2,
        answer_tokens_asked=50,
    )


class Patient:
    """A caller who stays."""

    def accepted(self, answer_id: AnswerId) -> None:
        pass

    async def deliver(self, piece: bytes) -> None:
        pass

    async def gone(self) -> None:
        await asyncio.Event().wait()


def passing(desk: Desk, asking: Asking) -> Passing:
    provider = desk.running.provider
    assert isinstance(provider, RoutedProvider)
    replies = PostgresReplies(desk.runners.pool)
    return Passing(asking=asking, provider=provider, replies=replies, free_cancels=NoLimit())


async def passed(calls: Passing, viewer: Viewer, request: PassedRequest, key: str) -> PassedAnswer:
    answer = await calls.pass_on(viewer, request, key, Patient())
    assert answer is not None
    return answer
