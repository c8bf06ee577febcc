"""What objects lead to is read once for all of them, however many they are."""

import pytest

from tests.schema.shop import ADA, EVE, Shop, answer_questions

EVERYTHING = {
    "usage": "model { id price { id } } price { id } answer { id model { id } } account { email }",
    "ledger": "answer { text attempts { id } } account { balance { available } } actor { id }",
    "holds": "answer { attempts { model { id } price { id } } } account { email }",
    "answers": "model { id priceHistory { id } } attempts { id price { id } } account { email }",
}


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize(
    ("root", "reads"),
    [
        ("usage", {"usage_page", "models", "prices", "answers", "accounts"}),
        ("ledger", {"entry_page", "answers", "usage_records", "accounts", "balances"}),
        ("holds", {"hold_page", "answers", "usage_records", "models", "prices", "accounts"}),
        (
            "answers",
            {"answer_page", "usage_records", "models", "prices", "price_history", "accounts"},
        ),
    ],
)
async def test_a_page_with_all_that_hangs_on_it_costs_the_same_few_reads(
    root: str, reads: set[str], count: int
) -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, count)

    await shop.ask(
        f"{{ admin {{ {root}(first: 100) {{ nodes {{ id {EVERYTHING[root]} }} }} }} }}", by=EVE
    )

    assert shop.books.reads == dict.fromkeys(reads, 1)


async def test_balances_of_a_page_of_accounts_are_read_at_once() -> None:
    shop = Shop()

    await shop.ask(
        """{ admin { accounts { nodes { balance { available
             lots { entry { kind account { email } } } } } } } }""",
        by=EVE,
    )

    assert shop.books.reads == dict.fromkeys(
        ("account_page", "balances", "lots", "entries", "accounts"), 1
    )


async def test_an_answer_that_was_just_given_needs_no_reading() -> None:
    shop = Shop()

    await shop.ask(
        """mutation { askAI(input: { messages: { content: "Hi" }, idempotencyKey: "k" }) {
             ... on AskAISuccess { answer { id status text charged } balance { available } } } }"""
    )

    assert shop.books.reads == {}
