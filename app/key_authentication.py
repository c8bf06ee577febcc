"""API keys as credentials: `Authorization: Bearer ck_…`, looked up at each use.

What cannot be a key is refused without a query, by its checksum. What can be is looked up by its id
and compared by its hash; nothing is remembered, so that a key that is revoked or edited is so from
the next request on, in every process.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from domain import key_texts
from domain.errors import AccountSuspended, Unauthenticated
from domain.identity import AccountStatus, Viewer
from domain.keys import KeyFunding, KeysInForce
from domain.units import OWN_CREDITS

_REFUSAL: Final = "The API key is not valid, or is disabled, expired or revoked."


def is_key(token: str) -> bool:
    """Whether a bearer token means to be an API key, rather than an access token."""
    return token.startswith(key_texts.PREFIX)


@dataclass(frozen=True, slots=True)
class KeyCallers:
    """Finds out which key is calling."""

    keys: KeysInForce

    async def viewer(self, token: str) -> Viewer:
        """The caller that a key stands for.

        Raises Unauthenticated, without telling what is wrong with it, and AccountSuspended.
        """
        presented = key_texts.read(token)
        if presented is None:
            raise Unauthenticated(_REFUSAL)
        key = await self.keys.key_in_force(presented.key_id)
        if key is None or not hmac.compare_digest(key.secret_hash, presented.secret_hash):
            raise Unauthenticated(_REFUSAL)
        if key.status is AccountStatus.SUSPENDED:
            raise AccountSuspended
        self.keys.note_use(key.id)
        return Viewer(
            account_id=key.id.account_id,
            session_id=key.context_id,
            role=key.role,
            scopes=key.scopes,
            api_key_number=key.id.number,
            purse_key_number=key.id.number if key.funding is KeyFunding.OWN else OWN_CREDITS,
            allowed_models=key.allowed_models,
            requests_per_minute=key.requests_per_minute,
            expires_at=key.expires_at,
        )
