"""Replies are kept for whoever repeats a call, and count only once they are paid for."""

from datetime import UTC, datetime, timedelta

from domain.answers import AnswerBeginning
from domain.ledger import Once
from domain.units import AnswerId, Microcredits, ModelId, PriceId
from persistence.forgetting import PostgresTexts
from persistence.replies import PostgresReplies
from tests.journeys.desk import Desk, open_desk


async def _hold(desk: Desk) -> AnswerId:
    viewer = await desk.viewer(1_000)
    taken = await desk.asking.ledger.hold(
        viewer.purse,
        Microcredits(100),
        Once.of("test", "one"),
        lasts_seconds=60,
        beginning=AnswerBeginning(
            model_id=ModelId("simulated"), price_id=PriceId(1), answer_tokens_max=1
        ),
    )
    return AnswerId(taken.hold_id.purse, taken.hold_id.moment)


async def test_a_reply_is_found_once_it_is_paid_for(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        answer_id = await _hold(desk)
        replies = PostgresReplies(desk.database)

        await replies.keep(answer_id, b"\x00 any bytes \xff")
        unpaid = await replies.find(answer_id)
        await desk.asking.ledger.capture(answer_id.hold_id, Microcredits(5))
        paid = await replies.find(answer_id)

    assert unpaid is None
    assert paid == b"\x00 any bytes \xff"


async def test_a_reply_never_changes_and_none_comes_late(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        kept, late = await _hold(desk), await _hold(desk)
        replies = PostgresReplies(desk.database)

        await replies.keep(kept, b"first")
        await replies.keep(kept, b"second")
        await desk.asking.ledger.capture(kept.hold_id, Microcredits(5))
        await desk.asking.ledger.capture(late.hold_id, Microcredits(5))
        await replies.keep(late, b"late")

        assert await replies.find(kept) == b"first"
        assert await replies.find(late) is None


async def test_replies_are_forgotten_with_the_texts(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        answer_id = await _hold(desk)
        replies = PostgresReplies(desk.database)
        await replies.keep(answer_id, b"reply")
        await desk.asking.ledger.capture(answer_id.hold_id, Microcredits(5))
        texts = PostgresTexts(desk.database)

        await texts.forget(datetime.now(UTC) - timedelta(hours=1))  # noqa: TID251
        kept = await replies.find(answer_id)
        await texts.forget(datetime.now(UTC) + timedelta(hours=1))  # noqa: TID251
        forgotten = await replies.find(answer_id)

    assert (kept, forgotten) == (b"reply", None)
