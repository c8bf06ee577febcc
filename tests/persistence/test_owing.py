"""Whatever happens to credits while some are owed: none appears, none is lost, debts are paid."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

import pytest

from domain.errors import InsufficientCredits, StateConflict
from domain.keys import KeyFunding
from domain.ledger import HoldTaken, Once
from domain.payments import Reversal, ReversalState
from domain.units import EntryId, KeyNumber, Microcredits, Moment, PurseId
from persistence.verifying import verify
from tests.persistence.bank import ANSWERED, GIVEN_UP, Bank, Customer
from tests.persistence.orders import PACK, Buyer, buyer, dispute, refund
from tests.persistence.programs import Program, make_program
from tests.persistence.test_lots import grant, lapse

STEPS = 30
SWEEPS = ("settle_due_purses", "empty_revoked_keys", "collect_owed")
SUMS = """
SELECT coalesce(sum(amount) FILTER (WHERE kind <> 'CHARGEBACK' AND kind <> 'TRANSFER'), 0)::bigint
  FROM tallystick.entries WHERE account_id = $1
"""
TAKEN_BACK = "SELECT taken_back FROM tallystick.payments WHERE account_id = $1"
TOTALS = """
SELECT sum(total)::bigint AS total, sum(held)::bigint AS held, sum(owed)::bigint AS owed
  FROM tallystick.balances WHERE account_id = $1
"""
LAPSING = """
SELECT key_number, entry_moment FROM tallystick.lots
 WHERE account_id = $1 AND remaining > 0 AND expires_at > now() ORDER BY moment
"""


@dataclass(slots=True)
class Walk:
    """What happens to one account, step by step."""

    bank: Bank
    random: Random
    admin: Customer
    buyer: Buyer
    program: Program
    reversals: dict[str, Reversal] = field(default_factory=dict)
    held: list[HoldTaken] = field(default_factory=list)
    charges: list[EntryId] = field(default_factory=list)

    @property
    def steps(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.dispute, self.dispute, self.refund, self.hold, self.hold, self.end, self.end,
            self.fund, self.revoke, self.give_back, self.lapse, self.grant, self.sweep,
        ]  # fmt: skip

    async def dispute(self) -> None:
        states = (ReversalState.OPEN, ReversalState.LOST, ReversalState.WON)
        known = self.reversals.get("d") or dispute(self.random.choice((500, 250)))
        self.reversals["d"] = replace(known, state=self.random.choice(states))
        await self.buyer.is_told(*self.reversals.values())

    async def refund(self) -> None:
        states = (ReversalState.PENDING, ReversalState.SUCCEEDED, ReversalState.FAILED)
        known = self.reversals.get("r") or refund(self.random.choice((50, 200, 500)))
        self.reversals["r"] = replace(known, state=self.random.choice(states))
        await self.buyer.is_told(*self.reversals.values())

    async def hold(self) -> None:
        purse = self.random.choice((self.buyer.customer.purse, self.program.purse))
        with suppress(InsufficientCredits):
            amount = self.random.randint(1, 400)
            self.held.append(await self.bank.ask(purse, amount, key=KeyNumber(purse.key_number)))

    async def end(self) -> None:
        if not self.held:
            return
        taken = self.held.pop(self.random.randrange(len(self.held)))
        cost = self.random.choice((0, taken.amount // 3, taken.amount))
        if not cost:
            await self.bank.ledger.release(taken.hold_id, GIVEN_UP)
            return
        ended = await self.bank.ledger.capture(taken.hold_id, Microcredits(cost), ANSWERED)
        if ended.charged:
            self.charges.append(EntryId(taken.hold_id.purse, ended.ended_at))

    async def fund(self) -> None:
        once = Once.of("fundApiKey", str(uuid4()))
        amount = Microcredits(self.random.randint(1, 500))
        with suppress(InsufficientCredits, StateConflict):
            session_id = self.buyer.customer.session_id
            await self.bank.key_ring.fund(session_id, self.program.id, amount, once)

    async def revoke(self) -> None:
        if self.random.random() < 0.4:
            await self.bank.key_ring.revoke(self.buyer.customer.session_id, self.program.id)

    async def give_back(self) -> None:
        if not self.charges:
            return
        amount = self.random.choice((None, Microcredits(self.random.randint(1, 60))))
        with suppress(StateConflict):
            await self.bank.office.refund(
                self.admin.session_id,
                self.random.choice(self.charges),
                amount,
                reason="a test",
                once=Once.of("refundCharge", str(uuid4())),
            )

    async def lapse(self) -> None:
        account_id = self.buyer.customer.account_id
        if rows := await self.bank.owner.fetch(LAPSING, account_id):
            number, moment = self.random.choice(rows)
            await lapse(self.bank, EntryId(PurseId(account_id, number), Moment(moment)))

    async def grant(self) -> None:
        await grant(self.bank, self.buyer.customer.purse, self.random.randint(1, 300))

    async def sweep(self) -> None:
        for work in SWEEPS:
            await self.bank.owner.fetchval(f"SELECT tallystick.{work}(100)")

    async def sums(self) -> tuple[Mapping[str, int], int]:
        """What the purses hold in all, and what the lines and the payment leave."""
        account_id = self.buyer.customer.account_id
        totals = await self.bank.owner.fetchrow(TOTALS, account_id)
        assert totals is not None
        brought = await self.bank.owner.fetchval(SUMS, account_id)
        return dict(totals), brought - await self.bank.owner.fetchval(TAKEN_BACK, account_id)


# In four of these, credits lapse under a hold while some are owed.
@pytest.mark.parametrize("seed", [0, 4, 5, 11, 22])
async def test_credits_and_debts_add_up_whatever_lapses_returns_or_is_taken(
    bank: Bank, seed: int
) -> None:
    ada = await buyer(bank, pack=replace(PACK, valid_days=30))
    program = await make_program(bank, ada.customer, funding=KeyFunding.OWN)
    random = Random(seed)  # noqa: S311 - nothing is kept secret by it
    walk = Walk(bank, random, await bank.administrator(), ada, program)
    await ada.is_told()

    for _ in range(STEPS):
        await random.choice(walk.steps)()
        now, due = await walk.sums()
        assert now["total"] - now["owed"] == due
    while walk.held:
        await walk.end()
    for _ in SWEEPS:
        await walk.sweep()

    now, due = await walk.sums()
    assert now["total"] - now["owed"] == due
    assert now["held"] == 0
    # As everybody reads it: what came free pays what is owed before it is anybody's to spend.
    purses = [ada.customer.purse, program.purse]
    shown = (await bank.books.balances(ada.customer.reader, purses)).values()
    total, owed = sum(each.total for each in shown), sum(each.owed for each in shown)
    assert total - owed == due
    assert not (total and owed)
    report = await verify(bank.url)
    assert report.is_clean, report.lines()
