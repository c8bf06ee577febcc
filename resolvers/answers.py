"""Asking, and the answers there are."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from domain.answers import Answer
from domain.asking import Asked
from domain.canceling import Canceled
from domain.checking import issues_of_key
from domain.errors import InputIssue, InvalidInput, NotFound
from domain.following import Piece
from domain.questions import Question, check
from domain.reporting import AnswerFilter, Page, PageRequest
from domain.units import AnswerId
from resolvers.context import Context

WAIT_SECONDS_MAX: Final = 120


async def ask(context: Context, question: Question, *, key: str, wait_seconds: int) -> Asked:
    """Have a question answered and wait for it a while.

    Raises InvalidInput with every finding at once, and whatever asking raises.
    """
    issues = list(issues_of_key(key))
    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        issues.append(InputIssue(("wait_seconds",), f"Must be from 0 to {WAIT_SECONDS_MAX}."))
    if issues:
        raise InvalidInput([*_issues_of(question), *issues])
    return await context.services.asking.ask(context.signed_in, question, key, wait_seconds)


async def cancel(context: Context, answer_id: AnswerId | None) -> Canceled:
    """Stop an answer of the caller's; raises NotFound for a name that names none."""
    if answer_id is None:
        raise NotFound("answer")
    return await context.services.canceling.cancel(context.signed_in, answer_id)


async def own_answer(context: Context, answer_id: AnswerId) -> Answer | None:
    """One answer of the caller's; None when there is none of that name, or it is another's."""
    if answer_id.purse.account_id != context.signed_in.account_id:
        return None
    found = await context.services.books.answers(context.reader(), [answer_id])
    return found.get(answer_id)


def follow(
    context: Context, answer_id: AnswerId | None, *, after: int
) -> AsyncGenerator[Piece, None]:
    """The text of an answer of the caller's after an offset, and how it ended.

    Raises NotFound, also for a name that is none.
    """
    if answer_id is None:
        raise NotFound("answer")
    return context.services.following.follow(context.signed_in, answer_id, after)


async def own(context: Context, wanted: AnswerFilter, page: PageRequest) -> Page[Answer]:
    """The caller's answers, whatever else it may see."""
    wanted = replace(wanted, account_id=context.signed_in.account_id)
    return await context.services.books.answer_page(context.reader(), wanted, page)


async def of_everybody(context: Context, wanted: AnswerFilter, page: PageRequest) -> Page[Answer]:
    return await context.services.books.answer_page(context.admin_reader(), wanted, page)


def _issues_of(question: Question) -> tuple[InputIssue, ...]:
    """What asking would find wrong with the question itself."""
    try:
        check(question)
    except InvalidInput as found:
        return found.issues
    return ()
