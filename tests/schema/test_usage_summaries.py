"""Usage in numbers: what is told, to whom, what that reads, and what is refused."""

from dataclasses import replace

import pytest

from domain.answers import UsageOutcome, UsageRecord
from domain.errors import ProblemCode
from domain.units import Moment, UsageId
from schema.ids import account_name
from tests.schema.shop import ADA, BOB, EVE, Shop, answer_questions

DAYS = {"from": "2026-01-30T12:00:00Z", "to": "2026-02-01T12:00:00Z"}

SUMMARY = """query ($range: TimeRange!, $filter: UsageFilter, $bucket: TimeBucket! = DAY,
                     $zone: String! = "UTC") {
  usageSummary(range: $range, filter: $filter, bucket: $bucket, timeZone: $zone) {
    totals { ...all } buckets { start totals { attempts charged } }
    byModel { model { id } totals { attempts charged } }
    byApiKey { apiKey { id } totals { attempts charged } } } }
fragment all on UsageTotals { attempts succeeded failed inputTokens outputTokens charged
  latencyMs { average p50 p95 } firstTokenMs { average p50 p95 } }"""


@pytest.fixture
def shop() -> Shop:
    """Ada's three answers, one a second, and Bob's one."""
    shop = Shop()
    answer_questions(shop.books, ADA, 3)
    answer_questions(shop.books, BOB, 1)
    return shop


def fail(shop: Shop, kept: UsageRecord) -> None:
    """Another attempt, which came to nothing."""
    failed = replace(
        kept,
        id=UsageId(kept.id.purse, Moment(kept.id.moment + 1)),
        outcome=UsageOutcome.FAILED,
        problem_code=ProblemCode.PROVIDER_FAILED,
    )
    shop.books.kept_records[failed.id] = failed


async def test_a_summary_tells_totals_buckets_and_breakdowns(shop: Shop) -> None:
    data = await shop.ask(SUMMARY, range=DAYS)

    assert data == {
        "usageSummary": {
            "totals": {
                "attempts": 3,
                "succeeded": 3,
                "failed": 0,
                "inputTokens": 3 * 2**40,
                "outputTokens": 21,
                "charged": "0.000003",
                "latencyMs": {"average": 120, "p50": 120, "p95": 120},
                "firstTokenMs": {"average": 30, "p50": 30, "p95": 30},
            },
            "buckets": [
                {"start": "2026-01-30T00:00:00Z", "totals": {"attempts": 0, "charged": "0"}},
                {"start": "2026-01-31T00:00:00Z", "totals": {"attempts": 3, "charged": "0.000003"}},
                {"start": "2026-02-01T00:00:00Z", "totals": {"attempts": 0, "charged": "0"}},
            ],
            "byModel": [
                {"model": {"id": "small"}, "totals": {"attempts": 2, "charged": "0.000002"}},
                {"model": {"id": "retired"}, "totals": {"attempts": 1, "charged": "0.000001"}},
            ],
            "byApiKey": [{"apiKey": None, "totals": {"attempts": 3, "charged": "0.000003"}}],
        }
    }


async def test_buckets_begin_in_the_time_zone_asked_for(shop: Shop) -> None:
    query = """query ($range: TimeRange!) {
      usageSummary(range: $range, bucket: MONTH, timeZone: "Pacific/Auckland") {
        buckets { start totals { attempts } } } }"""

    data = await shop.ask(query, range=DAYS)

    assert data == {
        "usageSummary": {
            "buckets": [
                {"start": "2025-12-31T11:00:00Z", "totals": {"attempts": 0}},
                {"start": "2026-01-31T11:00:00Z", "totals": {"attempts": 3}},
            ]
        }
    }


async def test_latencies_are_null_when_nothing_succeeded(shop: Shop) -> None:
    query = """query ($range: TimeRange!) {
      usageSummary(range: $range, filter: { outcome: FAILED }) {
        totals { attempts succeeded failed latencyMs { p50 } firstTokenMs { p95 } } } }"""
    fail(shop, next(iter(shop.books.kept_records.values())))

    data = await shop.ask(query, range=DAYS)

    assert data == {
        "usageSummary": {
            "totals": {
                "attempts": 1,
                "succeeded": 0,
                "failed": 1,
                "latencyMs": None,
                "firstTokenMs": None,
            }
        }
    }


