"""Pieces of answers in the database: written by the runner's process, read by the others."""

import asyncio

import asyncpg

from domain.mirroring import News
from domain.publishing import WrittenPiece
from domain.units import AccountId, AnswerId, KeyNumber, Moment, PurseId
from persistence.notify import Channel, Notices
from persistence.pieces import PostgresPieces, PostgresPurseMoments, answers_named
from persistence.roles import Login, url_of
from tests.journeys.desk import Desk, open_desk, question


async def running_answer(desk: Desk) -> AnswerId:
    """An answer whose provider takes its time."""
    viewer = await desk.viewer(10_000_000)
    asked = await desk.asking.ask(viewer, question("simulate: slow 30"), "a key", 0)
    return asked.answer.id


async def test_pieces_are_found_from_an_offset_on_until_the_answer_ends(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        pieces = PostgresPieces(desk.database)
        first, second = await running_answer(desk), await running_answer(desk)
        nothing = await pieces.look([(first, 0)])
        await pieces.add(
            [
                WrittenPiece(first, 0, "one "),
                WrittenPiece(first, 4, "two"),
                WrittenPiece(second, 0, "other"),
            ]
        )
        everything = await pieces.look([(first, 0), (second, 0)])
        rest = await pieces.look([(first, 4)])
        await pieces.add([WrittenPiece(first, 4, "again, which changes nothing")])
        repeated = await pieces.look([(first, 4)])
        await pieces.remove([first])
        removed = await pieces.look([(first, 0), (second, 5)])
    over = await look_afterwards(database_url, first)

    assert nothing == [News(first, [], is_over=False)]
    assert {news.answer_id: news for news in everything} == {
        first: News(first, [(0, "one "), (4, "two")], is_over=False),
        second: News(second, [(0, "other")], is_over=False),
    }
    assert rest == repeated == [News(first, [(4, "two")], is_over=False)]
    assert [news.pieces for news in removed] == [[], []]
    assert over == [News(first, [], is_over=True)]


async def look_afterwards(database_url: str, answer_id: AnswerId) -> object:
    """What is found of an answer that has ended, or never was."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as database:
        pieces = PostgresPieces(database)
        never = AnswerId(PurseId(AccountId(99), KeyNumber(3)), Moment(1))
        assert await pieces.look([(never, 0)]) == [News(never, [], is_over=True)]
        return await pieces.look([(answer_id, 0)])


async def test_whoever_runs_an_answer_learns_that_it_is_followed(
    database_url: str, deployment_secret: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    notices = Notices(url_of(Login.WORKER, database_url, secret=deployment_secret))
    notices.hear(Channel.FOLLOWED, heard.put_nowait)
    notices.hear(Channel.PIECES, heard.put_nowait)
    async with open_desk(database_url, deployment_secret) as desk, notices.going_on():
        pieces = PostgresPieces(desk.database)
        async with asyncio.timeout(10):
            assert [await heard.get(), await heard.get()] == ["", ""]
            answer_id = await running_answer(desk)
            await pieces.look([(answer_id, 0)])
            followed = await pieces.followed()
            first = answers_named(await heard.get())
            await pieces.look([(answer_id, 0)])
            await pieces.add([WrittenPiece(answer_id, 0, "text")])
            second = answers_named(await heard.get())
            await pieces.remove([answer_id])
            third = answers_named(await heard.get())
            left = await pieces.followed()

    assert (first, second, third) == ([answer_id], [answer_id], [answer_id])
    assert (followed, left) == ([answer_id], [])


async def test_what_dead_runners_left_is_forgotten(
    database_url: str, deployment_secret: str
) -> None:
    long_gone = AnswerId(PurseId(AccountId(1)), Moment(1))
    async with open_desk(database_url, deployment_secret) as desk:
        pieces = PostgresPieces(desk.database)
        answer_id = await running_answer(desk)
        await pieces.add([WrittenPiece(long_gone, 0, "old"), WrittenPiece(answer_id, 0, "new")])

        assert await pieces.forget() == 1
        assert await pieces.forget() == 0
        assert (await pieces.look([(answer_id, 0)]))[0].pieces == [(0, "new")]


async def test_every_change_of_a_purse_has_a_later_moment(
    database_url: str, deployment_secret: str
) -> None:
    async with open_desk(database_url, deployment_secret) as desk:
        moments = PostgresPurseMoments(desk.database)
        viewer = await desk.viewer(10_000_000)
        nobody = PurseId(AccountId(99))
        [before, none] = await moments.versions([viewer.purse, nobody])
        await desk.asking.ask(viewer, question("simulate: slow 0.1"), "a key", 0)
        [held] = await moments.versions([viewer.purse])
        await desk.asking.ask(viewer, question("simulate: slow 0.1"), "a key", 10)
        [charged] = await moments.versions([viewer.purse])

    assert none is None
    assert before is not None
    assert held is not None
    assert charged is not None
    assert before < held < charged


def test_a_notice_that_names_nothing_names_no_answer() -> None:
    named = [AnswerId(PurseId(AccountId(7), KeyNumber(2)), Moment(-5))]

    assert answers_named("7.2.-5") == named
    assert [answers_named(text) for text in ("", "x", "1.2", "1.2.3.4", "1.x.3")] == [[]] * 5
