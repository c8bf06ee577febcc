"""What must not be started, said before anything is."""

from app.settings import Settings, UnsafeSettings


def demo_mode_of(settings: Settings, *, is_trial: bool, has_own_model: bool = False) -> bool:
    """Whether strangers get throw-away accounts and answers that need no provider's key.

    `tallystick up` is a trial, and one on this machine is in demo mode unless a provider is
    configured; everything else has to be asked for. Raises UnsafeSettings.
    """
    if settings.demo_mode and settings.has_provider:
        raise UnsafeSettings(
            "DEMO_MODE is on and a provider is configured (AI_API_KEY, AI_BASE_URL or "
            "AI_ROUTES_FILE): anybody could spend what that provider costs you. "
            "Set only one of them."
        )
    if settings.has_provider or settings.demo_mode is not None:
        _require_answers(settings, has_own_model=has_own_model)
        return bool(settings.demo_mode)
    if not is_trial:
        raise UnsafeSettings(
            "Nobody would answer: set AI_API_KEY for a provider (docs/configuration.md), or "
            "DEMO_MODE=true for simulated answers and throw-away accounts."
        )
    if not settings.is_local:
        raise UnsafeSettings(
            f"On {settings.host} others can reach this, and in demo mode anybody gets an account "
            "with credits. Set DEMO_MODE=true if that is meant, or AI_API_KEY for a provider and "
            "no demo mode."
        )
    return True


def _require_answers(settings: Settings, *, has_own_model: bool) -> None:
    if not (settings.has_provider or settings.demo_mode or has_own_model):
        raise UnsafeSettings(
            "DEMO_MODE is off and no provider is configured, so nobody would answer. "
            "Set AI_API_KEY (docs/configuration.md)."
        )


def refuse_serious_books(settings: Settings, *, serves_others: bool) -> None:
    """Raise UnsafeSettings when a trial would begin on a database that others rely on."""
    if serves_others and settings.database_url is not None and settings.demo_mode is None:
        raise UnsafeSettings(
            "The database in DATABASE_URL has accounts that `tallystick up` did not make. It is "
            "for trying out: it would add demo accounts there and load the price book. Use "
            "`tallystick migrate` and `tallystick serve`, or set DEMO_MODE to say what you mean."
        )
