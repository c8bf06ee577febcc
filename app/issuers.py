"""Whose word counts: the issuers and the sign-in that the settings name."""

import os
from typing import Final, get_args

import structlog

from adapters.identity.issuers import WrittenIssuer, read_issuers
from adapters.identity.key_sets import KeySet
from app.believing import PublicAlgorithm, PublicKeys, Rule, SharedSecret
from app.google import GoogleIdTokens
from app.outside_tokens import Confirmation, Issuer
from app.settings import Settings, named
from domain.offering import SignInMethod
from domain.outside import Clock

_SUPABASE_PATH: Final = "/auth/v1"
_log = structlog.get_logger("identity")


def issuers_of(settings: Settings) -> dict[str, Issuer]:
    """The issuers whose access tokens are accepted, by name. Raises SettingsFileError."""
    issuers: list[Issuer] = []
    if settings.issuers_file is not None:
        # The file names the variables that hold its secrets, which only it can know.
        with named("ISSUERS_FILE"):
            issuers += map(_written, read_issuers(settings.issuers_file, os.environ))
    if settings.supabase_url is not None:
        issuers.append(_supabase(settings, settings.supabase_url))
    return {issuer.name: issuer for issuer in issuers}


def google_of(settings: Settings, clock: Clock) -> GoogleIdTokens | None:
    """Google's sign-in, if the settings name our web app there."""
    if settings.google_client_id is None:
        return None
    return GoogleIdTokens(
        client_id=settings.google_client_id,
        issuer=settings.google_issuer,
        keys=PublicKeys(_key_set(settings.google_keys_url), frozenset({"RS256"})),
        clock=clock,
    )


def _supabase(settings: Settings, url: str) -> Issuer:
    name = f"{url}{_SUPABASE_PATH}"
    secret = settings.supabase_jwt_secret
    source = (
        PublicKeys(_key_set(f"{name}/.well-known/jwks.json"))
        if secret is None
        else SharedSecret(secret.get_secret_value().encode())
    )
    return Issuer(
        rule=Rule(
            issuers=(name,),
            audience="authenticated",
            source=source,
            types=frozenset({"jwt"}),
            is_audience_alone=True,
        ),
        # Its `user_metadata` says `email_verified`, but users write that themselves.
        confirmation=Confirmation.ALWAYS
        if settings.supabase_confirms_emails
        else Confirmation.NEVER,
        session_claim="session_id",
        method=SignInMethod.SUPABASE,
    )


def _written(issuer: WrittenIssuer) -> Issuer:
    source: SharedSecret | PublicKeys
    if issuer.keys_url is not None:
        known: tuple[PublicAlgorithm, ...] = get_args(PublicAlgorithm)
        algorithms = frozenset(each for each in known if each in issuer.algorithms)
        source = PublicKeys(_key_set(issuer.keys_url), algorithms)
    else:
        source = SharedSecret((issuer.secret or "").encode())
    return Issuer(
        rule=Rule(
            issuers=(issuer.issuer,),
            audience=issuer.audience,
            source=source,
            types=frozenset({issuer.type}),
        ),
        confirmation=Confirmation(issuer.confirmed_emails),
        session_claim=issuer.session_claim,
    )


def _key_set(url: str) -> KeySet:
    return KeySet(url=url, failed=lambda why: _log.warning("no keys", url=url, why=why))
