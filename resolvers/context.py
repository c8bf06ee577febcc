"""On whose behalf a request is answered, and by which services."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from domain.allowing import Allowance, Allowances, network_of
from domain.asking import Asked
from domain.attending import Attending
from domain.balance_changes import BalanceChanges
from domain.canceling import Canceled
from domain.errors import Forbidden, Unauthenticated
from domain.following import Following
from domain.identity import Viewer
from domain.key_keeping import KeyKeeping
from domain.measuring import Measures
from domain.offering import Offer
from domain.outside_identity import GoogleSigningIn
from domain.packs import Assortment
from domain.passwords import SettingPassword
from domain.paying import Started, Wanted
from domain.payment_changes import PaymentChanges
from domain.questions import Question
from domain.recharging import Recharging
from domain.refreshing import Refreshing
from domain.reporting import Books, Reader
from domain.signing_in import SigningIn
from domain.summarizing import Summarizing
from domain.suspending import Suspending
from domain.units import OWN_CREDITS, AnswerId, PaymentId


class Asks(Protocol):
    """Has questions answered: see `domain.asking.Asking`."""

    async def ask(
        self, viewer: Viewer, question: Question, key: str, wait_seconds: float
    ) -> Asked: ...


class Sells(Protocol):
    """Sells credits: see `domain.paying.Paying`."""

    @property
    def assortment(self) -> Assortment: ...

    async def start(self, viewer: Viewer, wanted: Wanted, key: str) -> Started: ...
    async def open_portal(self, viewer: Viewer, return_path: str | None) -> str: ...
    async def look(self, payment_id: PaymentId) -> None: ...


class Cancels(Protocol):
    """Stops answers: see `domain.canceling.Canceling`."""

    async def cancel(self, viewer: Viewer, answer_id: AnswerId) -> Canceled: ...


class FindsCallers(Protocol):
    """Says whose token this is, as it will for the requests to come."""

    async def viewer(self, authorization: Sequence[str]) -> Viewer | None:
        """The caller whom Authorization headers name; raises Unauthenticated."""
        ...


class KeepsRefreshToken(Protocol):
    """The cookie in which a browser keeps its refresh token."""

    @property
    def received(self) -> str | None:
        """What the browser sent, for a page that may have it sent."""
        ...

    def keep(self, token: str, expires_at: datetime) -> bool:
        """Have the browser keep a token; False when it is too late for that."""
        ...

    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything resolvers call."""

    offer: Offer
    books: Books
    summarizing: Summarizing
    measures: Measures
    asking: Asks
    canceling: Cancels
    following: Following
    balance_changes: BalanceChanges
    recharging: Recharging
    paying: Sells
    payment_changes: PaymentChanges
    keys: KeyKeeping
    sessions: SigningIn
    google: GoogleSigningIn
    refreshing: Refreshing
    passwords: SettingPassword
    suspending: Suspending
    attending: Attending
    callers: FindsCallers
    points: Allowances


@dataclass(slots=True, kw_only=True)
class Context:
    """One request: who makes it, from which network address, and what it has cost."""

    viewer: Viewer | None
    services: Services
    request_id: str
    address: str
    cookie: KeepsRefreshToken | None = None
    """None where refresh tokens are told, and not kept in a cookie."""
    allowance: Allowance | None = field(default=None, init=False)

    @property
    def signed_in(self) -> Viewer:
        """The caller; raises Unauthenticated when there is none."""
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an administrator's session: an API key never is."""
        viewer = self.viewer
        return viewer is not None and viewer.is_admin and viewer.api_key_number == OWN_CREDITS

    def reader(self) -> Reader:
        """Reads as far as the caller's own right reaches."""
        viewer = self.signed_in
        return Reader(
            viewer.session_id,
            as_admin=self.is_admin,
            api_key=viewer.api_key_id,
            has_own_credits=viewer.purse_key_number != OWN_CREDITS,
        )

    def admin_reader(self) -> Reader:
        """Reads everybody's rows; raises Unauthenticated or Forbidden."""
        reader = self.reader()
        if not reader.as_admin:
            raise Forbidden
        return reader

    def as_seen_by(self, viewer: Viewer) -> "Context":
        """The same request on behalf of somebody else: whom it has just signed in."""
        return replace(self, viewer=viewer)

    async def admit(self, *, points: int) -> None:
        """Count what the operation costs; raises RateLimited when the allowance is used up."""
        self.allowance = await self.services.points.take(self.principal, points)

    @property
    def principal(self) -> str:
        return principal_of(self.viewer, self.address)


def principal_of(viewer: Viewer | None, address: str) -> str:
    """Who shares one allowance: an account, one of its API keys, or a network address."""
    if viewer is None:
        return f"address {network_of(address)}"
    return f"account {viewer.account_id}, key {viewer.api_key_number}"
