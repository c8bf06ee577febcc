"""Calls that are passed on: what of the body is changed, and what is read in whole answers."""

from collections.abc import Mapping
from dataclasses import replace

import orjson
import pytest

from adapters.models.faults import Fault
from adapters.models.openai_compatible import OpenAICompatible
from adapters.models.passed_wire import Whole, decode, encode
from adapters.models.routes import Route
from domain.errors import ProviderFailure
from domain.outside import ModelFailed
from domain.passed_calls import Door, Passed, PassedCall, PassedRequest
from domain.pricing import Tokens
from domain.units import AccountId, HoldId, ModelId, Moment, PurseId
from tests.adapters.model_calls import ROUTE, Answering

CALL = PassedCall(
    hold=HoldId(PurseId(AccountId(1)), Moment(1)),
    request=PassedRequest(door=Door.CHAT, model=ModelId("ours"), fields={}, body_bytes=10),
    upstream_name="theirs",
    answer_tokens_max=100,
    deadline_seconds=5.0,
)
OK = b'{"id": "x", "model": "theirs", "choices": [{"message": {"content": "Two columns."}}]}'


def asking(door: Door = Door.CHAT, *, is_stream: bool = False, **fields: object) -> PassedCall:
    request = replace(CALL.request, door=door, fields=fields, is_stream=is_stream)
    return replace(CALL, request=request)


def sent(call: PassedCall, route: Route = ROUTE) -> Mapping[str, object]:
    body: dict[str, object] = orjson.loads(encode(call, route))
    return body


def test_every_field_travels_but_those_that_decide_the_cost() -> None:
    fields: dict[str, object] = {
        "model": "ours",
        "messages": [{"role": "user", "content": "hello", "name": "x"}],
        "tools": [{"type": "function"}],
        "seed": 3,
        "logprobs": True,
        "a_field_of_tomorrow": {"deep": [1, None, 2.5]},
    }

    request = replace(
        CALL.request, fields={"max_tokens": 9_999, "max_completion_tokens": 9_999, **fields}
    )
    body = sent(replace(CALL, request=request))

    assert body == {**fields, "model": "theirs", "max_tokens": 100}


def test_the_limit_goes_in_the_field_that_the_route_takes() -> None:
    route = replace(
        ROUTE, answer_limit_field="max_completion_tokens", models={"theirs": "named/otherwise"}
    )

    body = sent(asking(max_tokens=7), route)

    assert body == {"model": "named/otherwise", "max_completion_tokens": 100}


def test_a_stream_is_always_asked_for_its_usage() -> None:
    body = sent(
        asking(
            is_stream=True,
            stream=True,
            stream_options={"include_usage": False, "include_obfuscation": False},
        )
    )

    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_responses_are_not_kept_by_the_provider() -> None:
    body = sent(asking(Door.RESPONSES, input="hello"))

    assert body == {"input": "hello", "model": "theirs", "max_output_tokens": 100, "store": False}


def test_an_answer_keeps_its_bytes_but_for_the_name_of_the_model() -> None:
    whole = decode(OK, CALL)

    assert isinstance(whole, Whole)
    assert whole.body == OK.replace(b"theirs", b"ours")
    assert (whole.text, whole.tokens) == ("Two columns.", None)


@pytest.mark.parametrize(
    ("door", "body", "tokens"),
    [
        (
            Door.EMBEDDINGS,
            {"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 5, "total_tokens": 5}},
            Tokens(input=5, output=0),
        ),
        (
            Door.RESPONSES,
            {
                "status": "completed",
                "output": [{"type": "function_call", "arguments": "{}"}],
                "usage": {
                    "input_tokens": 9,
                    "input_tokens_details": {"cached_tokens": 4},
                    "output_tokens": 2,
                },
            },
            Tokens(input=9, cached_input=4, output=2),
        ),
    ],
)
def test_usage_is_read_at_every_door(door: Door, body: object, tokens: Tokens) -> None:
    whole = decode(orjson.dumps(body), asking(door))

    assert isinstance(whole, Whole)
    assert whole.tokens == tokens


TOOL = {"name": "weather", "arguments": '{"at":"Kisumu"}'}
CALLED = 'weather{"at":"Kisumu"}'


@pytest.mark.parametrize(
    ("door", "said", "words"),
    [
        (Door.CHAT, [{"content": "One."}, {"content": "Two."}], "One.Two."),
        (Door.CHAT, [{"content": None, "tool_calls": [{"id": "x", "function": TOOL}]}], CALLED),
        (Door.CHAT, [{"content": "A", "reasoning_content": "Hm."}], "Hm.A"),
        (Door.CHAT, [{"content": None, "refusal": "No."}], "No."),
        (Door.CHAT, [{"content": [{"type": "text", "text": "A"}]}], "A"),
        (Door.RESPONSES, [{"type": "function_call", "call_id": "x", **TOOL}], CALLED),
        (Door.RESPONSES, [{"type": "custom_tool_call", "name": "sql", "input": "1"}], "sql1"),
        (Door.RESPONSES, [{"type": "mcp_call", **TOOL, "output": "Not the model's."}], CALLED),
        (
            Door.RESPONSES,
            [
                {"type": "reasoning", "summary": [{"text": "Hm."}], "encrypted_content": "x"},
                {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]},
            ],
            "Hm.No.",
        ),
    ],
)
def test_all_that_a_model_has_written_is_counted_where_no_usage_is_told(
    door: Door, said: list[dict[str, object]], words: str
) -> None:
    body: dict[str, object] = {"status": "completed", "output": said}
    if door is Door.CHAT:
        body = {"choices": [{"message": {"role": "assistant", **message}} for message in said]}
    usage = {"prompt_tokens": 1, "input_tokens": 1, "completion_tokens": 1, "output_tokens": 1}

    silent = decode(orjson.dumps(body), asking(door))
    told = decode(orjson.dumps({**body, "usage": usage}), asking(door))

    assert isinstance(silent, Whole)
    assert isinstance(told, Whole)
    assert (silent.words, told.words) == (words, "")


