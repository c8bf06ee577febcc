"""Objects that are found by their id, or not at all."""

import pytest

from domain.errors import LedgerFault
from domain.units import AnswerId
from schema.ids import (
    account_name,
    answer_name,
    entry_name,
    hold_name,
    usage_name,
)
from tests.schema.shop import ADA, BOB, EVE, Shop, answer_questions


async def test_books_that_name_what_they_lack_are_a_fault_of_ours() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)
    shop.books.kept_models.clear()

    told = await shop.tell("{ usage { nodes { model { id } } } }")

    assert told.data == {"usage": None}
    assert [type(error.original_error) for error in told.errors] == [LedgerFault]


async def test_another_accounts_answer_does_not_exist() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, BOB, 1)
    query = "query ($id: ID!) { answer(id: $id) { text } }"

    for caller in (ADA, EVE):
        data = await shop.ask(query, by=caller, id=answer_name(answer_id))
        assert data == {"answer": None}


@pytest.mark.parametrize("name", ["", "ans_", "nonsense", "acct_aaaaaaaaaaaac", "x" * 60_000])
async def test_a_malformed_id_names_no_answer(name: str) -> None:
    data = await Shop().ask("query ($id: ID!) { answer(id: $id) { text } }", id=name)

    assert data == {"answer": None}


def names_of(answer_id: AnswerId, shop: Shop) -> dict[str, str]:
    """What belongs to an answer, by type."""
    (usage_id,) = shop.books.kept_answers[answer_id].usage_ids
    (charge_id,) = (
        entry.id for entry in shop.books.kept_entries.values() if entry.answer_id == answer_id
    )
    return {
        "Account": account_name(answer_id.purse.account_id),
        "Answer": answer_name(answer_id),
        "Hold": hold_name(answer_id.hold_id),
        "LedgerEntry": entry_name(charge_id),
        "UsageRecord": usage_name(usage_id),
    }


async def test_everything_with_a_global_id_is_found_by_it() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, ADA, 1)
    query = "query ($id: ID!) { node(id: $id) { __typename id } }"

    for kind, name in names_of(answer_id, shop).items():
        for caller in (ADA, EVE):
            data = await shop.ask(query, by=caller, id=name)
            assert data == {"node": {"__typename": kind, "id": name}}


async def test_what_is_another_accounts_is_not_found() -> None:
    shop = Shop()
    (answer_id,) = answer_questions(shop.books, BOB, 1)
    query = "query ($id: ID!) { node(id: $id) { id } }"

    for name in (*names_of(answer_id, shop).values(), "nonsense", "lot_aaaaaaaaaaaac"):
        assert await shop.ask(query, by=ADA, id=name) == {"node": None}
