"""Beginning sessions, refreshing them and ending them."""

from dataclasses import replace

from domain.errors import InvalidCredentials
from domain.identity import Session, Viewer
from domain.signing_in import LinkSent, SignUp
from resolvers.context import Context

Started = tuple[Session, Viewer]
"""A session, and the caller its token makes of whoever sends it."""


async def start_demo(context: Context) -> Started:
    """A session of a throw-away account."""
    return await started(
        context, await context.services.sessions.start_demo_session(context.address)
    )


async def sign_up(context: Context, wish: SignUp) -> Started | LinkSent:
    signed_up = await context.services.sessions.sign_up(wish, network_address=context.address)
    return signed_up if isinstance(signed_up, LinkSent) else await started(context, signed_up)


async def sign_in(context: Context, email: str, password: str) -> Started:
    return await started(
        context,
        await context.services.sessions.sign_in(email, password, network_address=context.address),
    )


async def request_link(context: Context, email: str, return_path: str | None) -> LinkSent:
    return await context.services.sessions.request_link(
        email, return_path, network_address=context.address
    )


async def redeem_link(context: Context, token: str) -> Started:
    return await started(
        context,
        await context.services.sessions.redeem_link(token, network_address=context.address),
    )


async def sign_in_with_google(context: Context, id_token: str, nonce: str) -> Started:
    session = await context.services.google.sign_in(
        id_token, nonce, network_address=context.address
    )
    return await started(context, session)


async def refresh(context: Context, refresh_token: str | None) -> Started:
    if refresh_token is None and context.cookie is not None:
        refresh_token = context.cookie.received
    return await started(context, await context.services.refreshing.refresh(refresh_token))


async def sign_out(context: Context, *, everywhere: bool) -> int:
    ended = await context.services.refreshing.sign_out(context.signed_in, everywhere=everywhere)
    if context.cookie is not None:
        context.cookie.drop()
    return ended


async def set_password(context: Context, new: str, current: str | None) -> None:
    await context.services.passwords.set(
        context.signed_in, new, current, network_address=context.address
    )


async def started(context: Context, session: Session) -> Started:
    """What is handed out: a session, if whoever sends its token would be let in.

    The caller is found as for any other request: its role comes from the database.
    """
    viewer = await context.services.callers.viewer([f"Bearer {session.access_token}"])
    if viewer is None:
        raise InvalidCredentials
    token, cookie = session.refresh_token, context.cookie
    if token and cookie and cookie.keep(token, session.refresh_token_expires_at):
        session = replace(session, refresh_token="")
    return session, viewer
