"""Summaries are the sums of the records, whatever the range, the zone and the filter."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.answers import UsageOutcome, UsageRecord
from domain.calendars import TimeBucket, buckets, zone_named
from domain.histograms import RELATIVE_ERROR
from domain.reporting import Reader, Span, UsageFilter
from domain.summarizing import Group, Latencies, Latency, Part, SummaryWanted
from domain.units import ApiKeyId, KeyNumber, ModelId, Moment, UsageId
from persistence.books_pages import moment_at
from tests.persistence.bank import Bank, Customer
from tests.persistence.programs import make_program
from tests.persistence.records import Making, matching, put
from tests.schema.summing import grouped, latencies_of, sums_of

START = datetime(2026, 3, 20, tzinfo=UTC)
END = datetime(2026, 4, 3, tzinfo=UTC)
PARTS = tuple(Part)
MARKS = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 25, 0, 10, 0, 500, tzinfo=UTC),
    datetime(2026, 3, 29, 13, tzinfo=UTC),
    None,
)
"""How far usage has been added up, from not at all to the end."""

DAY, HOUR, MONTH = TimeBucket.DAY, TimeBucket.HOUR, TimeBucket.MONTH
CASES = [
    (DAY, "UTC", "2026-03-20T00:00", "2026-04-03T00:00"),
    (DAY, "UTC", "2026-03-20T11:07:03.000001", "2026-04-02T23:59:59.999999"),
    (DAY, "Europe/Berlin", "2026-03-27T05:00", "2026-03-31T05:00"),
    (DAY, "Asia/Kolkata", "2026-03-21T18:30", "2026-03-30T18:30"),
    (DAY, "Asia/Kathmandu", "2026-03-21T00:00", "2026-03-30T00:01"),
    (DAY, "America/Sao_Paulo", "2026-03-21T00:00", "2026-03-30T00:00"),
    (HOUR, "UTC", "2026-03-25T00:10", "2026-03-27T00:50"),
    (HOUR, "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T12:00"),
    (HOUR, "Australia/Lord_Howe", "2026-04-01T12:00", "2026-04-02T12:00"),
    (MONTH, "Pacific/Auckland", "2025-11-11T11:11", "2026-04-20T00:00"),
    (DAY, "UTC", "2026-03-25T00:10", "2026-03-25T00:10:01"),
    (MONTH, "UTC", "1970-01-01T00:00", "2027-01-01T00:00"),
    (DAY, "UTC", "2024-02-28T00:00", "2024-03-02T00:00"),
]


def wanted_of(case: tuple[TimeBucket, str, str, str], filter_: UsageFilter) -> SummaryWanted:
    width, zone, start, end = case
    span = Span(*(datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end)))
    starts = buckets(span, width, zone_named(zone))
    return SummaryWanted(filter=replace(filter_, span=span), starts=starts)


async def compare(
    bank: Bank, reader: Reader, records: Sequence[UsageRecord], wanted: SummaryWanted
) -> None:
    """See that every part is what adding up the records that may be seen says."""
    shown = matching(records, wanted.filter)

    sums = await bank.books.usage_sums(reader, wanted, PARTS)
    latencies = await bank.books.usage_latencies(reader, wanted, PARTS)

    totals = [Part.TOTALS]  # which are read by themselves only where nothing else adds up to them
    assert await bank.books.usage_sums(reader, wanted, totals) == {Part.TOTALS: sums[Part.TOTALS]}
    assert await bank.books.usage_latencies(reader, wanted, totals) == {
        Part.TOTALS: latencies[Part.TOTALS]
    }
    for part in PARTS:
        expected = grouped(shown, wanted, part)
        costs = [sums_of(each) for _, each in expected]
        if not reader.as_admin:
            costs = [replace(each, provider_cost=0) for each in costs]
        assert dict(sums[part]) == dict(zip((group for group, _ in expected), costs, strict=True))
        near(latencies[part], {group: latencies_of(each) for group, each in expected})


def near(told: Mapping[Group, Latencies], exact: Mapping[Group, Latencies]) -> None:
    for group, latencies in exact.items():
        found = told.get(group, Latencies())
        assert is_near(found.whole, latencies.whole)
        assert is_near(found.first_token, latencies.first_token)
    assert told.keys() <= exact.keys()


def is_near(told: Latency | None, exact: Latency | None) -> bool:
    if told is None or exact is None:
        return told is exact
    return told.average == exact.average and all(
        abs(one - other) <= RELATIVE_ERROR * other * (1 + 1e-9) + 0.5
        for one, other in ((told.p50, exact.p50), (told.p95, exact.p95))
    )


class Town:
    """Two customers with a fortnight of usage, and an administrator."""

    ada: Customer
    bob: Customer
    eve: Customer
    records: list[UsageRecord]


async def fold_to(bank: Bank, time: datetime | None) -> None:
    """Add up what was used before a time; all of it, if there is none given."""
    if time is None:
        await bank.folding.fold()
    else:
        while await bank.owner.fetchval(
            "SELECT tallystick.fold_usage($1, 0, 500)", moment_at(time)
        ):
            pass


@pytest.fixture
async def town(bank: Bank) -> Town:
    town = Town()
    town.ada, town.bob = await bank.customer(), await bank.customer()
    town.eve = await bank.administrator()
    making = Making(7, START, END)
    town.records = making.records(town.ada.account_id, 2_000)
    town.records += making.records(town.bob.account_id, 500)
    await put(bank, town.records)
    return town


@pytest.mark.parametrize("folded_to", MARKS, ids=str)
async def test_a_summary_is_what_adding_up_the_records_says(
    bank: Bank, town: Town, folded_to: datetime | None
) -> None:
    await fold_to(bank, folded_to)

    for case in CASES:
        of_ada = wanted_of(case, UsageFilter(account_id=town.ada.account_id))
        await compare(bank, town.ada.reader, town.records, of_ada)
        await compare(bank, town.eve.admin, town.records, wanted_of(case, UsageFilter()))


@pytest.mark.parametrize(
    "outcomes",
    [
        None,
        frozenset({UsageOutcome.FAILED}),
        frozenset({UsageOutcome.CANCELED, UsageOutcome.REFUSED}),
        frozenset[UsageOutcome](),
    ],
)
async def test_filters_narrow_a_summary_as_they_narrow_the_records(
    bank: Bank, town: Town, outcomes: frozenset[UsageOutcome] | None
) -> None:
    ada = town.ada.account_id
    await fold_to(bank, datetime(2026, 3, 28, 22, 10, tzinfo=UTC))
    for filter_ in (
        UsageFilter(account_id=ada, outcomes=outcomes),
        UsageFilter(account_id=ada, outcomes=outcomes, model_id=ModelId("large")),
        UsageFilter(account_id=ada, outcomes=outcomes, api_key=ApiKeyId(ada, KeyNumber(2))),
        UsageFilter(outcomes=outcomes, api_key=ApiKeyId(ada, KeyNumber(1))),
        UsageFilter(
            account_id=ada, outcomes=outcomes, api_key=ApiKeyId(town.bob.account_id, KeyNumber(1))
        ),
    ):
        wanted = wanted_of(CASES[1], filter_)
        reader = town.eve.admin if filter_.account_id is None else town.ada.reader
        await compare(bank, reader, town.records, wanted)


async def test_a_range_has_its_first_moment_and_not_its_end(bank: Bank) -> None:
    customer = await bank.customer()
    [first, *_] = Making(7, START, END).records(customer.account_id, 1)
    wanted = wanted_of(CASES[1], UsageFilter(account_id=customer.account_id))
    assert wanted.filter.span is not None
    assert wanted.filter.span.end is not None
    edges = moment_at(wanted.filter.span.start), moment_at(wanted.filter.span.end)
    records = [
        replace(first, id=UsageId(first.id.purse, Moment(edge + beside)))
        for edge in edges
        for beside in (-1, 0)
    ]
    await put(bank, records)

    for folded_to in MARKS:
        await fold_to(bank, folded_to)
        await compare(bank, customer.reader, records, wanted)


async def test_nobody_sums_up_the_usage_of_others(bank: Bank, town: Town) -> None:
    of_ada = wanted_of(CASES[0], UsageFilter(account_id=town.ada.account_id))
    of_all = wanted_of(CASES[0], UsageFilter())

    assert await bank.books.usage_sums(town.bob.reader, of_ada, PARTS) == {
        part: {} for part in PARTS
    }
    theirs = matching(town.records, replace(of_all.filter, account_id=town.bob.account_id))
    assert (await bank.books.usage_sums(town.bob.reader, of_all, [Part.TOTALS]))[Part.TOTALS] == {
        0: replace(sums_of(theirs), provider_cost=0)
    }
    await fold_to(bank, None)
    assert await bank.books.usage_sums(town.bob.reader, of_ada, PARTS) == {
        part: {} for part in PARTS
    }
    assert await bank.books.usage_latencies(town.bob.reader, of_ada, PARTS) == {
        part: {} for part in PARTS
    }


async def test_a_breakdown_shows_the_hundred_keys_that_were_charged_most(
    bank: Bank, town: Town
) -> None:
    making = Making(8, START, END)
    bob = town.bob.account_id
    records = making.records(bob, 3_000, keys=140)
    await put(bank, records)
    wanted = wanted_of(CASES[0], UsageFilter(account_id=bob))
    expected = grouped(matching([*town.records, *records], wanted.filter), wanted, Part.KEYS)
    in_sessions = [group for group, _ in expected if group is None]
    keys = [group for group, _ in expected if group is not None]

    found = await bank.books.usage_sums(town.bob.reader, wanted, [Part.TOTALS, Part.KEYS])

    assert list(found[Part.KEYS]) == in_sessions + keys[:100]
    [(_, everything)] = grouped(
        matching([*town.records, *records], wanted.filter), wanted, Part.TOTALS
    )
    assert found[Part.TOTALS] == {0: replace(sums_of(everything), provider_cost=0)}


async def test_parts_of_a_summary_are_of_one_moment(bank: Bank, town: Town) -> None:
    count = text("SELECT count(*) FROM tallystick.usage_records")
    more = Making(9, START, END).records(town.ada.account_id, 50)

    async with bank.books.engines.reading(town.eve.admin, in_one_snapshot=True) as session:
        connection = await session.connection()
        before = (await connection.execute(count)).scalar_one()
        await put(bank, more)
        after = (await connection.execute(count)).scalar_one()

    assert before == after == len(town.records)


async def test_a_key_sums_up_what_it_asked(bank: Bank) -> None:
    customer = await bank.customer(1_000)
    program = await make_program(bank, customer, budget=500)
    await bank.answer(customer.purse, 100, 10)
    await bank.answer(program.purse, 100, 20, key=program.id.number)
    now = datetime.now(UTC)  # noqa: TID251 - of the test
    wanted = SummaryWanted(
        filter=UsageFilter(account_id=customer.account_id, span=Span(START, now + timedelta(1))),
        starts=(START,),
    )

    for _ in range(2):
        found = await bank.books.usage_sums(program.reader, wanted, PARTS)
        latencies = await bank.books.usage_latencies(program.reader, wanted, PARTS)

        assert found[Part.TOTALS][0].charged == 20
        assert list(found[Part.KEYS]) == list(latencies[Part.KEYS]) == [program.id]
        await bank.folding.fold()
