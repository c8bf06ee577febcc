"""Several providers as one."""

from dataclasses import replace

import pytest
from starlette.types import ASGIApp

from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.routes import Route
from adapters.models.routing import RoutedProvider
from domain.errors import ProviderFailure
from domain.outside import ModelFailed
from tests.adapters.model_calls import CALL, ROUTE, Answering, unheard

OK = (200, b'{"choices": [{"message": {"content": "Two columns."}}]}')
DOWN = (500, b"down")
NOW = {"retry-after": "0"}


def routed(*apps: ASGIApp) -> RoutedProvider:
    return RoutedProvider(
        tuple(
            OpenAICompatible.in_process(replace(ROUTE, name=f"route {number}"), app)
            for number, app in enumerate(apps)
        )
    )


async def test_the_first_route_answers_when_it_can() -> None:
    first, second = Answering(OK), Answering(OK)

    await routed(first, second).complete(CALL, unheard)

    assert (first.calls, second.calls) == (1, 0)


@pytest.mark.parametrize("status", [401, 402, 404, 429, 500, 503])
async def test_the_next_route_is_asked_when_the_first_cannot_answer(status: int) -> None:
    first, second = Answering((status, b"no")), Answering(OK)

    completion = await routed(first, second).complete(CALL, unheard)

    assert completion.text == "Two columns."
    assert [attempt.detail for attempt in completion.failed_attempts] == [f"status {status}"]
    assert (first.calls, second.calls) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, b'{"error": {"code": "content_filter"}}'), ProviderFailure.REJECTED),
        ((400, b"no"), ProviderFailure.ERROR),
        ((200, b'{"choices": [{"message": {"content": ""}}]}'), ProviderFailure.EMPTY),
        ((200, b"nonsense"), ProviderFailure.ERROR),
    ],
)
async def test_the_next_route_is_not_asked_when_an_answer_had_begun_or_the_question_is_at_fault(
    answer: tuple[int, bytes], reason: ProviderFailure
) -> None:
    first, second = Answering(answer), Answering(OK)

    with pytest.raises(ModelFailed) as failure:
        await routed(first, second).complete(CALL, unheard)

    assert failure.value.reason is reason
    assert second.calls == 0


async def test_the_last_route_is_tried_again_and_the_others_once() -> None:
    first, second = Answering(DOWN, headers=NOW), Answering(DOWN, headers=NOW)

    with pytest.raises(ModelFailed) as failure:
        await routed(first, second).complete(CALL, unheard)

    assert (first.calls, second.calls) == (1, 3)
    assert len(failure.value.failed_attempts) == 4


async def test_no_answer_takes_more_than_five_tries() -> None:
    apps = [Answering(DOWN, headers=NOW) for _ in range(7)]

    with pytest.raises(ModelFailed) as failure:
        await routed(*apps).complete(CALL, unheard)

    assert len(failure.value.failed_attempts) == 5
    assert sum(app.calls for app in apps) == 5


async def test_the_reason_is_that_of_the_last_try() -> None:
    with pytest.raises(ModelFailed) as failure:
        await routed(Answering(DOWN), Answering((429, b"no"), headers=NOW)).complete(CALL, unheard)

    assert failure.value.reason is ProviderFailure.OVERLOADED


async def test_only_routes_that_have_the_model_are_asked() -> None:
    first, second = Answering(OK), Answering(OK)
    provider = RoutedProvider(
        (
            OpenAICompatible.in_process(
                replace(ROUTE, models={"gpt-4o-mini": "gpt-4o-mini"}), first
            ),
            OpenAICompatible.in_process(ROUTE, second),
        )
    )

    await provider.complete(CALL, unheard)

    assert (first.calls, second.calls) == (0, 1)


async def test_a_model_that_no_route_has_fails_without_a_try() -> None:
    route = Route(name="only", base_url="http://localhost/v1", api_key="", models={"a": "a"})
    provider = RoutedProvider((OpenAICompatible.in_process(route, Answering(OK)),))

    with pytest.raises(ModelFailed) as failure:
        await provider.complete(CALL, unheard)

    assert failure.value.failed_attempts == ()
    assert provider.serves("a")
    assert not provider.serves(CALL.upstream_name)
