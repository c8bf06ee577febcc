"""The price book in models.toml: which models can be asked, and at what price."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from adapters import settings_file
from adapters.settings_file import Table
from domain.money import parse_credits, parse_usd
from domain.pricing import RATE_MAX, TOKENS_MAX, ModelListing, ProviderRates, Rates
from domain.units import Microcredits, ModelId

_MODEL_ID: Final = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,63}")

_Amount = TypeVar("_Amount", bound=int)


def read_price_book(path: Path) -> tuple[ModelListing, ...]:
    """The models of a price book, in its order.

    Raises SettingsFileError, which names the table and the key and says what to write.
    """
    top = settings_file.read(path)
    top.only("models")
    models = top.table("models")
    listings = tuple(_listing(models.table(name), name) for name in models)
    defaults = [listing.id for listing in listings if listing.is_default]
    if len(defaults) != 1:
        raise top.error(
            f"exactly one model has to say is_default = true; "
            f"here it is {', '.join(defaults) or 'none'}."
        )
    for listing in listings:
        if listing.is_default and not listing.enabled:
            raise models.table(listing.id).error("the default model has to be enabled.")
    return listings


def _listing(table: Table, name: str) -> ModelListing:
    if not _MODEL_ID.fullmatch(name):
        raise table.error(
            "a model's id is 1 to 64 lower-case letters, digits and . _ : / -, "
            "and begins with a letter or a digit."
        )
    table.only(
        "name", "vendor", "upstream_name", "context_window", "answer_tokens_max", "is_default",
        "enabled", "price", "provider_usd_per_1m",
    )  # fmt: skip
    context_window = table.whole("context_window", least=1, most=TOKENS_MAX)
    return ModelListing(
        id=ModelId(name),
        name=table.text("name"),
        vendor=table.text("vendor"),
        upstream_name=table.text("upstream_name") if table.has("upstream_name") else name,
        context_window=context_window,
        answer_tokens_max=table.whole("answer_tokens_max", least=1, most=context_window),
        is_default=table.flag("is_default", default=False),
        enabled=table.flag("enabled", default=True),
        rates=_rates(table),
    )


def _rates(table: Table) -> Rates:
    price = table.table("price")
    price.only("input_per_1k", "cached_input_per_1k", "output_per_1k", "per_request")
    input_per_1k = _amount(price, "input_per_1k", parse_credits)
    return Rates(
        input_per_1k=input_per_1k,
        cached_input_per_1k=_amount(price, "cached_input_per_1k", parse_credits, input_per_1k),
        output_per_1k=_amount(price, "output_per_1k", parse_credits),
        per_request=_amount(price, "per_request", parse_credits, Microcredits(0)),
        provider=_provider_rates(table),
    )


def _provider_rates(table: Table) -> ProviderRates | None:
    if not table.has("provider_usd_per_1m"):
        return None
    rates = table.table("provider_usd_per_1m")
    rates.only("input", "cached_input", "output")
    input_per_1m = _amount(rates, "input", parse_usd)
    return ProviderRates(
        input_per_1m=input_per_1m,
        cached_input_per_1m=_amount(rates, "cached_input", parse_usd, input_per_1m),
        output_per_1m=_amount(rates, "output", parse_usd),
    )


def _amount(
    table: Table, key: str, parse: Callable[[str], _Amount], default: _Amount | None = None
) -> _Amount:
    if default is not None and not table.has(key):
        return default
    try:
        amount = parse(table.number_text(key))
    except ValueError as error:
        raise table.error(f"{key}: {error}") from error
    if not 0 <= amount <= RATE_MAX:
        raise table.error(f"{key} has to be from 0 to {RATE_MAX // 1_000_000}.")
    return amount
