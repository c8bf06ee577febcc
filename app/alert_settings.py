"""What the operator decides about alerts."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from domain.money import parse_credits
from domain.units import MICROCREDITS_PER_CREDIT, Microcredits


def _credits(value: object) -> object:
    return parse_credits(value) if isinstance(value, str) else value


class AlertSettings(BaseSettings):
    """How much is too much, and how often the books are recomputed."""

    alert_failures_percent: int = Field(default=50, ge=1, le=100)
    alert_backlog_seconds: int = Field(default=60, ge=1, le=86_400)
    alert_refusals: int = Field(default=50, ge=1, le=1_000_000)
    alert_spending_credits: Annotated[Microcredits, BeforeValidator(_credits)] = Field(
        default=Microcredits(10_000 * MICROCREDITS_PER_CREDIT), ge=1
    )
    alert_spending_times: int = Field(default=5, ge=1, le=1_000)
    book_check_minutes: int = Field(default=60, ge=0, le=100_000)
