"""Where credits are shown as budgets: at the LiteLLM proxy that is configured, or nowhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.litellm import LiteLLMKeys
from app.settings import Settings
from domain.budget_mirroring import AvailableCredits, BudgetMirroring
from domain.outside import Clock
from schema.ids import account_named


@asynccontextmanager
async def opened_mirror(
    settings: Settings, credits_of: AvailableCredits, clock: Clock
) -> AsyncIterator[BudgetMirroring | None]:
    """The mirror of these settings, until this is left; it connects when it is first used."""
    if (
        settings.litellm_url is None
        or settings.litellm_master_key is None
        or settings.litellm_usd_per_credit is None
    ):
        yield None
        return
    keys = LiteLLMKeys.connecting(
        url=settings.litellm_url,
        master_key=settings.litellm_master_key.get_secret_value(),
        account_named=account_named,
    )
    try:
        yield BudgetMirroring(
            keys=keys,
            credits=credits_of,
            usd_per_credit=settings.litellm_usd_per_credit,
            every_seconds=settings.litellm_every_seconds,
            clock=clock,
        )
    finally:
        await keys.aclose()
