"""Several providers as one: the next is asked when one cannot answer."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from starlette.types import ASGIApp

from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.routes import Route
from domain.errors import ProviderFailure
from domain.outside import CallCanceled, Completion, FailedAttempt, ModelCall, ModelFailed


@dataclass(frozen=True, slots=True)
class RoutedProvider:
    """Answers questions through the first route that can, in the operator's order.

    The next route is tried only while nothing of an answer has begun. A route that has another
    behind it is tried once, for going on is quicker than waiting; the last one is tried again.
    """

    providers: tuple[OpenAICompatible, ...]

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
        now = asyncio.get_running_loop().time
        deadline = now() + call.deadline_seconds
        providers = [each for each in self.providers if each.serves(call.upstream_name)]
        failed_attempts: list[FailedAttempt] = []
        reason = ProviderFailure.ERROR
        for number, provider in enumerate(providers, start=1):
            is_last = number == len(providers)
            attempts_left = call.attempts_max - len(failed_attempts)
            try:
                completion = await provider.complete(
                    replace(
                        call,
                        deadline_seconds=deadline - now(),
                        attempts_max=attempts_left if is_last else 1,
                    ),
                    hear,
                )
            except CallCanceled as canceled:
                raise canceled.after(failed_attempts) from None
            except ModelFailed as failure:
                failed_attempts += failure.failed_attempts
                reason = failure.reason
                is_spent = len(failed_attempts) >= call.attempts_max or now() >= deadline
                if is_spent or not failure.another_route_may_answer:
                    break
            else:
                return replace(
                    completion, failed_attempts=(*failed_attempts, *completion.failed_attempts)
                )
        raise ModelFailed(reason, failed_attempts)

    async def aclose(self) -> None:
        for provider in self.providers:
            await provider.aclose()
