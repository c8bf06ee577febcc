"""Administrators block accounts and lift the block."""

from typing import Annotated, TypeAlias

import strawberry

import resolvers.accounts
from domain.errors import NotFound as NotThere
from domain.units import AccountId
from schema.accounts import Account
from schema.ids import account_named
from schema.info import Info
from schema.lookups import Lookups
from schema.permissions import IsAdmin
from schema.problems import Conflict, InvalidInput, NotFound


@strawberry.input(description="For suspendAccount.")
class SuspendAccountInput:
    account_id: strawberry.ID
    reason: str


@strawberry.input(description="For reinstateAccount.")
class ReinstateAccountInput:
    account_id: strawberry.ID
    reason: str


@strawberry.type(description="The account with its new status.")
class AccountStatusSuccess:
    account: Account


AccountStatusResult: TypeAlias = Annotated[
    AccountStatusSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union(
        "AccountStatusResult",
        description=(
            "Outcome of suspendAccount and reinstateAccount; an administrator cannot suspend "
            "themselves (Conflict)."
        ),
    ),
]


@strawberry.type
class StatusMutation:
    """The part of the root that changes the status of accounts."""

    @strawberry.mutation(
        description=(
            "Block an account: its sessions and keys stop working at once, its ledger stays."
        ),
        permission_classes=[IsAdmin],
    )
    async def suspend_account(
        self, info: Info, input: SuspendAccountInput
    ) -> AccountStatusResult | None:
        account_id = _account(input.account_id)
        await resolvers.accounts.suspend(info.context, account_id, reason=input.reason)
        return await _changed(account_id, info)

    @strawberry.mutation(description="Lift a suspension.", permission_classes=[IsAdmin])
    async def reinstate_account(
        self, info: Info, input: ReinstateAccountInput
    ) -> AccountStatusResult | None:
        account_id = _account(input.account_id)
        await resolvers.accounts.reinstate(info.context, account_id, reason=input.reason)
        return await _changed(account_id, info)


async def _changed(account_id: AccountId, info: Info) -> AccountStatusSuccess:
    return AccountStatusSuccess(account=await Account.of_id(account_id, Lookups(info.context)))


def _account(name: str) -> AccountId:
    account_id = account_named(name)
    if account_id is None:
        raise NotThere("account")
    return account_id
