"""The outcome table, row by row: what an end costs, and what is written about it."""

from dataclasses import dataclass, replace

import pytest

from domain import ending
from domain.answers import AnswerStatus, AttemptEnd, FinishReason, UsageOutcome
from domain.errors import ProblemCode, ProviderFailure
from domain.money import MicroUSD
from domain.outside import Completion, FailedAttempt
from domain.pricing import Model, ProviderRates, Tokens
from domain.units import Microcredits
from tests.domain import runs

MODEL = replace(
    runs.MODEL,
    price=replace(
        runs.MODEL.price,
        input_per_1k=Microcredits(2_000),
        cached_input_per_1k=Microcredits(500),
        output_per_1k=Microcredits(10_000),
        per_request=Microcredits(3),
        provider=ProviderRates(
            input_per_1m=MicroUSD(1_000_000),
            cached_input_per_1m=MicroUSD(1_000_000),
            output_per_1m=MicroUSD(5_000_000),
        ),
    ),
)
USED = Tokens(input=10, cached_input=4, output=6)
COST = 6 * 2 + 2 + 6 * 10 + 3
FAILED = FailedAttempt(reason=ProviderFailure.OVERLOADED, latency_ms=9, detail="status 529")
PLENTY = Microcredits(1_000)
ONCE_FAILED = AttemptEnd(
    attempt=1,
    outcome=UsageOutcome.FAILED,
    latency_ms=9,
    problem_code=ProblemCode.PROVIDER_FAILED,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose words are its tokens, where its provider does not say."""

    model: Model = MODEL
    held: Microcredits = PLENTY

    def estimated_tokens(self, answer: str) -> Tokens:
        return Tokens(input=20, output=len(answer.split()))


def answered(tokens: Tokens | None, *failed: FailedAttempt, text: str = "one two") -> Completion:
    return Completion(
        text=text,
        finish_reason=FinishReason.LENGTH,
        tokens=tokens,
        latency_ms=70,
        first_token_ms=8,
        failed_attempts=failed,
    )


def told(end: ending.Ending) -> tuple[AnswerStatus, str | None, FinishReason | None]:
    return end.end.status, end.end.text, end.end.finish_reason


def counted(attempt: AttemptEnd) -> tuple[int, int, int, bool]:
    """Tokens in, from a cache and out, and whether they are estimated."""
    return (
        attempt.input_tokens,
        attempt.cached_input_tokens,
        attempt.output_tokens,
        attempt.is_estimated,
    )


def test_a_whole_answer_costs_what_its_tokens_cost() -> None:
    end = ending.succeeded(Call(), answered(USED))

    [attempt] = end.end.attempts
    assert end.cost == COST
    assert told(end) == (AnswerStatus.SUCCEEDED, "one two", FinishReason.LENGTH)
    assert attempt.outcome is UsageOutcome.SUCCEEDED
    assert counted(attempt) == (10, 4, 6, False)
    assert (attempt.latency_ms, attempt.first_token_ms, attempt.provider_cost) == (70, 8, 40)


def test_nothing_costs_more_than_was_held() -> None:
    call = Call(held=Microcredits(COST - 1))

    whole = ending.succeeded(call, answered(USED))
    stopped = ending.canceled(call, "one", (), tokens=USED)

    assert (whole.cost, stopped.cost) == (COST - 1, COST - 1)
    assert counted(whole.end.attempts[0]) == (10, 4, 6, False)


def test_an_answer_without_usage_is_counted_from_its_text_and_marked() -> None:
    end = ending.succeeded(Call(), answered(None))

    assert end.cost == 20 * 2 + 2 * 10 + 3
    assert counted(end.end.attempts[0]) == (20, 0, 2, True)


def test_words_that_are_no_text_are_counted_with_it() -> None:
    end = ending.succeeded(Call(), replace(answered(None), words="one two weather at Kisumu"))
    free = ending.succeeded(Call(), replace(answered(USED), words="one two weather at Kisumu"))
    little = ending.succeeded(Call(held=Microcredits(9)), replace(answered(None), words="w " * 99))

    assert end.cost == 20 * 2 + 5 * 10 + 3
    assert counted(end.end.attempts[0]) == (20, 0, 5, True)
    assert end.end.text == "one two"
    assert free.cost == COST
    assert little.cost == 9


def test_a_reported_zero_is_a_zero() -> None:
    end = ending.succeeded(Call(), answered(Tokens(input=0, output=0)))

    assert end.cost == 3
    assert counted(end.end.attempts[0]) == (0, 0, 0, False)


def test_tries_before_it_are_free_and_numbered() -> None:
    ends = (
        ending.succeeded(Call(), answered(USED, FAILED)),
        ending.canceled(Call(), "one", [FAILED], tokens=USED),
    )

    for end in ends:
        first, last = end.end.attempts
        assert first == ONCE_FAILED
        assert (last.attempt, end.cost) == (2, COST)


@pytest.mark.parametrize("heard", ["", " \n"])
def test_what_is_canceled_before_any_text_is_free_whatever_it_used(heard: str) -> None:
    end = ending.canceled(Call(), heard, (), tokens=USED)

    [attempt] = end.end.attempts
    assert end.cost is None
    assert told(end) == (AnswerStatus.CANCELED, None, FinishReason.CANCELED)
    assert attempt.outcome is UsageOutcome.CANCELED
    assert counted(attempt) == (10, 4, 6, False)
    assert attempt.provider_cost == 40


def test_what_is_canceled_before_anything_is_known_counts_nothing() -> None:
    end = ending.canceled(Call(), "", (), tokens=None)

    assert end.cost is None
    assert counted(end.end.attempts[0]) == (0, 0, 0, False)
    assert end.end.attempts[0].provider_cost is None


def test_what_is_canceled_after_text_costs_what_is_known_or_counted() -> None:
    known = ending.canceled(Call(), "one two\0", (), tokens=USED)
    unknown = ending.canceled(Call(), "one two three", (), tokens=None)

    assert (known.cost, unknown.cost) == (COST, 20 * 2 + 3 * 10 + 3)
    assert told(known) == (AnswerStatus.CANCELED, "one two\ufffd", FinishReason.CANCELED)
    assert counted(known.end.attempts[0]) == (10, 4, 6, False)
    assert counted(unknown.end.attempts[0]) == (20, 0, 3, True)


def test_what_ends_by_itself_while_it_is_canceled_is_canceled_and_costs_what_it_used() -> None:
    end = ending.canceled_after_all(Call(), answered(USED))

    assert end.cost == COST
    assert told(end) == (AnswerStatus.CANCELED, "one two", FinishReason.CANCELED)
    assert end.end.attempts[0].outcome is UsageOutcome.CANCELED


def test_what_fails_is_free_with_a_record_of_every_try() -> None:
    end = ending.failed(Call(), ProviderFailure.OVERLOADED, [FAILED, FAILED])

    first, second = end.end.attempts
    assert end.cost is None
    assert told(end) == (AnswerStatus.FAILED, None, None)
    assert end.end.failure is ProviderFailure.OVERLOADED
    assert (first, second.attempt, second.outcome) == (ONCE_FAILED, 2, UsageOutcome.FAILED)
    assert second.provider_cost is None


def test_what_fails_before_any_try_has_a_record_all_the_same() -> None:
    end = ending.failed(Call(), ProviderFailure.ERROR, ())

    [attempt] = end.end.attempts
    assert end.cost is None
    assert (attempt.attempt, attempt.outcome) == (1, UsageOutcome.FAILED)
    assert attempt.problem_code is ProblemCode.PROVIDER_FAILED


def test_what_breaks_off_is_our_loss_as_its_provider_says_or_as_it_was_heard() -> None:
    said = replace(FAILED, tokens=USED)

    known = ending.failed(Call(), ProviderFailure.ERROR, [FAILED, said], "one two three")
    heard = ending.failed(Call(), ProviderFailure.ERROR, [FAILED, FAILED], "one two three")

    assert (known.cost, heard.cost) == (None, None)
    assert [counted(each) for each in known.end.attempts] == [(0, 0, 0, False), (10, 4, 6, False)]
    assert [counted(each) for each in heard.end.attempts] == [(0, 0, 0, False), (20, 0, 3, True)]
    assert [each.provider_cost for each in known.end.attempts] == [None, 40]
    assert [each.provider_cost for each in heard.end.attempts] == [None, 35]


def test_what_nobody_was_asked_is_free() -> None:
    [attempt] = ending.NEVER_ASKED.end.attempts

    assert ending.NEVER_ASKED.cost is None
    assert told(ending.NEVER_ASKED) == (AnswerStatus.CANCELED, None, FinishReason.CANCELED)
    assert attempt.outcome is UsageOutcome.CANCELED
