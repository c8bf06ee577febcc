"""What a question may be, and by what it is known again."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.questions import Message, MessageRole, Question, check, digest
from domain.units import ModelId

USER = MessageRole.USER
QUESTION = Question(
    messages=(Message(MessageRole.SYSTEM, "Be brief."), Message(USER, "What is a ledger?")),
    model=ModelId("deepseek-chat"),
    answer_tokens_max=100,
    temperature=0.5,
)

texts = st.text(max_size=20)
messages = st.lists(st.builds(Message, st.sampled_from(MessageRole), texts), max_size=4).map(tuple)
questions = st.builds(
    Question,
    messages=messages,
    model=st.none() | texts.map(ModelId),
    answer_tokens_max=st.none() | st.integers(),
    temperature=st.none() | st.floats(0, 2),
)


def of(*contents: str) -> Question:
    return Question(messages=tuple(Message(USER, content) for content in contents))


def findings(question: Question) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refusal:
        check(question)
    return [(".".join(issue.path), issue.message) for issue in refusal.value.issues]


def test_an_ordinary_question_is_accepted() -> None:
    check(QUESTION)


def test_a_hundred_messages_and_32_kilobytes_are_accepted() -> None:
    check(of(*["é" * 163] * 99, "x" * (32_768 - 99 * 326)))


def test_no_message_is_too_few() -> None:
    assert findings(of()) == [("messages", "Send 1 to 100 messages; these are 0.")]


def test_a_hundred_and_one_messages_are_too_many() -> None:
    assert findings(of(*["x"] * 101)) == [("messages", "Send 1 to 100 messages; these are 101.")]


def test_bytes_are_counted_over_all_messages_and_in_utf_8() -> None:
    assert findings(of("é" * 16_000, "x" * 769)) == [
        ("messages", "Together at most 32768 bytes of UTF-8; these are 32769.")
    ]


@pytest.mark.parametrize("content", ["", "  \n\t"])
def test_a_message_without_content_is_refused(content: str) -> None:
    assert findings(of("hello", content)) == [("messages.1.content", "Must not be empty.")]


def test_a_lone_surrogate_is_refused() -> None:
    assert findings(of("\ud800")) == [
        ("messages.0.content", "Must be Unicode text, without lone surrogates.")
    ]


def test_the_character_that_postgresql_cannot_keep_is_refused() -> None:
    assert findings(of("a\0b")) == [
        ("messages.0.content", "Must not contain the character U+0000.")
    ]


@pytest.mark.parametrize("temperature", [-0.1, 2.1, math.nan, math.inf])
def test_a_temperature_outside_0_to_2_is_refused(temperature: float) -> None:
    assert findings(replace(QUESTION, temperature=temperature)) == [
        ("temperature", "Must be from 0 to 2.")
    ]


@pytest.mark.parametrize("answer_tokens_max", [0, -1])
def test_an_answer_without_tokens_is_refused(answer_tokens_max: int) -> None:
    assert findings(replace(QUESTION, answer_tokens_max=answer_tokens_max)) == [
        ("answer_tokens_max", "Must be at least 1.")
    ]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    question = Question(
        messages=(Message(USER, ""), Message(USER, "x" * 40_000)),
        answer_tokens_max=0,
        temperature=3.0,
    )

    paths = [path for path, _ in findings(question)]

    assert paths == ["messages.0.content", "messages", "answer_tokens_max", "temperature"]


def test_a_flood_of_wrong_messages_is_not_answered_by_a_flood_of_findings() -> None:
    assert len(findings(of(*[""] * 5_000))) == 101


def test_the_fingerprint_of_a_question_never_changes() -> None:
    # Kept for good next to idempotency keys: another value here breaks every stored key.
    assert digest(QUESTION).hex() == "e0ecb3223b13856f6fbabcf232f03fad"


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, model=ModelId("deepseek-reasoner")),
        replace(QUESTION, model=None),
        replace(QUESTION, answer_tokens_max=101),
        replace(QUESTION, answer_tokens_max=None),
        replace(QUESTION, temperature=0.6),
        replace(QUESTION, temperature=None),
        replace(QUESTION, messages=QUESTION.messages[:1]),
        replace(QUESTION, messages=QUESTION.messages[::-1]),
        replace(QUESTION, messages=(*QUESTION.messages, Message(USER, "And a lot?"))),
    ],
)
def test_another_question_has_another_fingerprint(other: Question) -> None:
    assert digest(other) != digest(QUESTION)


@given(questions, questions)
def test_two_questions_share_a_fingerprint_only_if_they_are_the_same(
    one: Question, other: Question
) -> None:
    assert (digest(one) == digest(other)) == (one == other)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0)])
def test_a_temperature_written_differently_is_the_same_question(one: float, other: float) -> None:
    assert digest(replace(QUESTION, temperature=one)) == digest(
        replace(QUESTION, temperature=other)
    )
