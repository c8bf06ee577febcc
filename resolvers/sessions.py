"""Beginning sessions."""

from domain.errors import InvalidCredentials
from domain.identity import Session, Viewer
from resolvers.context import Context


async def start_demo(context: Context) -> tuple[Session, Viewer]:
    """A session of a throw-away account, and the caller its token makes of whoever sends it.

    The caller is found as for any other request: its role comes from the database, and a session
    that would not be let in is not handed out.
    """
    session = await context.services.sessions.start_demo_session(context.address)
    viewer = await context.services.callers.viewer([f"Bearer {session.access_token}"])
    if viewer is None:
        raise InvalidCredentials
    return session, viewer
