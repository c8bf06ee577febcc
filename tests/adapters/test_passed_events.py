"""Streams that are passed on: what of them is handed on, and what is understood."""

import orjson
import pytest

from adapters.models.faults import Fault
from adapters.models.passed_events import Interrupted, events_of
from adapters.models.passed_wire import Whole
from domain.answers import FinishReason
from domain.errors import ProviderFailure
from domain.passed_calls import Door, PassedCall, PassedRequest
from domain.pricing import Tokens
from domain.units import AccountId, HoldId, ModelId, Moment, PurseId

DONE = b"data: [DONE]\n\n"


def call(door: Door = Door.CHAT, *, wants_usage: bool = False, model: str = "ours") -> PassedCall:
    return PassedCall(
        hold=HoldId(PurseId(AccountId(1)), Moment(1)),
        request=PassedRequest(
            door=door,
            model=ModelId(model),
            fields={},
            body_bytes=10,
            is_stream=True,
            wants_usage=wants_usage,
        ),
        upstream_name="theirs",
        answer_tokens_max=100,
        deadline_seconds=5.0,
    )


def chunk(content: str | None = None, finish: str | None = None, **more: object) -> bytes:
    delta = {} if content is None else {"content": content}
    told = {
        "model": "theirs",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return b"data: " + orjson.dumps(told) + b"\n\n"


def usage_chunk() -> bytes:
    told = {
        "model": "theirs",
        "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    return b"data: " + orjson.dumps(told) + b"\n\n"


@pytest.mark.parametrize("size", [1, 2, 3, 17, 10_000])
def test_pieces_of_any_size_come_out_as_the_same_events(size: int) -> None:
    heard: list[str] = []
    events = events_of(call(model="theirs"), heard.append)
    stream = chunk("Two ") + b": ping\n\n" + chunk("columns.") + chunk(finish="stop")
    body = stream + usage_chunk() + DONE

    out = b"".join(events.feed(body[at : at + size]) for at in range(0, len(body), size))
    end = events.end()

    assert out == stream
    assert heard == ["Two ", "columns."]
    assert isinstance(end, Whole)
    assert (end.text, end.finish_reason) == ("Two columns.", FinishReason.STOP)
    assert end.tokens == Tokens(input=7, output=3)
    assert end.body == DONE


def test_line_ends_of_another_system_are_understood() -> None:
    events = events_of(call(model="theirs"), print)
    body = (chunk("Hi") + chunk(finish="length") + DONE).replace(b"\n", b"\r\n")

    out = b"".join(events.feed(body[at : at + 1]) for at in range(len(body)))

    assert out == chunk("Hi") + chunk(finish="length")
    end = events.end()
    assert isinstance(end, Whole)
    assert end.finish_reason is FinishReason.LENGTH


def test_usage_is_for_whoever_asked_for_it() -> None:
    body = chunk("Hi", usage=None) + usage_chunk() + DONE

    asked = events_of(call(wants_usage=True, model="theirs"), print).feed(body)
    unasked = events_of(call(model="theirs"), print).feed(body)

    assert asked == chunk("Hi", usage=None) + usage_chunk()
    assert unasked == chunk("Hi")


def test_usage_beside_text_is_taken_out_and_the_text_stays() -> None:
    tokens = {"prompt_tokens": 7, "completion_tokens": 3}
    events = events_of(call(model="theirs"), print)

    out = events.feed(chunk("Hi", usage=tokens))

    assert orjson.loads(out.removeprefix(b"data: "))["choices"][0]["delta"] == {"content": "Hi"}
    assert b"usage" not in out
    assert events.tokens == Tokens(input=7, output=3)


def test_the_model_is_called_as_the_caller_called_it_and_texts_are_left_alone() -> None:
    events = events_of(call(), print)

    out = events.feed(chunk('He wrote "model":"theirs" in JSON.'))

    told = orjson.loads(out.removeprefix(b"data: "))
    assert told["model"] == "ours"
    assert told["choices"][0]["delta"]["content"] == 'He wrote "model":"theirs" in JSON.'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chunk("Two"), ProviderFailure.ERROR),
        (b"", ProviderFailure.ERROR),
        (chunk("Two") + chunk(" colu")[:-1], ProviderFailure.ERROR),
        (chunk(finish="stop") + DONE, ProviderFailure.EMPTY),
        (chunk(" \n") + chunk(finish="stop") + DONE, ProviderFailure.EMPTY),
        (chunk(finish="content_filter") + DONE, ProviderFailure.REJECTED),
    ],
)
def test_a_stream_that_brings_nothing_or_breaks_off_is_a_fault(
    body: bytes, reason: ProviderFailure
) -> None:
    events = events_of(call(), lambda _: None)

    events.feed(body)
    end = events.end()

    assert isinstance(end, Fault)
    assert end.reason is reason


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error": {"message": "their words"}}\n\n',
        b"data: their words\n\n",
        b"data: [1]\n\n",
        chunk("Two", finish="insufficient_system_resource"),
    ],
)
def test_an_error_in_the_stream_is_not_handed_on(event: bytes) -> None:
    events = events_of(call(), lambda _: None)
    events.feed(chunk("Two"))

    with pytest.raises(Interrupted):
        events.feed(event)


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]},
        {"reasoning_content": "Hm."},
        {"refusal": "No."},
    ],
)
def test_what_is_no_text_is_something_all_the_same(delta: dict[str, object]) -> None:
    heard: list[str] = []
    events = events_of(call(model="theirs"), heard.append)
    told = {"model": "theirs", "choices": [{"index": 0, "delta": delta}]}
    event = b"data: " + orjson.dumps(told) + b"\n\n"

    out = events.feed(event)
    events.feed(chunk(finish="stop") + DONE)

    assert out == event
    assert len(heard) == 1
    assert isinstance(events.end(), Whole)


def response_event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **more}) + b"\n\n"


def test_a_response_is_handed_on_up_to_its_last_event() -> None:
    heard: list[str] = []
    events = events_of(call(Door.RESPONSES), heard.append)
    delta = response_event("response.output_text.delta", delta="Two columns.")
    last = response_event(
        "response.completed",
        response={
            "model": "theirs",
            "status": "completed",
            "output": [
                {"type": "message", "content": [{"type": "output_text", "text": "Two columns."}]}
            ],
            "usage": {"input_tokens": 7, "output_tokens": 3},
        },
    )

    created = events.feed(response_event("response.created", response={"model": "theirs"}))
    out = events.feed(delta + last)
    end = events.end()

    assert created == response_event("response.created", response={"model": "ours"})
    assert out == delta
    assert heard == ["Two columns."]
    assert isinstance(end, Whole)
    assert end.tokens == Tokens(input=7, output=3)
    assert end.body == last.replace(b"theirs", b"ours")


def test_a_failed_response_is_a_fault_without_their_words() -> None:
    events = events_of(call(Door.RESPONSES), print)
    failed = response_event(
        "response.failed",
        response={"status": "failed", "output": [], "error": {"message": "their words"}},
    )

    out = events.feed(failed)

    assert out == b""
    assert isinstance(events.end(), Fault)
