"""From tokens to credits: what a call may cost, what it did cost, and what a balance pays for.

Everything here is integer arithmetic without side effects. The two bounds that keep users from
ever owing more than they hold are proved where they are computed: `prompt_tokens_bound` and
`Rates.ceiling`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.money import MicroUSD, rounded_up
from domain.questions import Message
from domain.units import Microcredits, ModelId, PriceId

TOKENS_MAX: Final = 2**31 - 1
"""More than any model reads or writes; a count beyond it is a provider's mistake."""

RATE_MAX: Final = 10**12
"""A million credits, or dollars: a dearer rate is a typing error. Below it, no call with counts
up to TOKENS_MAX costs more than PostgreSQL's bigint holds."""

ANSWER_TOKENS_DEFAULT: Final = 2_048
"""Held for when the caller sets no limit: some pages of text.

A model's own maximum would be safe as well, but it ties up credits that are almost never spent,
and a caller with several questions in progress would be refused for nothing.
"""

_PER_PRICE: Final = 1_000
_PER_PROVIDER_RATE: Final = 1_000_000
_TEMPLATE_TOKENS_PER_MESSAGE: Final = 8
_TEMPLATE_TOKENS_PER_PROMPT: Final = 128
_ASCII_CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one call used. The cached input is part of the input."""

    input: int
    output: int
    cached_input: int = 0

    def __post_init__(self) -> None:
        if not (
            0 <= self.cached_input <= self.input <= TOKENS_MAX and 0 <= self.output <= TOKENS_MAX
        ):
            raise ValueError(f"These are no counts of tokens: {self!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRates:
    """What the provider charges the operator, per million tokens."""

    input_per_1m: MicroUSD
    cached_input_per_1m: MicroUSD
    output_per_1m: MicroUSD

    def cost(self, tokens: Tokens) -> MicroUSD:
        """Rounded up, so that reports never show more margin than there was."""
        fresh_input = tokens.input - tokens.cached_input
        millionths = (
            fresh_input * self.input_per_1m
            + tokens.cached_input * self.cached_input_per_1m
            + tokens.output * self.output_per_1m
        )
        return MicroUSD(rounded_up(millionths, denominator=_PER_PROVIDER_RATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a model costs its users: per thousand tokens, and once per charged call."""

    input_per_1k: Microcredits
    cached_input_per_1k: Microcredits
    output_per_1k: Microcredits
    per_request: Microcredits
    provider: ProviderRates | None = None

    def cost(self, tokens: Tokens) -> Microcredits:
        """What a call costs that used these tokens."""
        fresh_input = tokens.input - tokens.cached_input
        thousandths = (
            fresh_input * self.input_per_1k
            + tokens.cached_input * self.cached_input_per_1k
            + tokens.output * self.output_per_1k
        )
        return Microcredits(rounded_up(thousandths, denominator=_PER_PRICE) + self.per_request)

    def ceiling(self, *, prompt_tokens_max: int, answer_tokens_max: int) -> Microcredits:
        """The most a call within these bounds can cost, however much of it comes from a cache.

        No cost of such a call is above it: the cost grows with every count, and the prompt is
        taken at the dearer of its two rates, for a cache may be the dearer one.
        """
        thousandths = prompt_tokens_max * self._dearest_input_per_1k
        thousandths += answer_tokens_max * self.output_per_1k
        return Microcredits(rounded_up(thousandths, denominator=_PER_PRICE) + self.per_request)

    def affordable_answer_tokens(
        self, *, prompt_tokens_max: int, available: Microcredits, answer_tokens_max: int
    ) -> int:
        """The longest answer, up to a limit, whose ceiling these credits cover; 0 if none is.

        Exactly the inverse of `ceiling`: a quotient rounded up stays within n when, and only
        when, its numerator stays within n times the denominator.
        """
        thousandths = (available - self.per_request) * _PER_PRICE
        thousandths -= prompt_tokens_max * self._dearest_input_per_1k
        if thousandths < 0:
            return 0
        if self.output_per_1k == 0:
            return answer_tokens_max
        return min(answer_tokens_max, thousandths // self.output_per_1k)

    @property
    def _dearest_input_per_1k(self) -> int:
        return max(self.input_per_1k, self.cached_input_per_1k)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Rates):
    """Rates under which calls were or are charged. A price never changes; a new one replaces it."""

    id: PriceId
    effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelFacts:
    """What is known of a model apart from its price."""

    id: ModelId
    name: str
    vendor: str
    upstream_name: str
    context_window: int
    answer_tokens_max: int
    is_default: bool = False
    enabled: bool = True

    def answer_tokens_for(self, asked: int | None) -> int:
        """How long an answer is paid for and sent for: what was asked, within the model's limit."""
        return min(ANSWER_TOKENS_DEFAULT if asked is None else asked, self.answer_tokens_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(_ModelFacts):
    """A model that can be asked, with the price that holds now."""

    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing(_ModelFacts):
    """A model as a price book lists it: its rates become a price when they are saved."""

    rates: Rates


def prompt_tokens_bound(messages: Iterable[Message]) -> int:
    """No provider's tokenizer counts more tokens for these messages.

    Today's models split UTF-8 into byte pairs: a token is at least one byte, so the bytes bound
    the text. What a chat template puts around it is not ours to see; 8 tokens a message and 128
    a prompt are several times what the known templates add, their built-in system prompts
    included. Should a provider still count more, the capture stops at the hold and the
    difference is our loss, never the user's debt.
    """
    template = _TEMPLATE_TOKENS_PER_PROMPT
    return template + sum(
        _TEMPLATE_TOKENS_PER_MESSAGE + len(message.content.encode("utf-8")) for message in messages
    )


def estimated_tokens(messages: Iterable[Message], answer: str, *, answer_tokens_max: int) -> Tokens:
    """What a finished call probably used, for a provider that does not say.

    Never beyond the two bounds its hold was computed from.
    """
    prompt = sum(estimated_tokens_of(message.content) for message in messages)
    return Tokens(input=prompt, output=min(estimated_tokens_of(answer), answer_tokens_max))


def estimated_tokens_of(text: str) -> int:
    """Four ASCII characters a token, and one token for every other character.

    English prose and code come out near the truth. Other alphabets have between a half and two
    tokens a character, depending on the model.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    other_characters = len(text) - ascii_characters
    return rounded_up(ascii_characters, denominator=_ASCII_CHARACTERS_PER_TOKEN) + other_characters
