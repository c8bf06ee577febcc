"""Programs that call with API keys."""

from dataclasses import dataclass
from uuid import UUID

from domain.budgets import BudgetPeriod, BudgetTerms
from domain.identity import Scope
from domain.key_texts import KeySecret
from domain.keys import KeyFunding, NewKey
from domain.reporting import Reader
from domain.units import ApiKeyId, Microcredits, ModelId, PurseId
from tests.persistence.bank import Bank, Customer

CONTEXT = """
SELECT context_id FROM tallystick.api_keys WHERE account_id = $1 AND key_number = $2
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A key, its text, and what it reads as."""

    id: ApiKeyId
    text: str
    context_id: UUID
    funding: KeyFunding

    @property
    def reader(self) -> Reader:
        return Reader(self.context_id)

    @property
    def purse(self) -> PurseId:
        return self.id.purse if self.funding is KeyFunding.OWN else PurseId(self.id.account_id)


async def make_program(
    bank: Bank,
    customer: Customer,
    *,
    name: str = "a program",
    funding: KeyFunding = KeyFunding.ACCOUNT,
    budget: int | None = None,
    period: BudgetPeriod = BudgetPeriod.MONTH,
    models: tuple[ModelId, ...] | None = None,
) -> Program:
    """A key of a customer's, which may do everything a key can."""
    secret = KeySecret.new()
    number = await bank.key_ring.create(
        customer.session_id,
        NewKey(
            name=name,
            scopes=frozenset(Scope),
            funding=funding,
            budget=None if budget is None else BudgetTerms(Microcredits(budget), period),
            allowed_models=models,
        ),
        secret_hash=secret.hash,
        secret_start=secret.start,
    )
    key_id = ApiKeyId(customer.account_id, number)
    context_id = await bank.owner.fetchval(CONTEXT, key_id.account_id, number)
    return Program(key_id, secret.text(key_id), context_id, funding)