@pytest.mark.parametrize(
    ("narrowed", "attempts"),
    [
        ({"model": "small"}, 2),
        ({"model": "unheard of"}, 0),
        ({"outcome": ["SUCCEEDED"]}, 3),
        ({"outcome": []}, 0),
        ({"apiKeyId": "key_nobodys"}, 0),
        ({"range": {"from": "2026-01-31T12:00:02Z"}}, 2),
        ({"range": {"from": "2026-01-31T12:00:02Z", "to": "2026-01-31T12:00:03Z"}}, 1),
        ({"range": {"from": "2027-01-01T00:00:00Z"}}, 0),
        ({"range": {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}, 0),
    ],
)
async def test_a_filter_narrows_the_records_and_leaves_the_buckets(
    shop: Shop, narrowed: dict[str, object], attempts: int
) -> None:
    query = """query ($range: TimeRange!, $filter: UsageFilter) {
      usageSummary(range: $range, filter: $filter) { totals { attempts } buckets { start } } }"""

    data = await shop.ask(query, range=DAYS, filter=narrowed)

    match data:
        case {"usageSummary": {"totals": {"attempts": int(found)}, "buckets": list(buckets)}}:
            assert (found, len(buckets)) == (attempts, 3)
        case _:
            pytest.fail(f"not a summary: {data}")


@pytest.mark.parametrize(
    ("selection", "reads"),
    [
        ("__typename", {}),
        ("totals { attempts }", {"usage_sums": 1}),
        ("a: totals { attempts } b: totals { charged }", {"usage_sums": 1}),
        ("totals { attempts } buckets { start } byApiKey { totals { failed } }", {"usage_sums": 1}),
        ("totals { attempts } totals @skip(if: true) { latencyMs { p50 } }", {"usage_sums": 1}),
        (
            """totals { latencyMs { p50 } firstTokenMs { p95 } }
            ... on UsageSummary { buckets { totals { latencyMs { p50 } } } }""",
            {"usage_sums": 1, "usage_latencies": 1},
        ),
    ],
)
async def test_only_what_is_asked_for_is_read_and_that_at_once(
    shop: Shop, selection: str, reads: dict[str, int]
) -> None:
    query = "query ($range: TimeRange!) { usageSummary(range: $range) { %s } }"

    await shop.ask(query % selection, range=DAYS)

    assert dict(shop.books.reads) == reads


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"range": {"from": "2026-02-02T00:00:00Z"}}, "`range.from`: Lies in the future"),
        ({"range": {"from": "1066-10-14T09:00:00Z"}}, "`range.from`: Begin in 1970 or later"),
        (
            {"range": {"from": DAYS["to"], "to": DAYS["from"]}},
            "`range.to`: Must be later than `from`",
        ),
        (
            {"range": {"from": DAYS["from"], "to": "9999-12-31T23:59:59Z"}},
            "`range.to`: At most 366 days ahead. Leave it out to end now",
        ),
        (
            {"range": {"from": "2025-12-01T00:00:00Z"}, "bucket": "HOUR"},
            "`range`: Has more than 750 buckets of one HOUR. Narrow the range, or choose a wider",
        ),
        ({"range": DAYS, "zone": "Mars/Olympus"}, "`timeZone`: Unknown. Use a name of the IANA"),
    ],
)
async def test_what_cannot_be_summed_up_is_refused_with_what_to_do(
    shop: Shop, variables: dict[str, object], told: str
) -> None:
    answer = await shop.tell(SUMMARY, ADA, **variables)

    assert answer.data == {"usageSummary": None}
    assert answer.codes == ["BAD_REQUEST"]
    assert told in answer.errors[0].message


async def test_the_root_is_of_the_callers_own_attempts_an_administrators_too(shop: Shop) -> None:
    query = "query ($range: TimeRange!) { usageSummary(range: $range) { totals { attempts } } }"

    assert await shop.ask(query, EVE, range=DAYS) == {"usageSummary": {"totals": {"attempts": 0}}}


async def test_administrators_see_everybodys_usage_and_what_it_cost(shop: Shop) -> None:
    query = """query ($range: TimeRange!, $bob: ID!) { admin {
      usageSummary(range: $range) { totals { attempts providerCost } }
      account(id: $bob) { usageSummary(range: $range) { totals { attempts providerCost } } } } }"""

    data = await shop.ask(query, EVE, range=DAYS, bob=account_name(BOB.account_id))

    assert data == {
        "admin": {
            "usageSummary": {"totals": {"attempts": 4, "providerCost": "0.000168"}},
            "account": {"usageSummary": {"totals": {"attempts": 1, "providerCost": "0.000042"}}},
        }
    }


async def test_what_providers_charge_is_not_told_to_customers(shop: Shop) -> None:
    query = "query ($range: TimeRange!) { usageSummary(range: $range) { totals { providerCost } } }"

    answer = await shop.tell(query, range=DAYS)

    assert answer.data == {"usageSummary": {"totals": {"providerCost": None}}}
    assert answer.codes == ["FORBIDDEN"]
