"""Answers followed piece by piece and balances as they change, as the schema shows them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.answers import AnswerStatus
from domain.identity import Viewer
from domain.ledger import Entry, EntryKind
from domain.streaming import Transcript
from domain.units import AnswerId, EntryId, Microcredits, Moment
from schema.ids import answer_name
from tests.schema.shop import (
    ADA,
    ADAS_ASKING_KEY,
    ADAS_READING_KEY,
    BOB,
    CREDIT,
    EVE,
    Shop,
    Told,
    answer_questions,
)

FOLLOW = """
subscription Follow($id: ID!, $after: Int! = 0) {
  answer(id: $id, after: $after) { offset text status answer { status charged text } }
}
"""
WATCH = "subscription { balanceChanged { balance { available held } entry { kind amount } } }"
ENOUGH = 5.0


async def heard(stream: AsyncIterator[Told]) -> list[object]:
    """All data of a stream that must have no errors."""
    told = [each async for each in stream]
    assert [each.errors for each in told if each.errors] == []
    return [each.data for each in told]


async def codes(stream: AsyncIterator[Told]) -> list[str]:
    return [code async for each in stream for code in each.codes]


async def next_of(stream: AsyncIterator[Told]) -> object:
    told = await asyncio.wait_for(anext(stream), ENOUGH)
    assert told.errors == []
    return None if told.data is None else told.data["balanceChanged"]


async def test_an_answer_is_followed_to_its_end_with_its_charge() -> None:
    shop = Shop()
    [answer_id] = answer_questions(shop.books, ADA, 1)
    finished = shop.books.kept_answers[answer_id]
    shop.books.kept_answers[answer_id] = replace(finished, status=AnswerStatus.RUNNING)
    transcript = shop.runs.here[answer_id] = Transcript()
    transcript.append("answer ")
    following = asyncio.create_task(heard(shop.stream(FOLLOW, id=answer_name(answer_id))))
    await asyncio.sleep(0.01)
    transcript.append("1")
    transcript.close(finished)

    assert await asyncio.wait_for(following, ENOUGH) == [
        {"answer": {"offset": 0, "text": "answer ", "status": "RUNNING", "answer": None}},
        {
            "answer": {
                "offset": 7,
                "text": "1",
                "status": "SUCCEEDED",
                "answer": {"status": "SUCCEEDED", "charged": "0.000001", "text": "answer 1"},
            }
        },
    ]


async def test_one_comes_back_with_what_one_has() -> None:
    shop = Shop()
    [answer_id] = answer_questions(shop.books, ADA, 1)

    [last] = await heard(shop.stream(FOLLOW, id=answer_name(answer_id), after=6))

    assert last == {
        "answer": {
            "offset": 6,
            "text": " 1",
            "status": "SUCCEEDED",
            "answer": {"status": "SUCCEEDED", "charged": "0.000001", "text": "answer 1"},
        }
    }


@pytest.mark.parametrize("by", [BOB, EVE])
async def test_nobody_follows_another_ones_answer(by: Viewer) -> None:
    shop = Shop()
    [answer_id] = answer_questions(shop.books, ADA, 1)
    names = [answer_name(answer_id), answer_name(AnswerId(ADA.purse, Moment(1))), "ans_x", ""]

    told = [await codes(shop.stream(FOLLOW, by, id=name)) for name in names]

    assert told == [["NOT_FOUND"]] * 4


async def test_an_offset_below_zero_is_refused() -> None:
    shop = Shop()
    [answer_id] = answer_questions(shop.books, ADA, 1)

    refused = await codes(shop.stream(FOLLOW, id=answer_name(answer_id), after=-1))

    assert refused == ["INVALID_INPUT"]


async def test_a_balance_is_told_at_once_and_after_every_change() -> None:
    shop = Shop()
    stream = shop.stream(WATCH)
    first = await next_of(stream)
    balance = shop.books.kept_balances[ADA.purse]
    shop.books.kept_balances[ADA.purse] = balance._replace(
        held=Microcredits(CREDIT), changed_at=Moment(balance.changed_at + 1)
    )
    held = await next_of(stream)
    for number, amount in enumerate((-CREDIT, 5 * CREDIT), 2):
        moment = Moment(balance.changed_at + number)
        entry_id = EntryId(ADA.purse, moment)
        shop.books.kept_entries[entry_id] = Entry(
            id=entry_id,
            kind=EntryKind.CHARGE if amount < 0 else EntryKind.RECHARGE,
            amount=Microcredits(amount),
            total_after=Microcredits(CREDIT),
            answer_id=None,
            reverses=None,
            reason=None,
            actor_id=None,
        )
    shop.books.kept_balances[ADA.purse] = balance._replace(
        total=Microcredits(14 * CREDIT), changed_at=Moment(balance.changed_at + 3)
    )
    charged, recharged = await next_of(stream), await next_of(stream)
    await stream.aclose()

    assert first == {"balance": {"available": "10", "held": "0"}, "entry": None}
    assert held == {"balance": {"available": "9", "held": "1"}, "entry": None}
    assert charged == {
        "balance": {"available": "14", "held": "0"},
        "entry": {"kind": "CHARGE", "amount": "-1"},
    }
    assert recharged == {
        "balance": {"available": "14", "held": "0"},
        "entry": {"kind": "RECHARGE", "amount": "5"},
    }


@pytest.mark.parametrize(
    ("query", "by", "code"),
    [
        (FOLLOW, None, "UNAUTHENTICATED"),
        (FOLLOW, ADAS_READING_KEY, "FORBIDDEN"),
        (FOLLOW, ADAS_ASKING_KEY, "NOT_FOUND"),
        (WATCH, None, "UNAUTHENTICATED"),
        (WATCH, ADAS_ASKING_KEY, "FORBIDDEN"),
    ],
)
async def test_following_takes_a_right(query: str, by: Viewer | None, code: str) -> None:
    assert await codes(Shop().stream(query, by, id="ans_x")) == [code]
