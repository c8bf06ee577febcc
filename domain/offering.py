"""What a deployment offers, as one web app for every configuration needs to know."""

from dataclasses import dataclass
from enum import StrEnum

from domain.units import Microcredits


class SignInMethod(StrEnum):
    """Ways to prove who you are."""

    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a method
    MAGIC_LINK = "MAGIC_LINK"
    GOOGLE = "GOOGLE"
    SUPABASE = "SUPABASE"


class PaymentProvider(StrEnum):
    """Who takes a payment."""

    STRIPE = "STRIPE"
    PAYSTACK = "PAYSTACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Public facts about this deployment, fixed while a process runs."""

    version: str
    demo_mode: bool
    sign_up_credits: Microcredits
    sign_up_open: bool = False
    email_confirmation: bool = False
    sign_in_methods: tuple[SignInMethod, ...] = ()
    payment_providers: tuple[PaymentProvider, ...] = ()
