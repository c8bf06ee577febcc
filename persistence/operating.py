"""What only the operator does, from a shell, with the login that migrates."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from domain.errors import NotFound
from domain.identity import Role
from domain.pricing import ModelListing, Rates
from domain.units import ModelId
from persistence.faults import telling_faults
from persistence.roles import OWNER

CONNECT_SECONDS: Final = 5.0

_CURRENT_MODEL: Final = """
SELECT name, vendor, upstream_name, context_window, answer_tokens_max, is_enabled, is_default
  FROM tallystick.models WHERE id = $1
"""
_PUT_MODEL: Final = "SELECT tallystick.put_model($1, $2, $3, $4, $5, $6, $7, $8)"
_CURRENT_PRICE: Final = """
SELECT input_per_1k, cached_input_per_1k, output_per_1k, per_request,
       provider_input_per_1m, provider_cached_input_per_1m, provider_output_per_1m
  FROM tallystick.model_prices WHERE model_id = $1 ORDER BY id DESC LIMIT 1
"""
_PUT_PRICE: Final = """
INSERT INTO tallystick.model_prices (
  model_id, input_per_1k, cached_input_per_1k, output_per_1k, per_request,
  provider_input_per_1m, provider_cached_input_per_1m, provider_output_per_1m)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_NOTE: Final = """
INSERT INTO tallystick.audit_entries (action, target_id, summary) VALUES ('loadModels', $1, $2)
"""


async def set_role(url: str, email: str, role: Role) -> bool:
    """Make an account an administrator, or a user again; whether that changed anything.

    Raises NotFound for an address nobody has.
    """
    async with as_owner(url) as connection:
        account_id = await connection.fetchval("SELECT tallystick.account_of_email($1)", email)
        if account_id is None:
            raise NotFound("account")
        changed: bool = await connection.fetchval(
            "SELECT tallystick.set_role($1, $2)", account_id, role
        )
    return changed


async def load_models(
    url: str, listings: Sequence[ModelListing], *, only_new: bool = False
) -> list[ModelId]:
    """Make the price book say what these listings say; returns the models that changed.

    A price is replaced only where the listing has another one, so loading twice changes nothing.
    Models that are not listed stay as they are; with `only_new`, so do those that are there.
    """
    changed = []
    async with as_owner(url) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tallystick.models'))")
        for listing in listings:
            was_there, told = await _load(connection, listing, only_new=only_new)
            if told:
                verb = "changed" if was_there else "added"
                await connection.execute(_NOTE, listing.id, f"{verb} from the price book's file")
                changed.append(listing.id)
    return changed


async def _load(
    connection: asyncpg.Connection, listing: ModelListing, *, only_new: bool
) -> tuple[bool, bool]:
    """Whether the model was there before, and whether anything about it changed."""
    settings = (
        listing.name,
        listing.vendor,
        listing.upstream_name,
        listing.context_window,
        listing.answer_tokens_max,
        listing.enabled,
        listing.is_default,
    )
    before = await connection.fetchrow(_CURRENT_MODEL, listing.id)
    if before is not None and only_new:
        return True, False
    is_changed = before is None or tuple(before) != settings
    if is_changed:
        await connection.execute(_PUT_MODEL, listing.id, *settings)
    rates = _numbers(listing.rates)
    price = await connection.fetchrow(_CURRENT_PRICE, listing.id)
    if price is None or tuple(price) != rates:
        await connection.execute(_PUT_PRICE, listing.id, *rates)
        is_changed = True
    return before is not None, is_changed


def _numbers(rates: Rates) -> tuple[int | None, ...]:
    provider = rates.provider
    return (
        rates.input_per_1k,
        rates.cached_input_per_1k,
        rates.output_per_1k,
        rates.per_request,
        provider.input_per_1m if provider else None,
        provider.cached_input_per_1m if provider else None,
        provider.output_per_1m if provider else None,
    )


@asynccontextmanager
async def as_owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A PostgreSQL transaction with the rights of the owner of the books."""
    with telling_faults():
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {OWNER}")
                yield connection
        finally:
            await connection.close()
