"""Whatever is wrong with API keys and budgets, verify names the row."""

import asyncpg
import pytest

from domain.keys import KeyFunding
from domain.ledger import Once
from domain.units import Microcredits
from persistence.verifying import verify
from tests.persistence.bank import Bank
from tests.persistence.damages import DAMAGES_OF_KEYS, Damage
from tests.persistence.programs import make_program


@pytest.mark.parametrize("damage", DAMAGES_OF_KEYS, ids=lambda damage: damage.done)
async def test_what_is_wrong_is_named(bank: Bank, damage: Damage) -> None:
    scene = await _scene(bank)
    assert (await verify(bank.url)).is_clean
    connection = await asyncpg.connect(
        bank.url,
        server_settings={"session_replication_role": "replica", "search_path": "tallystick"},
    )
    await connection.execute(damage.done)
    await connection.close()

    report = await verify(bank.url)

    rows = [
        difference.row
        for finding in report.findings
        if finding.promise == damage.promise
        for difference in finding.differences
    ]
    assert damage.row.format_map(scene) in rows


async def _scene(bank: Bank) -> dict[str, object]:
    """A customer with a key under a budget, one with credits of its own, and one that is over."""
    customer = await bank.customer(1_000)
    limited = await make_program(bank, customer, budget=500)
    own = await make_program(bank, customer, funding=KeyFunding.OWN)
    revoked = await make_program(bank, customer, funding=KeyFunding.OWN)
    for program in (own, revoked):
        await bank.key_ring.fund(
            customer.session_id,
            program.id,
            Microcredits(200),
            Once.of("fundApiKey", str(program.id.number)),
        )
    await bank.answer(limited.purse, 100, 40, key=limited.id.number)
    await bank.answer(own.purse, 100, 40, key=own.id.number)
    taken = await bank.ask(limited.purse, 70, key=limited.id.number)
    await bank.key_ring.revoke(customer.session_id, revoked.id)
    return {"account": customer.account_id, "open": taken.hold_id.moment}
