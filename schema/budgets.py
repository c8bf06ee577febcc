"""The most a key may spend."""

from datetime import datetime
from typing import Self

import strawberry

from domain import budgets
from domain.units import Microcredits
from schema.enums import BudgetPeriod


@strawberry.type(
    description="The most a key may spend in a period, and how far it has come.",
)
class KeyBudget:
    limit: Microcredits
    period: BudgetPeriod
    used: Microcredits = strawberry.field(description="Charged plus held in the current period.")
    resets_at: datetime | None = strawberry.field(
        description="Start of the next period (UTC); null when period is LIFETIME."
    )

    @classmethod
    def of(cls, budget: budgets.KeyBudget) -> Self:
        return cls(
            limit=budget.limit,
            period=budget.period,
            used=budget.used,
            resets_at=budget.resets_at,
        )


@strawberry.input(description="A budget for a key.")
class KeyBudgetInput:
    limit: Microcredits
    period: BudgetPeriod = budgets.BudgetPeriod.MONTH

    def terms(self) -> budgets.BudgetTerms:
        return budgets.BudgetTerms(self.limit, self.period)
