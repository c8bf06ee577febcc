"""The price book, and how administrators change it."""

from domain.pricing import Model, Rates
from domain.recharging import ModelChange
from domain.units import ModelId
from resolvers.context import Context


async def askable(context: Context) -> list[Model]:
    """Models that can be asked now, for everybody to see."""
    return await context.services.books.models(enabled_only=True)


async def every(context: Context) -> list[Model]:
    """All models, disabled ones included, for administrators."""
    context.admin_reader()
    return await context.services.books.models(enabled_only=False)


async def save(context: Context, change: ModelChange) -> None:
    await context.services.recharging.save_model(context.signed_in, change)


async def set_price(context: Context, model_id: ModelId, rates: Rates) -> None:
    await context.services.recharging.set_price(context.signed_in, model_id, rates)
