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


def calling(name: str | None, arguments: str) -> dict[str, object]:
    named = {} if name is None else {"name": name}
    call = {"index": 0, "id": "call_1", "type": "function"}
    return {"tool_calls": [{**call, "function": {**named, "arguments": arguments}}]}


def told_of(*deltas: dict[str, object]) -> bytes:
    told = ({"model": "theirs", "choices": [{"index": 0, "delta": delta}]} for delta in deltas)
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in told)


@pytest.mark.parametrize(
    ("deltas", "words"),
    [
        ([calling("weather", ""), calling(None, '{"at":'), calling(None, '"Kisumu"}')], 3),
        ([{"function_call": {"name": "weather", "arguments": '{"at":"Kisumu"}'}}], 2),
        ([{"tool_calls": [{"type": "custom", "custom": {"name": "sql", "input": "SELECT"}}]}], 2),
        ([{"reasoning_content": "Hm."}], 1),
        ([{"reasoning": "Hm.", "reasoning_details": [{"text": "Hm.", "signature": "x"}]}], 1),
        ([{"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]}], 1),
        ([{"refusal": "No."}], 1),
        ([{"content": [{"type": "thinking", "thinking": [{"text": "Hm."}]}, {"text": "A"}]}], 2),
        ([{"content": "A", "reasoning_content": "Hm."}], 2),
        ([{"content": "A", **calling("weather", "{}")}], 3),
    ],
)
def test_whatever_is_told_is_heard_handed_on_and_counted(
    deltas: list[dict[str, object]], words: int
) -> None:
    heard: list[str] = []
    events = events_of(call(model="theirs"), heard.append)
    body = told_of({"role": "assistant", "content": None}, *deltas)

    out = events.feed(body)
    events.feed(chunk(finish="stop") + DONE)
    end = events.end()

    assert out == body
    assert len([word for word in heard if word]) == words
    assert isinstance(end, Whole)
    assert end.words == "".join(heard)


def test_what_is_told_with_its_usage_need_not_be_counted() -> None:
    events = events_of(call(), print)

    events.feed(told_of(calling("weather", "{}")) + chunk(finish="stop") + usage_chunk() + DONE)
    end = events.end()

    assert isinstance(end, Whole)
    assert (end.words, end.tokens) == ("", Tokens(input=7, output=3))


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


def test_a_response_that_only_calls_tools_is_heard_and_counted() -> None:
    heard: list[str] = []
    events = events_of(call(Door.RESPONSES), heard.append)
    item = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": ""}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    last = {
        "model": "theirs",
        "status": "completed",
        "output": [thought, {**item, "arguments": '{"at":"Kisumu"}'}],
    }

    events.feed(response_event("response.reasoning_summary_text.delta", delta="Hm."))
    events.feed(response_event("response.output_item.added", item=item))
    events.feed(response_event("response.function_call_arguments.delta", delta='{"at":"Kisumu"}'))
    events.feed(response_event("response.completed", response=last))
    end = events.end()

    assert heard == ["Hm.", "weather", '{"at":"Kisumu"}']
    assert isinstance(end, Whole)
    assert end.words == 'Hm.weather{"at":"Kisumu"}'
