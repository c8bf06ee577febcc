"""Models that can be asked, and what they cost."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import strawberry

import resolvers.lookups
from domain.pricing import Model as ListedModel
from domain.pricing import Price, Rates
from domain.recharging import ModelChange
from domain.units import Microcredits, ModelId, PriceId
from schema.ids import price_name
from schema.inputs import given
from schema.lookups import Lookups
from schema.permissions import IsAdmin
from schema.problems import Conflict, InvalidInput, NotFound


@strawberry.type(description="A price never changes; a new price replaces it.")
class ModelPrice:
    id: strawberry.ID
    input_per_1k: Microcredits = strawberry.field(name="inputPer1K")
    cached_input_per_1k: Microcredits = strawberry.field(name="cachedInputPer1K")
    output_per_1k: Microcredits = strawberry.field(name="outputPer1K")
    per_request: Microcredits = strawberry.field(description="Added once to every charged call.")
    effective_from: datetime

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls(
            id=price_name(price.id),
            input_per_1k=price.input_per_1k,
            cached_input_per_1k=price.cached_input_per_1k,
            output_per_1k=price.output_per_1k,
            per_request=price.per_request,
            effective_from=price.effective_from,
        )

    @classmethod
    async def of_id(cls, price_id: PriceId, lookups: Lookups) -> Self:
        return cls.of(resolvers.lookups.present(await lookups.prices.load(price_id)))


@strawberry.type(description="A model that can be asked, with its limits and price.")
class Model:
    lookups: strawberry.Private[Lookups]
    id: strawberry.ID = strawberry.field(
        description=('A readable, stable name such as "gpt-4o-mini". Use it as `model` in askAI.')
    )
    name: str
    vendor: str = strawberry.field(description="Who runs the model.")
    is_default: bool
    enabled: bool
    context_window: int
    max_output_tokens: int
    price: ModelPrice

    @classmethod
    def of(cls, model: ListedModel, lookups: Lookups) -> Self:
        return cls(
            lookups=lookups,
            id=strawberry.ID(model.id),
            name=model.name,
            vendor=model.vendor,
            is_default=model.is_default,
            enabled=model.enabled,
            context_window=model.context_window,
            max_output_tokens=model.answer_tokens_max,
            price=ModelPrice.of(model.price),
        )

    @classmethod
    async def of_id(cls, model_id: ModelId, lookups: Lookups) -> Self:
        model = resolvers.lookups.present(await lookups.models.load(model_id))
        return cls.of(model, lookups)

    @strawberry.field(description="Earlier prices, newest first.", permission_classes=[IsAdmin])
    async def price_history(self) -> list[ModelPrice] | None:
        earlier = await self.lookups.price_histories.load(ModelId(self.id))
        return [ModelPrice.of(price) for price in earlier]


@strawberry.input(description="A price, in credits.")
class ModelPriceInput:
    input_per_1k: Microcredits = strawberry.field(name="inputPer1K")
    output_per_1k: Microcredits = strawberry.field(name="outputPer1K")
    cached_input_per_1k: Microcredits | None = strawberry.field(
        name="cachedInputPer1K",
        description="inputPer1K when left out.",
        default=strawberry.UNSET,
    )
    per_request: Microcredits = Microcredits(0)

    def rates(self) -> Rates:
        cached = given(self.cached_input_per_1k)
        return Rates(
            input_per_1k=self.input_per_1k,
            cached_input_per_1k=self.input_per_1k if cached is None else cached,
            output_per_1k=self.output_per_1k,
            per_request=self.per_request,
        )


@strawberry.input(
    description="Fields left out stay as they are; a new model needs all but isDefault."
)
class SaveModelInput:
    id: strawberry.ID
    name: str | None = strawberry.UNSET
    vendor: str | None = strawberry.UNSET
    upstream_name: str | None = strawberry.field(
        description="The model's name at the provider. Never shown to users.",
        default=strawberry.UNSET,
    )
    context_window: int | None = strawberry.UNSET
    max_output_tokens: int | None = strawberry.UNSET
    enabled: bool | None = strawberry.UNSET
    is_default: bool | None = strawberry.UNSET
    price: ModelPriceInput | None = strawberry.field(
        description="Needed for a new model.", default=strawberry.UNSET
    )

    def change(self) -> ModelChange:
        price = given(self.price)
        return ModelChange(
            id=ModelId(self.id),
            name=given(self.name),
            vendor=given(self.vendor),
            upstream_name=given(self.upstream_name),
            context_window=given(self.context_window),
            answer_tokens_max=given(self.max_output_tokens),
            is_enabled=given(self.enabled),
            is_default=given(self.is_default),
            rates=price.rates() if price else None,
        )


@strawberry.input(description="For setModelPrice.")
class SetModelPriceInput:
    model_id: strawberry.ID
    price: ModelPriceInput


@strawberry.type(description="The saved model.")
class SaveModelSuccess:
    model: Model


@strawberry.type(description="The model with its new price.")
class SetModelPriceSuccess:
    model: Model


SaveModelResult: TypeAlias = Annotated[
    SaveModelSuccess | InvalidInput | Conflict,
    strawberry.union("SaveModelResult", description="Outcome of saveModel."),
]
SetModelPriceResult: TypeAlias = Annotated[
    SetModelPriceSuccess | InvalidInput | NotFound,
    strawberry.union("SetModelPriceResult", description="Outcome of setModelPrice."),
]
