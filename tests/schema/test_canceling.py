"""Stopping an answer, and how its failures are told as data."""

from dataclasses import replace

import pytest

from domain.answers import AnswerStatus
from domain.units import AnswerId, Microcredits
from schema.ids import answer_name
from tests.schema.shop import ADA, BOB, Shop

CANCEL = """mutation ($id: ID!) { cancelAnswer(input: {answerId: $id}) {
    __typename
    ... on CancelAnswerSuccess { answer { status held } balance { available } }
    ... on Problem { code } } }"""
ASK = """mutation { askAI(input: {messages: {content: "Hi"}, idempotencyKey: "k"}) {
    ... on AskAISuccess { answer { id } } } }"""


async def test_an_answer_in_progress_is_stopped() -> None:
    shop = Shop()
    await shop.ask(ASK)
    [answer_id] = shop.books.kept_answers
    put_in_progress(shop, answer_id)

    data = await shop.ask(CANCEL, id=answer_name(answer_id))

    assert data == {
        "cancelAnswer": {
            "__typename": "CancelAnswerSuccess",
            "answer": {"status": "CANCELED", "held": "0"},
            "balance": {"available": "9"},
        }
    }


async def test_a_finished_answer_cannot_be_stopped() -> None:
    shop = Shop()
    await shop.ask(ASK)
    [answer_id] = shop.books.kept_answers

    data = await shop.ask(CANCEL, id=answer_name(answer_id))

    assert data == {"cancelAnswer": {"__typename": "Conflict", "code": "STATE_CONFLICT"}}


@pytest.mark.parametrize("name", ["x", "", "ans_0000000000000"])
async def test_what_names_no_answer_is_not_found(name: str) -> None:
    data = await Shop().ask(CANCEL, id=name)

    assert data == {"cancelAnswer": {"__typename": "NotFound", "code": "NOT_FOUND"}}


async def test_an_answer_of_somebody_else_is_not_found() -> None:
    shop = Shop()
    await shop.ask(ASK, by=ADA)
    [answer_id] = shop.books.kept_answers
    put_in_progress(shop, answer_id)

    data = await shop.ask(CANCEL, by=BOB, id=answer_name(answer_id))

    assert data == {"cancelAnswer": {"__typename": "NotFound", "code": "NOT_FOUND"}}


def put_in_progress(shop: Shop, answer_id: AnswerId) -> None:
    answer = shop.books.kept_answers[answer_id]
    shop.books.kept_answers[answer_id] = replace(
        answer, status=AnswerStatus.RUNNING, held=Microcredits(5)
    )
