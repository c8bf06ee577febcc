"""Alerts as administrators read, follow and acknowledge them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.alerting import AlertSeverity
from schema.ids import account_name, alert_name, alert_named
from schema.pages import ACCOUNTS, ALERTS
from tests.schema.alerting import sighting
from tests.schema.shop import ADA, EVE, Shop, Told

LIST = """
query List($first: Int! = 20, $after: String, $acknowledged: Boolean) {
  admin { alerts(first: $first, after: $after, acknowledged: $acknowledged) {
    nodes { kind severity message count acknowledgedAt }
    pageInfo { hasNextPage endCursor }
  } }
}
"""
NAMES = """
query Names($first: Int! = 20, $after: String, $acknowledged: Boolean) {
  admin { alerts(first: $first, after: $after, acknowledged: $acknowledged) {
    edges { cursor node { id } } pageInfo { hasNextPage }
  } }
}
"""
ACKNOWLEDGE = """
mutation Seen($id: ID!) {
  acknowledgeAlert(input: {alertId: $id}) {
    __typename
    ... on AcknowledgeAlertSuccess { alert { id acknowledgedAt acknowledgedBy { id } } }
    ... on Problem { code message }
  }
}
"""
FOLLOW = """
subscription Follow($least: AlertSeverity! = INFO) {
  alertRaised(minimumSeverity: $least) { id severity count }
}
"""
NODE = "query Node($id: ID!) { node(id: $id) { __typename ... on SystemAlert { message } } }"
ENOUGH = 5.0


def page_of(*names: str, has_next: bool = False) -> object:
    """The answer to NAMES."""
    ids = [alert_named(name) or 0 for name in names]
    edges = [
        {"cursor": ALERTS.cursor((id,)), "node": {"id": name}}
        for id, name in zip(ids, names, strict=True)
    ]
    return {"admin": {"alerts": {"edges": edges, "pageInfo": {"hasNextPage": has_next}}}}


async def next_of(stream: AsyncIterator[Told]) -> object:
    told = await asyncio.wait_for(anext(stream), ENOUGH)
    assert told.errors == []
    return None if told.data is None else told.data["alertRaised"]


async def test_an_alert_tells_what_was_seen_and_how_often() -> None:
    shop = Shop()
    for _ in range(3):
        shop.alerts.see(sighting())

    assert await shop.ask(LIST, by=EVE) == {
        "admin": {
            "alerts": {
                "nodes": [
                    {
                        "kind": "PROVIDER_FAILURES",
                        "severity": "WARNING",
                        "message": "Of the last 40 attempts at deepseek-chat, 30 failed.",
                        "count": 3,
                        "acknowledgedAt": None,
                    }
                ],
                "pageInfo": {"hasNextPage": False, "endCursor": ALERTS.cursor((1,))},
            }
        }
    }


async def test_alerts_come_newest_first_page_by_page() -> None:
    shop = Shop()
    first, second, third = (alert_name(shop.alerts.see(sighting(name))) for name in "abc")

    page = await shop.ask(NAMES, by=EVE, first=2)
    following = await shop.ask(NAMES, by=EVE, first=2, after=ALERTS.cursor((2,)))

    assert page == page_of(third, second, has_next=True)
    assert following == page_of(first)


async def test_a_cursor_of_another_list_is_refused() -> None:
    told = await Shop().tell(NAMES, by=EVE, after=ACCOUNTS.cursor((1,)))

    assert told.codes == ["BAD_REQUEST"]


async def test_what_was_seen_is_listed_apart_from_what_was_not() -> None:
    shop = Shop()
    seen, open_ = (alert_name(shop.alerts.see(sighting(name))) for name in "ab")
    await shop.ask(ACKNOWLEDGE, by=EVE, id=seen)

    assert await shop.ask(NAMES, by=EVE, acknowledged=True) == page_of(seen)
    assert await shop.ask(NAMES, by=EVE, acknowledged=False) == page_of(open_)
    assert await shop.ask(NAMES, by=EVE) == page_of(open_, seen)


async def test_whoever_acknowledges_an_alert_is_named_and_saying_it_twice_changes_nothing() -> None:
    shop = Shop()
    name = alert_name(shop.alerts.see(sighting()))

    outcomes = [await shop.ask(ACKNOWLEDGE, by=EVE, id=name) for _ in range(2)]

    assert (
        outcomes
        == [
            {
                "acknowledgeAlert": {
                    "__typename": "AcknowledgeAlertSuccess",
                    "alert": {
                        "id": name,
                        "acknowledgedAt": "2026-01-31T12:00:00Z",
                        "acknowledgedBy": {"id": account_name(EVE.account_id)},
                    },
                }
            }
        ]
        * 2
    )


@pytest.mark.parametrize("name", ["alert_aaaaaaaaaaaaa", "acct_aaaaaaaaaaaac", "x"])
async def test_what_is_no_alert_cannot_be_acknowledged(name: str) -> None:
    told = await Shop().ask(ACKNOWLEDGE, by=EVE, id=name)

    assert told == {
        "acknowledgeAlert": {
            "__typename": "NotFound",
            "code": "NOT_FOUND",
            "message": "There is no such alert.",
        }
    }


async def test_alerts_are_nobodys_but_administrators() -> None:
    shop = Shop()
    name = alert_name(shop.alerts.see(sighting()))

    assert (await shop.tell(LIST, by=ADA)).codes == ["FORBIDDEN"]
    assert (await shop.tell(ACKNOWLEDGE, by=ADA, id=name)).codes == ["FORBIDDEN"]
    assert await shop.ask(NODE, by=ADA, id=name) == {"node": None}
    assert [each.codes async for each in shop.stream(FOLLOW, by=ADA)] == [["FORBIDDEN"]]
    assert shop.alerts.kept[shop.alerts.see(sighting())].acknowledged_at is None


async def test_an_alert_is_found_by_its_id() -> None:
    shop = Shop()
    name = alert_name(shop.alerts.see(sighting()))

    assert await shop.ask(NODE, by=EVE, id=name) == {
        "node": {
            "__typename": "SystemAlert",
            "message": "Of the last 40 attempts at deepseek-chat, 30 failed.",
        }
    }


async def test_alerts_are_told_as_they_are_raised_and_as_they_recur() -> None:
    shop = Shop()
    shop.alerts.see(sighting("before"))
    stream = shop.stream(FOLLOW, by=EVE)
    waiting = asyncio.create_task(next_of(stream))
    await asyncio.sleep(0.05)

    name = alert_name(shop.alerts.see(sighting("now")))
    first = await waiting
    shop.alerts.see(sighting("now"))
    second = await next_of(stream)
    await stream.aclose()

    assert first == {"id": name, "severity": "WARNING", "count": 1}
    assert second == {"id": name, "severity": "WARNING", "count": 2}


async def test_what_is_less_severe_than_asked_for_is_not_told() -> None:
    shop = Shop()
    stream = shop.stream(FOLLOW, by=EVE, least="CRITICAL")
    waiting = asyncio.create_task(next_of(stream))
    await asyncio.sleep(0.05)

    shop.alerts.see(sighting("a", AlertSeverity.WARNING))
    await asyncio.sleep(0.05)
    name = alert_name(shop.alerts.see(sighting("b", AlertSeverity.CRITICAL)))

    assert await waiting == {"id": name, "severity": "CRITICAL", "count": 1}
    await stream.aclose()


async def test_a_crowd_of_alerts_is_told_whole_and_in_its_order() -> None:
    shop = Shop()
    stream = shop.stream(FOLLOW, by=EVE)
    waiting = asyncio.create_task(next_of(stream))
    await asyncio.sleep(0.05)

    names = [alert_name(shop.alerts.see(sighting(str(number)))) for number in range(250)]
    told = [await waiting] + [await next_of(stream) for _ in range(249)]
    await stream.aclose()

    assert told == [{"id": name, "severity": "WARNING", "count": 1} for name in names]


def test_severities_rise() -> None:
    assert AlertSeverity.INFO.and_above() == ["INFO", "WARNING", "CRITICAL"]
    assert AlertSeverity.CRITICAL.and_above() == ["CRITICAL"]
