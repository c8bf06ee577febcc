"""The ways to sign in and up, and out again."""

from typing import Annotated, TypeAlias

import strawberry

import resolvers.sessions
from domain import signing_in
from schema.accounts import Account
from schema.info import Info
from schema.inputs import given
from schema.lookups import Lookups
from schema.permissions import IsPublic, IsUser
from schema.problems import (
    Conflict,
    InvalidCredentials,
    InvalidInput,
    RateLimited,
    Unavailable,
)
from schema.sessions import SessionResult, SessionStarted


@strawberry.input(description="For signUp.")
class SignUpInput:
    email: str
    password: str | None = strawberry.field(
        description="Leave out to sign in by link only. At least 12 characters.",
        default=strawberry.UNSET,
    )
    display_name: str | None = strawberry.UNSET


@strawberry.input(description="For signIn.")
class SignInInput:
    email: str
    password: str


@strawberry.input(description="For requestMagicLink.")
class RequestMagicLinkInput:
    email: str
    return_path: str | None = strawberry.field(
        description='Path of the web app to land on; must begin with a single "/".',
        default=strawberry.UNSET,
    )


@strawberry.input(description="For redeemMagicLink.")
class RedeemMagicLinkInput:
    token: str


@strawberry.input(description="For signInWithGoogle.")
class SignInWithGoogleInput:
    id_token: str
    nonce: str = strawberry.field(description="The nonce the web app created for this sign-in.")


@strawberry.input(description="For refreshSession.")
class RefreshSessionInput:
    refresh_token: str | None = strawberry.field(
        description="Leave out when it is kept in a cookie.", default=strawberry.UNSET
    )


@strawberry.input(description="For signOut.")
class SignOutInput:
    everywhere: bool = False


@strawberry.input(description="For setPassword.")
class SetPasswordInput:
    new_password: str
    current_password: str | None = strawberry.field(
        description="Needed unless the session began by a mailed link in the last ten minutes.",
        default=strawberry.UNSET,
    )


@strawberry.type(description="A link was mailed, if the address can receive one.")
class LinkSent:
    email: str


@strawberry.type(description="Signed out.")
class SignedOut:
    sessions_ended: int


@strawberry.type(description="The password was set.")
class PasswordSet:
    account: Account


SignUpResult: TypeAlias = Annotated[
    SessionStarted | LinkSent | InvalidInput | Conflict | RateLimited | Unavailable,
    strawberry.union(
        "SignUpResult",
        description=(
            "LinkSent where addresses are confirmed (known or not); Conflict only where they are "
            "not."
        ),
    ),
]
RequestMagicLinkResult: TypeAlias = Annotated[
    LinkSent | InvalidInput | RateLimited | Unavailable,
    strawberry.union("RequestMagicLinkResult", description="Outcome of requestMagicLink."),
]
SignOutResult: TypeAlias = Annotated[
    SignedOut | RateLimited,
    strawberry.union("SignOutResult", description="Outcome of signOut."),
]
SetPasswordResult: TypeAlias = Annotated[
    PasswordSet | InvalidInput | InvalidCredentials | RateLimited,
    strawberry.union("SetPasswordResult", description="Outcome of setPassword."),
]


@strawberry.type
class IdentityMutation:
    """The part of the root that begins and ends sessions."""

    @strawberry.mutation(
        description=(
            "Create an account. It receives the sign-up credits once, after confirmation where "
            "that is on."
        ),
        permission_classes=[IsPublic],
    )
    async def sign_up(self, info: Info, input: SignUpInput) -> SignUpResult | None:
        wish = signing_in.SignUp(
            email=input.email,
            password=given(input.password),
            display_name=given(input.display_name),
        )
        signed_up = await resolvers.sessions.sign_up(info.context, wish)
        if isinstance(signed_up, signing_in.LinkSent):
            return LinkSent(email=signed_up.email)
        return await SessionStarted.of(signed_up, info)

    @strawberry.mutation(
        description="Sign in with email and password.", permission_classes=[IsPublic]
    )
    async def sign_in(self, info: Info, input: SignInInput) -> SessionResult | None:
        started = await resolvers.sessions.sign_in(info.context, input.email, input.password)
        return await SessionStarted.of(started, info)

    @strawberry.mutation(
        description=(
            "Mail a one-time sign-in link. The reply is the same whether or not the address is "
            "known."
        ),
        permission_classes=[IsPublic],
    )
    async def request_magic_link(
        self, info: Info, input: RequestMagicLinkInput
    ) -> RequestMagicLinkResult | None:
        sent = await resolvers.sessions.request_link(
            info.context, input.email, given(input.return_path)
        )
        return LinkSent(email=sent.email)

    @strawberry.mutation(
        description=(
            "Trade the token of a mailed link for a session; this also confirms the address."
        ),
        permission_classes=[IsPublic],
    )
    async def redeem_magic_link(
        self, info: Info, input: RedeemMagicLinkInput
    ) -> SessionResult | None:
        started = await resolvers.sessions.redeem_link(info.context, input.token)
        return await SessionStarted.of(started, info)

    @strawberry.mutation(
        description="Sign in, or sign up, with a Google ID token.", permission_classes=[IsPublic]
    )
    async def sign_in_with_google(
        self, info: Info, input: SignInWithGoogleInput
    ) -> SessionResult | None:
        started = await resolvers.sessions.sign_in_with_google(
            info.context, input.id_token, input.nonce
        )
        return await SessionStarted.of(started, info)

    @strawberry.mutation(
        description="A throw-away account with sign-up credits. Only in demo mode.",
        permission_classes=[IsPublic],
    )
    async def start_demo_session(self, info: Info) -> SessionResult | None:
        return await SessionStarted.of(await resolvers.sessions.start_demo(info.context), info)

    @strawberry.mutation(
        description=(
            "Trade a refresh token for a new pair. Using an old one again ends the whole session."
        ),
        permission_classes=[IsPublic],
    )
    async def refresh_session(self, info: Info, input: RefreshSessionInput) -> SessionResult | None:
        started = await resolvers.sessions.refresh(info.context, given(input.refresh_token))
        return await SessionStarted.of(started, info)

    @strawberry.mutation(
        description="End this session, or all of them.", permission_classes=[IsUser]
    )
    async def sign_out(self, info: Info, input: SignOutInput) -> SignOutResult | None:
        ended = await resolvers.sessions.sign_out(info.context, everywhere=input.everywhere)
        return SignedOut(sessions_ended=ended)

    @strawberry.mutation(
        description="Set or change the password. Ends all other sessions.",
        permission_classes=[IsUser],
    )
    async def set_password(self, info: Info, input: SetPasswordInput) -> SetPasswordResult | None:
        await resolvers.sessions.set_password(
            info.context, input.new_password, given(input.current_password)
        )
        viewer = info.context.signed_in
        return PasswordSet(account=await Account.of_id(viewer.account_id, Lookups(info.context)))
