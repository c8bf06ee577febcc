"""A house where people sign up and in by a real mail server, and what they say at its door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.app.asking import Reply
from tests.journeys.system import House, Person, open_house
from tests.mail_server import MailServer, serving_mail

APP_URL = "https://app.example.test"
PASSWORD = "correct horse battery staple"

_STARTED = """
  __typename
  ... on SessionStarted {
    session { accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt }
    account { id email emailConfirmed role balance { available } }
  }
  ... on Problem { code message httpStatus }
"""
SIGN_UP = (
    "mutation($input: SignUpInput!) { signUp(input: $input) {"
    + _STARTED
    + " ... on LinkSent { email } ... on InvalidInput { issues { path message } } } }"
)
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) {" + _STARTED + "} }"
REQUEST = """
mutation($input: RequestMagicLinkInput!) { requestMagicLink(input: $input) {
  __typename ... on LinkSent { email } ... on Problem { code message }
  ... on InvalidInput { issues { path } } } }
"""
REDEEM = (
    "mutation($input: RedeemMagicLinkInput!) { redeemMagicLink(input: $input) {" + _STARTED + "} }"
)
REFRESH = (
    "mutation($input: RefreshSessionInput!) { refreshSession(input: $input) {" + _STARTED + "} }"
)
SIGN_OUT = """
mutation($everywhere: Boolean! = false) { signOut(input: {everywhere: $everywhere}) {
  __typename ... on SignedOut { sessionsEnded } } }
"""
SET_PASSWORD = """
mutation($input: SetPasswordInput!) { setPassword(input: $input) {
  __typename ... on PasswordSet { account { id } } ... on Problem { code message }
  ... on InvalidInput { issues { path message } } } }
"""
SUSPEND = """
mutation($id: ID!, $reason: String!) { suspendAccount(input: {accountId: $id, reason: $reason}) {
  __typename ... on AccountStatusSuccess { account { status suspensionReason } }
  ... on Problem { code message } } }
"""
REINSTATE = SUSPEND.replace("suspendAccount", "reinstateAccount")


@dataclass(frozen=True, slots=True)
class Door:
    """The way into a house, and the mails that are sent from it."""

    house: House
    mails: MailServer

    async def knock(self, query: str, **wanted: object) -> Reply:
        """Send one of the mutations above as a stranger."""
        return await self.house.stranger.send(query, input=wanted)

    async def sign_up(self, email: str, password: str | None = PASSWORD) -> Reply:
        """Sign up and follow the link of the mail that comes."""
        before = sum(envelope.rcpt_tos == [email] for envelope in self.mails.envelopes)
        await self.knock(SIGN_UP, email=email, password=password)
        return await self.knock(REDEEM, token=await self.mails.token_to(email, before + 1))

    async def sign_in(self, email: str, password: str = PASSWORD) -> Reply:
        return await self.knock(SIGN_IN, email=email, password=password)

    def person(self, reply: Reply, field: str) -> Person:
        """Whom a reply has signed in."""
        return Person(self.house.http, reply.text(f"{field}.session.accessToken"))

    async def member(self, email: str = "anna@example.test") -> tuple[Person, Reply]:
        """Somebody new who signed in by password."""
        await self.sign_up(email)
        reply = await self.sign_in(email)
        return self.person(reply, "signIn"), reply


@asynccontextmanager
async def open_door(
    database_url: str,
    secret: str,
    *,
    email_confirmation: bool = True,
    tries_per_minute: int = 10_000,
    tries_per_address: int = 10_000,
) -> AsyncIterator[Door]:
    async with (
        serving_mail() as mails,
        open_house(
            database_url,
            secret,
            smtp_url=mails.url,
            mail_from="Tallystick <mail@tallystick.test>",
            app_url=APP_URL,
            email_confirmation=email_confirmation,
            tries_per_minute=tries_per_minute,
            tries_per_address=tries_per_address,
        ) as house,
    ):
        yield Door(house, mails)
