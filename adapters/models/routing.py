"""Several providers as one: the next is asked when one cannot answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self, TypeVar

from starlette.types import ASGIApp

from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.routes import Route
from domain.counting import SECONDS, Spread, Tally
from domain.errors import ProviderFailure
from domain.outside import CallCanceled, Completion, FailedAttempt, ModelCall, ModelFailed
from domain.passed_calls import Deliver, Hear, Passed, PassedCall

_Call = TypeVar("_Call", ModelCall, PassedCall)
_Answer = TypeVar("_Answer")
_SUCCEEDED: Final = "SUCCEEDED"
_CANCELED: Final = "CANCELED"


@dataclass(frozen=True, slots=True)
class RoutedProvider:
    """Answers questions through the first route that can, in the operator's order.

    The next route is tried only while nothing of an answer has begun. A route that has another
    behind it is tried once, for going on is quicker than waiting; the last one is tried again.
    """

    providers: tuple[OpenAICompatible, ...]
    outcomes: Tally = field(default_factory=Tally)
    """How tries ended, by route."""
    durations: Spread = field(default_factory=lambda: Spread(SECONDS))
    """How many seconds tries took, by route."""
    first_tokens: Spread = field(default_factory=lambda: Spread(SECONDS))
    """How many seconds passed before the first text, by route."""

    @classmethod
    def over_network(cls, routes: Iterable[Route]) -> Self:
        return cls(tuple(OpenAICompatible.over_network(route) for route in routes))

    @classmethod
    def in_process(cls, app: ASGIApp) -> Self:
        """Every model answered by an application of ours, such as the simulated provider."""
        route = Route(name="simulated", base_url="http://localhost/v1", api_key="")
        return cls((OpenAICompatible.in_process(route, app),))

    def serves(self, upstream_name: str) -> bool:
        """Whether any route has this model; asking for another fails without a try."""
        return any(provider.serves(upstream_name) for provider in self.providers)

    async def complete(self, call: ModelCall, hear: Callable[[str], None]) -> Completion:
        """Answer through the first route that can; see ModelProvider."""

        async def ask(provider: OpenAICompatible, this: ModelCall) -> Completion:
            return self._counted(provider, await provider.complete(this, hear))

        completion, failed_before = await self._first_that_can(call, ask)
        return _after(completion, failed_before)

    async def pass_on(self, call: PassedCall, *, hear: Hear, deliver: Deliver) -> Passed:
        """Pass a call on through the first route that can; see PassesCalls."""

        async def ask(provider: OpenAICompatible, this: PassedCall) -> Passed:
            passed = await provider.passing.pass_on(this, hear=hear, deliver=deliver)
            self._counted(provider, passed.completion)
            return passed

        passed, failed_before = await self._first_that_can(call, ask)
        if not failed_before:
            return passed
        return replace(passed, completion=_after(passed.completion, failed_before))

    async def _first_that_can(
        self, call: _Call, ask: Callable[[OpenAICompatible, _Call], Awaitable[_Answer]]
    ) -> tuple[_Answer, list[FailedAttempt]]:
        """The first answer, and what was tried on the routes before it."""
        now = asyncio.get_running_loop().time
        deadline = now() + call.deadline_seconds
        providers = [each for each in self.providers if each.serves(call.upstream_name)]
        failed_attempts: list[FailedAttempt] = []
        reason = ProviderFailure.ERROR
        for number, provider in enumerate(providers, start=1):
            is_last = number == len(providers)
            attempts_left = call.attempts_max - len(failed_attempts)
            # A lone route has all the time and all the tries there are.
            this = (
                call
                if len(providers) == 1
                else replace(
                    call,
                    deadline_seconds=deadline - now(),
                    attempts_max=attempts_left if is_last else 1,
                )
            )
            try:
                return await ask(provider, this), failed_attempts
            except CallCanceled as canceled:
                self._count_failed(provider, canceled.failed_attempts)
                self.outcomes.add(provider.route.name, _CANCELED)
                raise canceled.after(failed_attempts) from None
            except ModelFailed as failure:
                self._count_failed(provider, failure.failed_attempts)
                failed_attempts += failure.failed_attempts
                reason = failure.reason
                is_spent = len(failed_attempts) >= call.attempts_max or now() >= deadline
                if is_spent or not failure.another_route_may_answer:
                    break
        raise ModelFailed(reason, failed_attempts)

    def _counted(self, provider: OpenAICompatible, completion: Completion) -> Completion:
        route = provider.route.name
        if completion.failed_attempts:
            self._count_failed(provider, completion.failed_attempts)
        self.outcomes.add(route, _SUCCEEDED)
        self.durations.add(completion.latency_ms / 1000, route)
        if completion.first_token_ms is not None:
            self.first_tokens.add(completion.first_token_ms / 1000, route)
        return completion

    def _count_failed(self, provider: OpenAICompatible, attempts: Sequence[FailedAttempt]) -> None:
        for attempt in attempts:
            self.outcomes.add(provider.route.name, attempt.reason)
            self.durations.add(attempt.latency_ms / 1000, provider.route.name)

    async def aclose(self) -> None:
        for provider in self.providers:
            await provider.aclose()


def _after(completion: Completion, failed_before: list[FailedAttempt]) -> Completion:
    """The same, after tries elsewhere."""
    if not failed_before:
        return completion
    return replace(completion, failed_attempts=(*failed_before, *completion.failed_attempts))
