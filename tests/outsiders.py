"""Nobody from outside, for tests that are about others."""

from uuid import UUID

from app.clock import SystemClock
from app.outside_callers import OutsideCallers
from app.outside_tokens import OutsideTokens
from domain.outside_identity import OutsideIdentity, OutsideToken
from domain.signing_in import AccountOpened, SessionInForce
from domain.units import Microcredits


class NoOutsiders:
    """Keeps no accounts of people whom somebody else vouches for."""

    async def adopt(
        self, identity: OutsideIdentity, *, sign_up_credits: Microcredits
    ) -> AccountOpened:
        raise AssertionError("nobody comes from outside")

    async def enter(self, token: OutsideToken, *, sign_up_credits: Microcredits) -> bool:
        return False

    async def session_in_force(self, session_id: UUID) -> SessionInForce | None:
        return None


def no_outside_callers() -> OutsideCallers:
    """Believes no issuer but ourselves."""
    return OutsideCallers(
        tokens=OutsideTokens(issuers={}, secret="of no use", clock=SystemClock()),
        sessions=NoOutsiders(),
        accounts=NoOutsiders(),
        sign_up_credits=Microcredits(0),
    )
