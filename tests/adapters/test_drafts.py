"""An answer in chunks: what they add up to, whatever they are."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.models.chat_completions import Draft, Reply
from adapters.models.faults import Fault
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.pricing import Tokens

DONE = b"[DONE]"
KEYS = st.sampled_from(["choices", "delta", "content", "finish_reason", "usage", "error"])
JSON = st.recursive(
    st.sampled_from([None, True, 7, "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
USAGE = {"prompt_tokens": 9, "completion_tokens": 2}


def chunk(content: object = None, finish: object = None, **rest: object) -> bytes:
    delta = {} if content is None else {"content": content}
    return orjson.dumps({"choices": [{"delta": delta, "finish_reason": finish}], **rest})


def read(*chunks: bytes) -> Reply | Fault:
    draft = Draft()
    for each in chunks:
        draft.add(each)
    return draft.reply()


def test_chunks_add_up_to_an_answer() -> None:
    told = read(
        chunk("", usage=None),
        chunk("Two "),
        chunk("columns."),
        chunk(finish="length"),
        orjson.dumps({"choices": [], "usage": USAGE}),
        DONE,
    )

    assert told == Reply(
        text="Two columns.", finish_reason=FinishReason.LENGTH, tokens=Tokens(input=9, output=2)
    )


@pytest.mark.parametrize("place", range(4))
def test_usage_may_stand_on_any_chunk(place: int) -> None:
    chunks = [chunk("Two "), chunk("columns."), chunk(finish="stop"), b'{"choices": []}']
    chunks[place] = orjson.dumps({**orjson.loads(chunks[place]), "usage": USAGE})

    told = read(*chunks, DONE)

    assert isinstance(told, Reply)
    assert told.tokens == Tokens(input=9, output=2)


def test_usage_may_stand_beside_the_finish() -> None:
    told = read(
        chunk("Two."),
        orjson.dumps({"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}),
        DONE,
    )

    assert isinstance(told, Reply)
    assert told.tokens == Tokens(input=9, output=2)


def test_the_last_usage_counts_and_a_zero_is_a_zero() -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0}

    told = read(chunk("Two.", usage=USAGE), chunk(finish="stop", usage=zero), DONE)

    assert isinstance(told, Reply)
    assert told.tokens == Tokens(input=0, output=0)


def test_usage_that_cannot_be_believed_is_none() -> None:
    told = read(chunk("Two.", finish="stop", usage={"prompt_tokens": -1}), DONE)

    assert isinstance(told, Reply)
    assert told.tokens is None


def test_thinking_is_not_text() -> None:
    thought = orjson.dumps({"choices": [{"delta": {"content": None, "reasoning_content": "Hm."}}]})

    told = read(thought, chunk("Two."), DONE)

    assert isinstance(told, Reply)
    assert told.text == "Two."


@pytest.mark.parametrize("end", [chunk(finish="stop"), DONE])
def test_an_end_may_be_said_in_either_way(end: bytes) -> None:
    assert isinstance(read(chunk("Two."), end), Reply)


def test_a_stream_that_just_ends_is_broken_off() -> None:
    assert read(chunk("Two."), chunk(usage=USAGE)) == Fault(
        reason=ProviderFailure.ERROR,
        detail="answer broken off",
        tokens=Tokens(input=9, output=2),
    )


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([chunk(""), chunk(finish="stop"), DONE], ProviderFailure.EMPTY),
        ([chunk(" \n"), chunk(finish="stop"), DONE], ProviderFailure.EMPTY),
        ([chunk("Two"), chunk(finish="content_filter"), DONE], ProviderFailure.REJECTED),
        (
            [orjson.dumps({"choices": [{"delta": {"refusal": "No."}}]}), DONE],
            ProviderFailure.REJECTED,
        ),
        ([chunk("Two"), b'{"error": {"message": "x"}}'], ProviderFailure.ERROR),
        ([chunk("Two"), b'{"error": {"code": 429}}'], ProviderFailure.OVERLOADED),
        ([b'{"error": {"code": "rate_limit_exceeded"}}'], ProviderFailure.OVERLOADED),
        ([b'{"error": {"code": "content_filter"}}'], ProviderFailure.REJECTED),
        ([b'{"error": {"code": ["content_filter"]}}'], ProviderFailure.ERROR),
        ([b'{"error": "down"}'], ProviderFailure.ERROR),
        ([chunk("Two"), b"{"], ProviderFailure.ERROR),
        ([chunk(7), DONE], ProviderFailure.ERROR),
        ([b'{"choices": {"0": 1}}', DONE], ProviderFailure.ERROR),
        ([b'{"choices": [null]}', DONE], ProviderFailure.ERROR),
        ([b'{"choices": [{"delta": "hello"}]}', DONE], ProviderFailure.ERROR),
        ([DONE], ProviderFailure.ERROR),
        ([], ProviderFailure.ERROR),
    ],
)
def test_what_is_no_answer_has_its_reason(chunks: list[bytes], reason: ProviderFailure) -> None:
    told = read(*chunks)

    assert isinstance(told, Fault)
    assert told.reason is reason


@given(st.lists(st.one_of(st.binary(), st.text().map(str.encode), JSON.map(orjson.dumps))))
def test_nothing_a_provider_sends_is_more_than_a_fault(chunks: list[bytes]) -> None:
    assert isinstance(read(*chunks), Reply | Fault)
