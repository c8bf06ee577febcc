"""What every ModelProvider promises, kept by the simulated one in process and over a socket."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.models.loopback import serve
from adapters.models.routes import Route
from adapters.models.routing import RoutedProvider
from adapters.models.simulated import Gate, SimulatedProvider
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.outside import ModelFailed
from domain.pricing import Tokens, prompt_tokens_bound
from tests.adapters.model_calls import CALL, asking, simulating, unheard


@pytest.fixture
def application() -> SimulatedProvider:
    return SimulatedProvider()


@pytest.fixture(params=["in process", "over a socket"])
async def provider(
    request: pytest.FixtureRequest, application: SimulatedProvider
) -> AsyncIterator[RoutedProvider]:
    if request.param == "in process":
        provider = RoutedProvider.in_process(application)
        yield provider
        await provider.aclose()
        return
    async with serve(application) as base_url:
        route = Route(name="loopback", base_url=base_url, api_key="sk-test")
        provider = RoutedProvider.over_network([route])
        yield provider
        await provider.aclose()


async def test_an_answer_comes_back_with_its_text_and_usage(provider: RoutedProvider) -> None:
    completion = await provider.complete(CALL, unheard)

    assert completion.text.startswith("This answer is simulated")
    assert completion.finish_reason is FinishReason.STOP
    assert completion.tokens == Tokens(
        input=14, cached_input=6, output=len(completion.text.split())
    )
    assert completion.failed_attempts == ()


async def test_an_answer_is_heard_piece_by_piece(provider: RoutedProvider) -> None:
    heard: list[str] = []

    completion = await provider.complete(CALL, heard.append)

    assert "".join(heard) == completion.text
    assert len(heard) == len(completion.text.split())


async def test_pieces_are_heard_as_soon_as_they_arrive(provider: RoutedProvider) -> None:
    heard: list[str] = []
    begun = asyncio.Event()

    def hear(text: str) -> None:
        heard.append(text)
        begun.set()

    task = asyncio.create_task(provider.complete(simulating("slow 0.5"), hear))
    await asyncio.wait_for(begun.wait(), timeout=5)
    heard_at_first = len(heard)
    completion = await task

    assert heard_at_first == 1
    assert completion.first_token_ms is not None
    assert completion.first_token_ms < completion.latency_ms / 2


async def test_a_provider_that_answers_whole_is_heard_at_once(provider: RoutedProvider) -> None:
    heard: list[str] = []

    completion = await provider.complete(simulating("whole"), heard.append)

    assert heard == [completion.text]
    assert completion.tokens is not None
    assert completion.first_token_ms is None


async def test_usage_told_early_is_the_usage(provider: RoutedProvider) -> None:
    completion = await provider.complete(simulating("early-usage"), unheard)

    assert completion.tokens is not None
    assert completion.tokens.output == len(completion.text.split())


@pytest.mark.parametrize(("directive", "heard_some"), [("stall", True), ("timeout", False)])
async def test_silence_ends_a_try_long_before_the_deadline(
    provider: RoutedProvider, application: SimulatedProvider, directive: str, *, heard_some: bool
) -> None:
    heard: list[str] = []

    with pytest.raises(ModelFailed) as failure:
        await provider.complete(replace(simulating(directive), idle_seconds=0.2), heard.append)

    assert failure.value.reason is ProviderFailure.TIMEOUT
    assert failure.value.failed_attempts[0].latency_ms < 3_000
    assert bool(heard) is heard_some
    assert application.calls_received == 1
    assert failure.value.another_route_may_answer is False


async def test_a_slow_answer_is_not_silence(provider: RoutedProvider) -> None:
    completion = await provider.complete(replace(simulating("slow 0.6"), idle_seconds=0.3), unheard)

    assert completion.latency_ms >= 500


async def test_the_same_question_has_the_same_answer(provider: RoutedProvider) -> None:
    first = await provider.complete(CALL, unheard)
    second = await provider.complete(CALL, unheard)

    assert first.text == second.text


async def test_an_answer_ends_where_the_hold_ends(provider: RoutedProvider) -> None:
    completion = await provider.complete(replace(CALL, answer_tokens_max=5), unheard)

    assert completion.finish_reason is FinishReason.LENGTH
    assert completion.tokens is not None
    assert completion.tokens.output == 5


@pytest.mark.parametrize("content", ["a", "\n", "帳簿 " * 50, "🧾", "a b " * 2_000])
async def test_no_more_tokens_are_counted_than_were_held_for(
    provider: RoutedProvider, content: str
) -> None:
    call = asking(content)

    completion = await provider.complete(call, unheard)

    assert completion.tokens is not None
    assert completion.tokens.input <= prompt_tokens_bound(call.messages)
    assert completion.tokens.output <= call.answer_tokens_max


async def test_usage_that_is_not_reported_is_none(provider: RoutedProvider) -> None:
    completion = await provider.complete(simulating("no-usage"), unheard)

    assert completion.tokens is None


async def test_usage_that_is_reported_as_zero_is_zero(provider: RoutedProvider) -> None:
    completion = await provider.complete(simulating("zero-usage"), unheard)

    assert completion.tokens == Tokens(input=0, output=0)


@pytest.mark.parametrize(
    ("directive", "reason", "tries"),
    [
        ("empty", ProviderFailure.EMPTY, 1),
        ("cut", ProviderFailure.ERROR, 1),
        ("broken", ProviderFailure.ERROR, 1),
        ("silent-end", ProviderFailure.ERROR, 1),
        ("content-filter", ProviderFailure.REJECTED, 1),
        ("malformed", ProviderFailure.ERROR, 1),
        ("huge", ProviderFailure.ERROR, 1),
        ("redirect", ProviderFailure.ERROR, 1),
        ("429", ProviderFailure.OVERLOADED, 3),
        ("500", ProviderFailure.ERROR, 3),
    ],
)
async def test_a_failure_says_its_reason_and_every_try(
    provider: RoutedProvider,
    application: SimulatedProvider,
    directive: str,
    reason: ProviderFailure,
    tries: int,
) -> None:
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(simulating(directive), unheard)

    assert failure.value.reason is reason
    assert [attempt.reason for attempt in failure.value.failed_attempts] == [reason] * tries
    assert application.calls_received == tries


@pytest.mark.parametrize("directive", ["timeout", "drip", "slow 60"])
async def test_the_deadline_holds_whatever_the_provider_does(
    provider: RoutedProvider, directive: str
) -> None:
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(replace(simulating(directive), deadline_seconds=0.2), unheard)

    assert failure.value.reason is ProviderFailure.TIMEOUT
    (attempt,) = failure.value.failed_attempts
    assert 190 <= attempt.latency_ms < 3_000


async def test_a_slow_answer_within_the_deadline_is_an_answer(provider: RoutedProvider) -> None:
    completion = await provider.complete(simulating("slow 0.1"), unheard)

    assert completion.latency_ms >= 95


async def test_an_answer_after_a_failed_try_tells_of_both(provider: RoutedProvider) -> None:
    completion = await provider.complete(simulating("429 once"), unheard)

    assert [attempt.reason for attempt in completion.failed_attempts] == [
        ProviderFailure.OVERLOADED
    ]


async def test_what_a_failure_used_is_told_too(provider: RoutedProvider) -> None:
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(simulating("empty"), unheard)

    assert failure.value.failed_attempts[0].tokens == Tokens(input=16, cached_input=6, output=0)


async def test_a_provider_is_not_asked_before_the_time_it_names(
    provider: RoutedProvider, application: SimulatedProvider
) -> None:
    with pytest.raises(ModelFailed) as failure:
        await provider.complete(simulating("429 30"), unheard)

    assert failure.value.reason is ProviderFailure.OVERLOADED
    assert application.calls_received == 1


async def test_no_more_tries_are_made_than_allowed(
    provider: RoutedProvider, application: SimulatedProvider
) -> None:
    with pytest.raises(ModelFailed):
        await provider.complete(replace(simulating("429"), attempts_max=2), unheard)

    assert application.calls_received == 2


async def test_calls_are_answered_side_by_side() -> None:
    application = SimulatedProvider(gate=Gate(20))
    provider = RoutedProvider.in_process(application)

    completions = await asyncio.gather(*(provider.complete(CALL, unheard) for _ in range(20)))

    assert len(completions) == 20
    await provider.aclose()


async def test_a_gate_lets_nobody_through_before_all_have_arrived() -> None:
    application = SimulatedProvider(gate=Gate(20))
    provider = RoutedProvider.in_process(application)
    call = replace(CALL, deadline_seconds=0.5)

    outcomes = await asyncio.gather(
        *(provider.complete(call, unheard) for _ in range(19)), return_exceptions=True
    )

    assert all(isinstance(outcome, ModelFailed) for outcome in outcomes)
    assert application.calls_received == 19
    await provider.aclose()
