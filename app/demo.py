"""The accounts a newcomer finds: one that asks, and one that recharges it."""

from dataclasses import dataclass
from typing import Final

from domain.identity import Role
from domain.signing_in import Accounts
from domain.units import AccountId, Microcredits

USER_EMAIL: Final = "user@demo.test"
ADMIN_EMAIL: Final = "admin@demo.test"
"""Under .test, where nobody can receive mail: no later way to sign in leads to these."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account that `tallystick up` makes when it is missing."""

    email: str
    display_name: str
    role: Role


DEMO_ACCOUNTS: Final = (
    DemoAccount(USER_EMAIL, "Demo user", Role.USER),
    DemoAccount(ADMIN_EMAIL, "Demo administrator", Role.ADMIN),
)


async def open_account(
    accounts: Accounts, account: DemoAccount, *, sign_up_credits: Microcredits
) -> AccountId:
    """Make it with its sign-up credits, or find it as it is."""
    opened = await accounts.open_account(
        email=account.email,
        display_name=account.display_name,
        is_confirmed=True,
        is_demo=True,
        sign_up_credits=sign_up_credits,
    )
    return opened.account_id
