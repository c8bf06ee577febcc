"""What many accounts can spend, asked at once."""

from domain.units import AccountId
from persistence.available import PostgresAvailable
from persistence.pools import pool_of
from persistence.roles import Login, url_of
from tests.persistence.bank import SUSPEND, Bank


async def test_available_is_what_is_not_held_by_accounts_that_may_act(
    bank: Bank, deployment_secret: str
) -> None:
    rich, suspended, poor = [await bank.customer(given) for given in (10, 20, 0)]
    await bank.ask(rich.purse, 4)
    await bank.owner.execute(SUSPEND, suspended.account_id)
    nobody = AccountId(999_999)
    url = url_of(Login.WORKER, bank.url, secret=deployment_secret)

    async with pool_of(Login.WORKER, url, connections_max=1) as pool:
        found = await PostgresAvailable(pool).available(
            [rich.account_id, suspended.account_id, poor.account_id, nobody]
        )

    assert found == {rich.account_id: 6, suspended.account_id: 0, poor.account_id: 0}
