"""Usage records by the thousand, written past the ledger: for what only reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from domain.answers import UsageOutcome, UsageRecord
from domain.errors import ProblemCode
from domain.reporting import UsageFilter
from domain.units import (
    AccountId,
    KeyNumber,
    Microcredits,
    ModelId,
    Moment,
    PriceId,
    PurseId,
    UsageId,
)
from persistence.books_pages import moment_at
from tests.persistence.bank import Bank

COLUMNS = (
    "account_id", "moment", "key_number", "api_key_number", "answer_moment", "attempt", "outcome",
    "model_id", "price_id", "input_tokens", "cached_input_tokens", "output_tokens", "is_estimated",
    "charged", "latency_ms", "first_token_ms", "problem_code", "provider_cost",
)  # fmt: skip
_OUTCOMES = tuple(UsageOutcome)
_WEIGHTS = (80, 8, 6, 6)


@dataclass(slots=True)
class Making:
    """Makes records that have one of everything, the same ones each time."""

    seed: int
    start: datetime
    end: datetime
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - nothing is kept secret by it

    def records(self, account_id: AccountId, count: int, *, keys: int = 3) -> list[UsageRecord]:
        moments = {
            self.random.randrange(moment_at(self.start), moment_at(self.end)) for _ in range(count)
        }
        return [self._record(account_id, Moment(each), keys) for each in sorted(moments)]

    def _record(self, account_id: AccountId, moment: Moment, keys: int) -> UsageRecord:
        random = self.random
        outcome = random.choices(_OUTCOMES, _WEIGHTS)[0]
        is_charged = outcome in {UsageOutcome.SUCCEEDED, UsageOutcome.CANCELED}
        is_called = outcome is not UsageOutcome.REFUSED
        latency_ms = int(random.lognormvariate(7, 1.2)) if is_called else None
        return UsageRecord(
            id=UsageId(PurseId(account_id), moment),
            answer_id=None,
            attempt=random.choice((1, 1, 1, 2)),
            outcome=outcome,
            model_id=ModelId(random.choice(("small", "large"))),
            price_id=PriceId(1),
            api_key_number=KeyNumber(random.randrange(keys)),
            input_tokens=random.randrange(10_000) if is_called else 0,
            cached_input_tokens=0,
            output_tokens=random.randrange(2_000) if is_called else 0,
            is_estimated=False,
            charged=Microcredits(random.randrange(10**7) if is_charged else 0),
            latency_ms=latency_ms,
            first_token_ms=(
                None if latency_ms is None or random.random() < 0.3 else latency_ms // 4
            ),
            problem_code=None if is_charged else ProblemCode.PROVIDER_FAILED,
            provider_cost=random.choice((None, random.randrange(10**6))) if is_called else None,
        )


async def put(bank: Bank, records: Sequence[UsageRecord]) -> None:
    """Write records, and make the months they are in."""
    if not records:
        return
    moments = [record.id.moment for record in records]
    await bank.owner.execute(
        "SELECT tallystick.ensure_partitions(to_timestamp($1::bigint / 1000000),"
        " to_timestamp($2::bigint / 1000000))",
        min(moments),
        max(moments),
    )
    await bank.owner.copy_records_to_table(
        "usage_records", schema_name="tallystick", columns=COLUMNS, records=_rows(records)
    )


def _rows(records: Iterable[UsageRecord]) -> list[tuple[object, ...]]:
    return [
        (
            record.id.purse.account_id, record.id.moment, record.id.purse.key_number,
            record.api_key_number, None, record.attempt, record.outcome.value, record.model_id,
            record.price_id, record.input_tokens, record.cached_input_tokens, record.output_tokens,
            record.is_estimated, record.charged, record.latency_ms, record.first_token_ms,
            None if record.problem_code is None else record.problem_code.value,
            record.provider_cost,
        )
        for record in records
    ]  # fmt: skip


def matching(records: Iterable[UsageRecord], wanted: UsageFilter) -> list[UsageRecord]:
    """The records that a filter lets through, one looked at after the other."""
    span = wanted.span
    assert span is not None
    assert span.end is not None
    start, end = moment_at(span.start), moment_at(span.end)
    return [
        record
        for record in records
        if start <= record.id.moment < end
        and wanted.account_id in {None, record.id.purse.account_id}
        and wanted.model_id in {None, record.model_id}
        and (
            wanted.api_key is None
            or (wanted.api_key.account_id, wanted.api_key.number)
            == (record.id.purse.account_id, record.api_key_number)
        )
        and (wanted.outcomes is None or record.outcome in wanted.outcomes)
    ]
