"""Usage in numbers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self

import strawberry
from strawberry.dataloader import DataLoader

import schema.keys
from domain import summarizing
from domain.errors import InvalidInput
from domain.money import MicroUSD
from domain.summarizing import WHOLE, Group, Latencies, Part, Series, Sums
from domain.units import ApiKeyId, Microcredits, ModelId
from resolvers.context import Context
from resolvers.usage_summaries import SummaryAsked
from schema.enums import TimeBucket
from schema.filters import TimeRange
from schema.inputs import given
from schema.lazy import LazyApiKey
from schema.lookups import Lookups
from schema.models import Model
from schema.pages import BadRequest
from schema.permissions import IsAdmin
from schema.problems import api_name
from schema.scalars import Count


class Reading:
    """The parts of one summary, each read when it is asked for.

    Those that one document asks for together are read together, as of one moment; what nobody asks
    for costs nothing.
    """

    def __init__(self, asked: SummaryAsked, lookups: Lookups) -> None:
        self.asked = asked
        self.lookups = lookups
        self.sums = DataLoader(self._load_sums)
        self.latencies = DataLoader(self._load_latencies)

    async def _load_sums(self, parts: list[Part]) -> Sequence[Mapping[Group, Sums] | BaseException]:
        found = await self.asked.sums(parts)
        return [found[part] for part in parts]

    async def _load_latencies(
        self, parts: list[Part]
    ) -> Sequence[Mapping[Group, Latencies] | BaseException]:
        found = await self.asked.latencies(parts)
        return [found[part] for part in parts]


@strawberry.type(
    description="Over successful attempts; the parent field is null when there were none."
)
class Latency:
    average: int
    p50: int
    p95: int

    @classmethod
    def of(cls, latency: summarizing.Latency | None) -> Self | None:
        if latency is None:
            return None
        return cls(average=latency.average, p50=latency.p50, p95=latency.p95)


@strawberry.type(description="Sums and percentiles over a set of attempts.")
class UsageTotals:
    reading: strawberry.Private[Reading]
    lookups: strawberry.Private[Lookups]
    part: strawberry.Private[Part]
    group: strawberry.Private[Group]
    sums: strawberry.Private[Sums]
    attempts: Count
    succeeded: Count
    failed: Count
    input_tokens: Count
    output_tokens: Count
    charged: Microcredits

    @classmethod
    def of(cls, sums: Sums, reading: Reading, part: Part, group: Group) -> Self:
        return cls(
            reading=reading,
            lookups=reading.lookups,
            part=part,
            group=group,
            sums=sums,
            attempts=Count(sums.attempts),
            succeeded=Count(sums.succeeded),
            failed=Count(sums.failed),
            input_tokens=Count(sums.input_tokens),
            output_tokens=Count(sums.output_tokens),
            charged=sums.charged,
        )

    @classmethod
    async def of_whole(cls, reading: Reading) -> Self:
        """The totals of everything a summary is of."""
        sums = (await reading.sums.load(Part.TOTALS)).get(WHOLE, Sums())
        return cls.of(sums, reading, Part.TOTALS, WHOLE)

    @strawberry.field
    async def latency_ms(self) -> Latency | None:
        return Latency.of((await self._latencies()).whole)

    @strawberry.field
    async def first_token_ms(self) -> Latency | None:
        return Latency.of((await self._latencies()).first_token)

    async def _latencies(self) -> Latencies:
        if self.sums.succeeded == 0:
            return Latencies()
        return (await self.reading.latencies.load(self.part)).get(self.group, Latencies())

    @strawberry.field(description="In USD.", permission_classes=[IsAdmin])
    def provider_cost(self) -> MicroUSD | None:
        return MicroUSD(self.sums.provider_cost)


@strawberry.type(description="One point of the time series.")
class UsageBucket:
    start: datetime
    totals: UsageTotals


@strawberry.type(description="Totals of one model.")
class ModelUsage:
    lookups: strawberry.Private[Lookups]
    model_id: strawberry.Private[ModelId]
    totals: UsageTotals

    @strawberry.field
    async def model(self) -> Model:
        return await Model.of_id(self.model_id, self.lookups)


@strawberry.type(description="Totals of one API key.")
class ApiKeyUsage:
    lookups: strawberry.Private[Lookups]
    key_id: strawberry.Private[ApiKeyId | None]
    totals: UsageTotals

    @strawberry.field
    async def api_key(self) -> LazyApiKey | None:
        return await schema.keys.ApiKey.of_id(self.key_id, self.lookups)


@strawberry.type(
    description=(
        "Usage in numbers. Ask only for the breakdowns you need: each one asked for is one "
        "more query."
    )
)
class UsageSummary:
    reading: strawberry.Private[Reading]

    @classmethod
    def of(cls, asked: SummaryAsked, lookups: Lookups) -> Self:
        return cls(reading=Reading(asked, lookups))

    @strawberry.field
    async def totals(self) -> UsageTotals:
        return await UsageTotals.of_whole(self.reading)

    @strawberry.field(description="Every bucket in the range, empty ones included.")
    async def buckets(self) -> list[UsageBucket]:
        found = await self.reading.sums.load(Part.BUCKETS)
        return [
            UsageBucket(start=start, totals=self._totals(found.get(n, Sums()), Part.BUCKETS, n))
            for n, start in enumerate(self.reading.asked.starts)
        ]

    @strawberry.field
    async def by_model(self) -> list[ModelUsage]:
        found = await self.reading.sums.load(Part.MODELS)
        return [
            ModelUsage(
                lookups=self.reading.lookups,
                model_id=ModelId(group),
                totals=self._totals(sums, Part.MODELS, group),
            )
            for group, sums in found.items()
            if isinstance(group, str)
        ]

    @strawberry.field(description="The key is null for calls made with a session.")
    async def by_api_key(self) -> list[ApiKeyUsage]:
        found = await self.reading.sums.load(Part.KEYS)
        return [
            ApiKeyUsage(
                lookups=self.reading.lookups,
                key_id=group,
                totals=self._totals(sums, Part.KEYS, group),
            )
            for group, sums in found.items()
            if group is None or isinstance(group, ApiKeyId)
        ]

    def _totals(self, sums: Sums, part: Part, group: Group) -> UsageTotals:
        return UsageTotals.of(sums, self.reading, part, group)


def series_of(range_: TimeRange, bucket: TimeBucket, time_zone: str) -> Series:
    return Series(start=range_.from_, end=given(range_.to), bucket=bucket, time_zone=time_zone)


def summary(ask: Callable[[Context], SummaryAsked], lookups: Lookups) -> UsageSummary:
    """A summary that can be read; raises BadRequest for a range or a zone that cannot be."""
    try:
        return UsageSummary.of(ask(lookups.context), lookups)
    except InvalidInput as error:
        raise BadRequest(
            " ".join(
                f"`{'.'.join(api_name(part) for part in issue.path)}`: {issue.message}"
                for issue in error.issues
            )
        ) from error