def test_an_answer_that_lies_deep_is_read_to_its_ground() -> None:
    deep = b'{"content":' * 900 + b'"A"' + b"}" * 900
    whole = decode(b'{"choices":[{"message":{"refusal":"No.","content":[' + deep + b"]}}]}", CALL)

    assert isinstance(whole, Whole)
    assert sorted(whole.words) == [".", "A", "N", "o"]


@pytest.mark.parametrize(
    ("door", "body", "reason"),
    [
        (Door.CHAT, {"choices": []}, ProviderFailure.ERROR),
        (Door.CHAT, {"error": {"message": "words"}}, ProviderFailure.ERROR),
        (Door.CHAT, {"choices": [{"message": {"content": " "}}]}, ProviderFailure.EMPTY),
        (
            Door.CHAT,
            {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]},
            ProviderFailure.REJECTED,
        ),
        (Door.EMBEDDINGS, {"data": []}, ProviderFailure.EMPTY),
        (Door.EMBEDDINGS, {"data": "x"}, ProviderFailure.ERROR),
        (Door.RESPONSES, {"status": "failed", "output": []}, ProviderFailure.ERROR),
        (Door.RESPONSES, {"status": "completed", "output": []}, ProviderFailure.EMPTY),
    ],
)
def test_an_answer_with_nothing_in_it_is_a_fault(
    door: Door, body: object, reason: ProviderFailure
) -> None:
    fault = decode(orjson.dumps(body), asking(door))

    assert isinstance(fault, Fault)
    assert fault.reason is reason


async def passed_on(app: Answering, call: PassedCall = CALL) -> Passed:
    provider = OpenAICompatible.in_process(ROUTE, app)

    async def deliver(_: bytes) -> None: ...

    try:
        return await provider.passing.pass_on(call, hear=lambda _: None, deliver=deliver)
    finally:
        await provider.aclose()


async def test_a_passing_failure_is_tried_again_and_counted() -> None:
    app = Answering((503, b"{}"), (200, OK), headers={"retry-after": "0"})

    passed = await passed_on(app)

    assert [each.detail for each in passed.completion.failed_attempts] == ["status 503"]
    assert app.request_headers[0][b"authorization"] == b"Bearer sk-a-secret-key"
    assert app.request_headers[1][b"x-stainless-retry-count"] == b"1"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, ProviderFailure.REJECTED),
        (422, ProviderFailure.REJECTED),
        (401, ProviderFailure.ERROR),
        (404, ProviderFailure.ERROR),
    ],
)
async def test_a_refusal_is_told_apart_by_whose_fault_it_is(
    status: int, reason: ProviderFailure
) -> None:
    app = Answering((status, b'{"error": {"message": "sk-a-secret-key is wrong", "code": null}}'))

    with pytest.raises(ModelFailed) as failed:
        await passed_on(app)

    assert app.calls == 1
    assert failed.value.reason is reason
    is_our_fault = reason is ProviderFailure.REJECTED
    assert failed.value.another_route_may_answer is not is_our_fault
    assert "secret" not in str(failed.value.failed_attempts)


async def test_a_door_that_the_provider_has_not_is_the_requests_fault() -> None:
    with pytest.raises(ModelFailed) as failed:
        await passed_on(Answering((404, b"Not Found")), asking(Door.EMBEDDINGS, input="x"))

    assert failed.value.reason is ProviderFailure.REJECTED
