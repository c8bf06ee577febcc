"""From tokens to credits and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import MicroUSD
from domain.pricing import (
    RATE_MAX,
    TOKENS_MAX,
    Model,
    Price,
    ProviderRates,
    Rates,
    Tokens,
    estimated_tokens,
    prompt_tokens_bound,
)
from domain.questions import Message, MessageRole
from domain.units import Microcredits, ModelId, PriceId

RATES = Rates(
    input_per_1k=Microcredits(300_000),
    cached_input_per_1k=Microcredits(30_000),
    output_per_1k=Microcredits(450_000),
    per_request=Microcredits(50_000),
    provider=ProviderRates(
        input_per_1m=MicroUSD(280_000),
        cached_input_per_1m=MicroUSD(28_000),
        output_per_1m=MicroUSD(420_000),
    ),
)

amounts = st.integers(0, RATE_MAX).map(Microcredits)
small_amounts = st.integers(0, 5_000).map(Microcredits)
counts = st.integers(0, 5_000)


def rates_of(amounts: st.SearchStrategy[Microcredits]) -> st.SearchStrategy[Rates]:
    return st.builds(
        Rates,
        input_per_1k=amounts,
        cached_input_per_1k=amounts,
        output_per_1k=amounts,
        per_request=amounts,
    )


@st.composite
def calls(draw: st.DrawFn) -> Tokens:
    prompt = draw(counts)
    return Tokens(input=prompt, cached_input=draw(st.integers(0, prompt)), output=draw(counts))


def test_a_call_costs_its_tokens_at_their_rates_and_the_fee_for_a_request() -> None:
    tokens = Tokens(input=3_000, cached_input=1_000, output=2_000)

    assert RATES.cost(tokens) == 2 * 300_000 + 30_000 + 2 * 450_000 + 50_000


def test_a_fraction_of_a_microcredit_is_rounded_up_once_for_the_whole_call() -> None:
    cheap = Rates(
        input_per_1k=Microcredits(1),
        cached_input_per_1k=Microcredits(1),
        output_per_1k=Microcredits(1),
        per_request=Microcredits(0),
    )

    assert cheap.cost(Tokens(input=2, cached_input=1, output=1)) == 1


def test_a_call_that_used_nothing_costs_the_fee_for_a_request() -> None:
    assert RATES.cost(Tokens(input=0, output=0)) == 50_000


@given(rates_of(amounts), calls(), counts, counts)
def test_no_call_within_the_bounds_costs_more_than_their_ceiling(
    rates: Rates, tokens: Tokens, spare_prompt: int, spare_answer: int
) -> None:
    ceiling = rates.ceiling(
        prompt_tokens_max=tokens.input + spare_prompt,
        answer_tokens_max=tokens.output + spare_answer,
    )

    assert rates.cost(tokens) <= ceiling


@given(rates_of(small_amounts), counts, st.integers(0, 100_000).map(Microcredits))
def test_the_affordable_answer_is_the_longest_one_that_the_credits_cover(
    rates: Rates, prompt: int, available: Microcredits
) -> None:
    affordable = rates.affordable_answer_tokens(
        prompt_tokens_max=prompt, available=available, answer_tokens_max=10_000
    )

    def is_covered(answer: int) -> bool:
        return rates.ceiling(prompt_tokens_max=prompt, answer_tokens_max=answer) <= available

    assert 0 <= affordable <= 10_000
    assert affordable == 0 or is_covered(affordable)
    assert affordable == 10_000 or not is_covered(affordable + 1)


def test_no_answer_is_affordable_when_the_prompt_alone_is_too_dear() -> None:
    assert (
        RATES.affordable_answer_tokens(
            prompt_tokens_max=1_000, available=Microcredits(349_999), answer_tokens_max=100
        )
        == 0
    )


def test_the_dearest_call_there_can_be_stays_within_what_the_database_can_hold() -> None:
    dearest = Rates(
        input_per_1k=Microcredits(RATE_MAX),
        cached_input_per_1k=Microcredits(RATE_MAX),
        output_per_1k=Microcredits(RATE_MAX),
        per_request=Microcredits(RATE_MAX),
    )

    assert dearest.ceiling(prompt_tokens_max=TOKENS_MAX, answer_tokens_max=TOKENS_MAX) < 2**63


def test_what_the_provider_charges_is_rounded_up_to_a_millionth_of_a_dollar() -> None:
    assert RATES.provider is not None

    assert RATES.provider.cost(Tokens(input=1_001, cached_input=1_000, output=10)) == 33


@pytest.mark.parametrize(
    ("input_tokens", "cached", "output"),
    [(-1, 0, 0), (1, -1, 0), (1, 2, 0), (1, 0, -1), (TOKENS_MAX + 1, 0, 0), (0, 0, TOKENS_MAX + 1)],
)
def test_impossible_counts_of_tokens_do_not_come_into_being(
    input_tokens: int, cached: int, output: int
) -> None:
    with pytest.raises(ValueError, match="no counts of tokens"):
        Tokens(input=input_tokens, cached_input=cached, output=output)


@pytest.mark.parametrize(("asked", "given_out"), [(None, 2_048), (1, 1), (9_999, 4_096)])
def test_an_answer_is_as_long_as_asked_within_the_limit_of_the_model(
    asked: int | None, given_out: int
) -> None:
    model = Model(
        id=ModelId("m"),
        name="M",
        vendor="V",
        upstream_name="m",
        context_window=8_192,
        answer_tokens_max=4_096,
        price=Price(
            id=PriceId(1),
            input_per_1k=Microcredits(1),
            cached_input_per_1k=Microcredits(1),
            output_per_1k=Microcredits(1),
            per_request=Microcredits(0),
            effective_from=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )

    assert model.answer_tokens_for(asked) == given_out


def test_a_prompt_is_bounded_by_its_bytes_and_the_template_around_it() -> None:
    messages = [Message(MessageRole.SYSTEM, "é"), Message(MessageRole.USER, "hello")]

    assert prompt_tokens_bound(messages) == 128 + (8 + 2) + (8 + 5)


def test_an_estimate_counts_four_ascii_characters_and_every_other_one_as_a_token() -> None:
    messages = [Message(MessageRole.USER, "ledger"), Message(MessageRole.USER, "帳簿")]

    tokens = estimated_tokens(messages, "Entries, for good.", answer_tokens_max=100)

    assert tokens == Tokens(input=2 + 2, output=5)


@given(st.lists(st.text(), max_size=5), st.text(), st.integers(1, 50))
def test_an_estimate_stays_within_what_was_held(
    contents: list[str], answer: str, answer_tokens_max: int
) -> None:
    messages = [Message(MessageRole.USER, content) for content in contents]

    tokens = estimated_tokens(messages, answer, answer_tokens_max=answer_tokens_max)

    assert tokens.input <= prompt_tokens_bound(messages)
    assert tokens.output <= answer_tokens_max
