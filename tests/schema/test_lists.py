"""Lists: whole pages, in order, narrowed down."""

from dataclasses import dataclass, replace

import pytest

from domain.ledger import HoldStatus
from schema.pages import ANSWERS
from tests.schema.office import MOMENT
from tests.schema.shop import ADA, EVE, Shop, answer_questions


async def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 5)
    query = """query ($after: String) { answers(first: 2, after: $after) {
        edges { cursor node { text } } nodes { text }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    at = [ANSWERS.cursor((MOMENT + number * 1_000_000, 1, 0)) for number in range(6)]

    first = await shop.ask(query)
    last = await shop.ask(query, after=at[2])

    assert first == {
        "answers": {
            "edges": [
                {"cursor": at[5], "node": {"text": "answer 5"}},
                {"cursor": at[4], "node": {"text": "answer 4"}},
            ],
            "nodes": [{"text": "answer 5"}, {"text": "answer 4"}],
            "pageInfo": {
                "hasNextPage": True,
                "hasPreviousPage": False,
                "startCursor": at[5],
                "endCursor": at[4],
            },
        }
    }
    assert last == {
        "answers": {
            "edges": [{"cursor": at[1], "node": {"text": "answer 1"}}],
            "nodes": [{"text": "answer 1"}],
            "pageInfo": {
                "hasNextPage": False,
                "hasPreviousPage": True,
                "startCursor": at[1],
                "endCursor": at[1],
            },
        }
    }


@pytest.mark.parametrize(
    "query",
    [
        "{ usage(first: 0) { nodes { id } } }",
        "{ ledger(first: 101) { nodes { id } } }",
        '{ holds(after: "x") { nodes { id } } }',
        '{ answers(after: "\\u0000") { nodes { id } } }',
        '{ usage(filter: { model: "\\u0000" }) { nodes { id } } }',
    ],
)
async def test_a_page_that_cannot_be_is_a_bad_request(query: str) -> None:
    told = await Shop().tell(query)

    assert told.codes == ["BAD_REQUEST"]


async def test_lists_are_narrowed_down() -> None:
    shop = Shop()
    first, _ = answer_questions(shop.books, ADA, 2)
    hold = shop.books.kept_holds[first.hold_id]
    shop.books.kept_holds[first.hold_id] = replace(hold, status=HoldStatus.OPEN)

    data = await shop.ask(
        """{
          charges: ledger(filter: { kind: [CHARGE] }) { nodes { amount } }
          none: ledger(filter: { kind: [] }) { nodes { amount } }
          all: ledger(filter: null) { nodes { kind } }
          small: usage(filter: { model: "small", outcome: [SUCCEEDED] }) { nodes { attempt } }
          failed: usage(filter: { outcome: [FAILED] }) { nodes { attempt } }
          open: holds(status: OPEN) { nodes { status } }
          done: answers(status: [SUCCEEDED, FAILED]) { nodes { status } }
        }"""
    )

    assert data == {
        "charges": {"nodes": [{"amount": "-0.000001"}] * 2},
        "none": {"nodes": []},
        "all": {"nodes": [{"kind": "CHARGE"}, {"kind": "CHARGE"}, {"kind": "SIGN_UP_GRANT"}]},
        "small": {"nodes": [{"attempt": 1}]},
        "failed": {"nodes": []},
        "open": {"nodes": [{"status": "OPEN"}]},
        "done": {"nodes": [{"status": "SUCCEEDED"}] * 2},
    }


async def test_a_range_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 3)

    data = await shop.ask(
        """{
          charges: ledger(filter: {
            range: { from: "2026-01-31T12:00:01.000010Z", to: "2026-01-31T13:00:02.000010+01:00" }
          }) { nodes { createdAt } }
          usage(filter: { range: { from: "2026-01-31T12:00:03Z" } }) { nodes { createdAt } }
        }"""
    )

    assert data == {
        "charges": {"nodes": [{"createdAt": "2026-01-31T12:00:01.000010Z"}]},
        "usage": {"nodes": [{"createdAt": "2026-01-31T12:00:03.000011Z"}]},
    }


@pytest.mark.parametrize(
    "page",
    ["accounts", "usage", "ledger", "holds", "answers", "auditLog"],
)
async def test_every_list_is_paged_alike(page: str) -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 2)
    for name in ("First", "Second"):
        await shop.ask(
            """mutation ($name: String!) {
                 saveModel(input: { id: "small", name: $name }) { __typename } }""",
            by=EVE,
            name=name,
        )
    query = f"""query ($after: String) {{ admin {{ page: {page}(first: 1, after: $after) {{
        edges {{ cursor node {{ id }} }} nodes {{ id }}
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"""

    first = page_of(await shop.ask(query, by=EVE))
    second = page_of(await shop.ask(query, by=EVE, after=first.cursor))

    assert first.node == first.nodes[0]
    assert second.node == second.nodes[0] != first.node
    assert first.info == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first.cursor,
        "endCursor": first.cursor,
    }
    assert second.info["hasPreviousPage"] is True


@dataclass(frozen=True, slots=True)
class OneItem:
    """A page of one item."""

    cursor: str
    node: object
    nodes: list[object]
    info: dict[str, object]


def page_of(data: object) -> OneItem:
    match data:
        case {
            "admin": {
                "page": {
                    "edges": [{"cursor": str() as cursor, "node": node}],
                    "nodes": list() as nodes,
                    "pageInfo": dict() as info,
                }
            }
        }:
            return OneItem(cursor, node, nodes, info)
        case _:
            pytest.fail(f"no page of one item: {data}")


async def test_an_administrators_own_lists_are_its_own() -> None:
    shop = Shop()
    answer_questions(shop.books, ADA, 1)

    data = await shop.ask(
        "{ usage { nodes { id } } answers { nodes { id } } ledger { nodes { kind } } }", by=EVE
    )

    assert data == {
        "usage": {"nodes": []},
        "answers": {"nodes": []},
        "ledger": {"nodes": [{"kind": "SIGN_UP_GRANT"}]},
    }
