"""The price book: models and what they cost, now and before."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Text, any_, func, literal
from sqlmodel import col, select

from domain.money import MicroUSD
from domain.pricing import Model, Price, ProviderRates
from domain.reporting import Reader
from domain.units import Microcredits, ModelId, PriceId
from persistence.books_reads import Reads
from persistence.tables import ModelRow, PriceRow


class PriceReads(Reads):
    """Reads models and prices; all but the earlier prices are public."""

    __slots__ = ()

    async def models(self, *, enabled_only: bool) -> list[Model]:
        newest = (
            select(func.max(PriceRow.id))
            .where(PriceRow.model_id == ModelRow.id)
            .correlate(ModelRow)
            .scalar_subquery()
        )
        query = (
            select(ModelRow, PriceRow)
            .join(PriceRow, col(PriceRow.id) == newest)
            .order_by(col(ModelRow.is_default).desc(), col(ModelRow.name), col(ModelRow.id))
        )
        if enabled_only:
            query = query.where(col(ModelRow.is_enabled))
        async with self.engines.reading_publicly() as session:
            return [_model(model, price) for model, price in await session.exec(query)]

    async def prices(self, ids: Sequence[PriceId]) -> dict[PriceId, Price]:
        query = select(PriceRow).where(col(PriceRow.id) == any_(literal(ids, ARRAY(BigInteger))))
        async with self.engines.reading_publicly() as session:
            found = [_price(row) for row in await session.exec(query)]
        return {price.id: price for price in found}

    async def price_history(
        self, reader: Reader, models: Sequence[ModelId]
    ) -> dict[ModelId, list[Price]]:
        query = (
            select(PriceRow)
            .where(col(PriceRow.model_id) == any_(literal(models, ARRAY(Text))))
            .order_by(col(PriceRow.id).desc())
        )
        found: dict[ModelId, list[Price]] = {}
        async with self.engines.reading(reader) as session:
            for row in await session.exec(query):
                found.setdefault(ModelId(row.model_id), []).append(_price(row))
        return {model_id: prices[1:] for model_id, prices in found.items()}


def _model(row: ModelRow, price: PriceRow) -> Model:
    return Model(
        id=ModelId(row.id),
        name=row.name,
        vendor=row.vendor,
        upstream_name=row.upstream_name,
        context_window=row.context_window,
        answer_tokens_max=row.answer_tokens_max,
        is_default=row.is_default,
        enabled=row.is_enabled,
        price=_price(price),
    )


def _price(row: PriceRow) -> Price:
    return Price(
        id=PriceId(row.id),
        input_per_1k=Microcredits(row.input_per_1k),
        cached_input_per_1k=Microcredits(row.cached_input_per_1k),
        output_per_1k=Microcredits(row.output_per_1k),
        per_request=Microcredits(row.per_request),
        provider=_provider_rates(row),
        effective_from=row.effective_from,
    )


def _provider_rates(row: PriceRow) -> ProviderRates | None:
    rates = (
        row.provider_input_per_1m,
        row.provider_cached_input_per_1m,
        row.provider_output_per_1m,
    )
    match rates:
        case (int(fresh), int(cached), int(output)):
            return ProviderRates(
                input_per_1m=MicroUSD(fresh),
                cached_input_per_1m=MicroUSD(cached),
                output_per_1m=MicroUSD(output),
            )
        case _:
            return None
