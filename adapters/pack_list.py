"""The packs in packs.toml: what can be bought, and for how much."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters import settings_file
from adapters.settings_file import Table
from domain.money import MINOR_PER_UNIT, Currency, Money, parse_credits, parse_money, parse_usd
from domain.packs import CreditPack, PackPrice, converted
from domain.units import NO_CREDITS, Microcredits, PackId

CREDITS_MAX: Final = Microcredits(10**12 * 1_000_000)
MINOR_MAX: Final = 100_000_000
"""A million units of a currency: more is a slip of the pen."""
DAYS_MAX: Final = 36_600
_PACK_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def read_packs(path: Path) -> tuple[CreditPack, ...]:
    """The packs of a list that are enabled, in its order.

    Raises SettingsFileError, which names the table and the key and says what to write.
    """
    top = settings_file.read(path)
    top.only("credits_per_usd_cent", "kes_per_usd", "packs")
    per_cent = _credits(top, "credits_per_usd_cent") if top.has("credits_per_usd_cent") else None
    rate = _rate(top) if top.has("kes_per_usd") else None
    packs = top.table("packs")
    return tuple(
        _pack(packs.table(name), name, per_cent, rate)
        for name in packs
        if packs.table(name).flag("enabled", default=True)
    )


def _pack(table: Table, name: str, per_cent: Microcredits | None, rate: int | None) -> CreditPack:
    if not _PACK_ID.fullmatch(name):
        raise table.error(
            "a pack's id is 1 to 64 lower-case letters, digits and . _ -, "
            "and begins with a letter or a digit."
        )
    table.only(
        "name", "price", "credits", "bonus_credits", "valid_days", "bonus_valid_days", "enabled"
    )
    prices = _prices(table, rate)
    valid_days = _days(table, "valid_days")
    return CreditPack(
        id=PackId(name),
        name=table.text("name"),
        credits=_paid_credits(table, prices, per_cent),
        bonus=_credits(table, "bonus_credits") if table.has("bonus_credits") else NO_CREDITS,
        valid_days=valid_days,
        bonus_valid_days=_days(table, "bonus_valid_days") or valid_days,
        prices=prices,
    )


def _prices(table: Table, rate: int | None) -> Mapping[Currency, PackPrice]:
    listed = table.table("price")
    listed.only(*Currency)
    prices = {}
    for currency in Currency:
        if listed.has(currency):
            prices[currency] = PackPrice(_money(listed, currency))
    if not prices:
        raise listed.error("at least one price is needed, such as { USD = 5.00 }.")
    if rate is not None and Currency.KES not in prices and Currency.USD in prices:
        prices[Currency.KES] = converted(prices[Currency.USD].money, kes_per_usd=rate)
    return prices


def _money(table: Table, currency: Currency) -> Money:
    try:
        money = parse_money(table.number_text(currency), currency)
    except ValueError as error:
        raise table.error(f"{currency}: {error}") from error
    if not 0 < money.minor <= MINOR_MAX:
        raise table.error(f"{currency} has to be more than 0 and at most {MINOR_MAX // 100}.")
    if currency is Currency.KES and money.minor % MINOR_PER_UNIT:
        raise table.error("KES has to be whole shillings: M-Pesa moves no cents.")
    return money


def _paid_credits(
    table: Table, prices: Mapping[Currency, PackPrice], per_cent: Microcredits | None
) -> Microcredits:
    if table.has("credits"):
        return _credits(table, "credits")
    if per_cent is None or Currency.USD not in prices:
        raise table.error(
            "credits is missing: without it a pack needs a price in USD, and the list "
            "credits_per_usd_cent."
        )
    worth = Microcredits(prices[Currency.USD].money.minor * per_cent)
    if worth > CREDITS_MAX:
        raise table.error(f"this would bring more than {CREDITS_MAX // 1_000_000} credits.")
    return worth


def _credits(table: Table, key: str) -> Microcredits:
    try:
        amount = parse_credits(table.number_text(key))
    except ValueError as error:
        raise table.error(f"{key}: {error}") from error
    if not 0 < amount <= CREDITS_MAX:
        raise table.error(f"{key} has to be more than 0 and at most {CREDITS_MAX // 1_000_000}.")
    return amount


def _rate(table: Table) -> int:
    try:
        rate = parse_usd(table.number_text("kes_per_usd"))
    except ValueError as error:
        raise table.error(f"kes_per_usd: {error}") from error
    if rate <= 0:
        raise table.error("kes_per_usd has to be more than 0.")
    return rate


def _days(table: Table, key: str) -> int | None:
    return table.whole(key, least=1, most=DAYS_MAX) if table.has(key) else None
