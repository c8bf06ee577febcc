"""What may come back from a provider, and what is made of it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.models.chat_completions import Reply, decode, encode, tokens_of
from adapters.models.faults import Fault
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.pricing import Tokens
from tests.adapters.model_calls import CALL


def answer(content: object, *, finish_reason: object = "stop", **message: object) -> bytes:
    return orjson.dumps(
        {
            "choices": [
                {"message": {"content": content, **message}, "finish_reason": finish_reason}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        }
    )


def test_a_request_carries_the_limit_that_the_hold_paid_for() -> None:
    body = orjson.loads(encode(CALL, model="theirs", answer_limit_field="max_tokens"))

    assert body == {
        "model": "theirs",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is a ledger?"},
        ],
        "max_tokens": 100,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_text_is_read_with_its_finish_and_usage() -> None:
    assert decode(answer("Two columns.")) == Reply(
        text="Two columns.",
        finish_reason=FinishReason.STOP,
        tokens=Tokens(input=10, output=2),
    )


@pytest.mark.parametrize("finish_reason", ["stop", "eos", None, 7])
def test_a_finish_we_do_not_know_is_a_stop(finish_reason: object) -> None:
    reply = decode(answer("Two columns.", finish_reason=finish_reason))

    assert isinstance(reply, Reply)
    assert reply.finish_reason is FinishReason.STOP


def test_the_character_that_postgresql_cannot_keep_is_replaced() -> None:
    reply = decode(answer("a\0b"))

    assert isinstance(reply, Reply)
    assert reply.text == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_no_text_is_an_empty_answer_that_used_tokens(content: object) -> None:
    assert decode(answer(content, finish_reason="length")) == Fault(
        reason=ProviderFailure.EMPTY, detail="empty answer", tokens=Tokens(input=10, output=2)
    )


def test_filtered_content_is_refused_even_if_part_of_it_came() -> None:
    fault = decode(answer("Two col", finish_reason="content_filter"))

    assert isinstance(fault, Fault)
    assert fault.reason is ProviderFailure.REJECTED


def test_a_refusal_in_place_of_text_is_a_refusal() -> None:
    fault = decode(answer(None, refusal="I will not."))

    assert isinstance(fault, Fault)
    assert fault.reason is ProviderFailure.REJECTED


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [
        ("insufficient_system_resource", ProviderFailure.OVERLOADED),
        ("error", ProviderFailure.ERROR),
    ],
)
def test_an_answer_the_provider_broke_off_is_no_answer(
    finish_reason: str, reason: ProviderFailure
) -> None:
    fault = decode(answer("Two col", finish_reason=finish_reason))

    assert isinstance(fault, Fault)
    assert fault.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"error": {"message": "no"}}',
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "hello"}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": ["hello"]}}]}',
        b"\xff\xfe",
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b"[" * 100_000,
    ],
)
def test_nonsense_is_an_error(body: bytes) -> None:
    fault = decode(body)

    assert isinstance(fault, Fault)
    assert (fault.reason, fault.detail) == (ProviderFailure.ERROR, "malformed answer")


def test_blank_lines_before_an_answer_are_skipped() -> None:
    # Some providers send them while a request waits, to keep the connection alive.
    assert isinstance(decode(b"\n\n\n" + answer("Two columns.")), Reply)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, Tokens(input=0, output=0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 4},
            },
            Tokens(input=9, cached_input=4, output=1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
            Tokens(input=9, cached_input=4, output=1),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 0},
                "prompt_cache_hit_tokens": 4,
            },
            Tokens(input=9, output=1),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 99},
            },
            Tokens(input=9, cached_input=9, output=1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None},
            Tokens(input=9, output=1),
        ),
    ],
)
def test_usage_is_read_with_its_zeros_and_its_cache(usage: object, tokens: Tokens) -> None:
    assert tokens_of(usage) == tokens


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        7,
        {"prompt_tokens": 9},
        {"prompt_tokens": 9, "completion_tokens": None},
        {"prompt_tokens": 9, "completion_tokens": -1},
        {"prompt_tokens": 9.5, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": "9", "completion_tokens": 1},
        {"prompt_tokens": 10**12, "completion_tokens": 1},
    ],
)
def test_usage_that_cannot_be_believed_counts_as_missing(usage: object) -> None:
    assert tokens_of(usage) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "finish_reason", "usage", "refusal"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_comes_back_is_a_reply_or_a_fault(value: object) -> None:
    outcome = decode(orjson.dumps(value))

    assert isinstance(outcome, Fault) or outcome.text.strip()
