"""From what was measured to what it means: how much is too much, and how little is well again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from domain.alerting import AlertSeverity
from domain.conditions import Height, Reading
from domain.money import format_credits
from domain.units import AccountId, Microcredits, ModelId

WINDOW: Final = timedelta(minutes=10)
"""How far back failures and refusals are counted."""

ENTRIES_WINDOW: Final = timedelta(minutes=2)
"""How far back balances are compared with their entries, every minute."""

ATTEMPTS_MIN: Final = 10
"""Of fewer attempts nothing is concluded."""

OVERDUE_GRACE: Final = timedelta(minutes=5)
"""Holds are ended within seconds of their time; those this much later are not being ended."""

FORGED_MIN: Final = 3
"""Rejected messages of a payment provider: more than a stray one."""

HOURS_MIN: Final = 3
"""Of so many hours with charges an account has a usual hour."""

NETWORK: Final = "network "
ADDRESS: Final = "address "
"""What subjects of refused sign-ins begin with; of an address nothing but a keyed hash follows."""

_NEARLY_ALL_PERCENT: Final = 90
_MINUTES: Final = f"{WINDOW // timedelta(minutes=1)} minutes"

NamesAccounts: TypeAlias = Callable[[AccountId], str]
"""How the API calls an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is too much. What was too much is well again at half of it."""

    failures_percent: int
    backlog_seconds: int
    backlog_max: int
    """How many answers may wait before questions are refused."""
    refusals: int
    spending: Microcredits
    spending_times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often a model was asked lately, and how often that failed at its provider."""

    model_id: ModelId
    total: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueHolds:
    """Holds that should have been ended long ago."""

    count: int
    amount: Microcredits
    oldest_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Answers that wait."""

    count: int
    oldest_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCheck:
    """What was found when the books were last recomputed."""

    finished_at: datetime
    rules: int
    unfinished: int
    """Rules there was no time for."""
    differences: int
    """Rows that break a rule."""
    imbalances: int
    """Those among them that break a rule about balances."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """How often something was refused lately, by what they have in common."""

    subject: str
    count: int
    account_id: AccountId | None = None
    """Whose account they concerned, if that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadDeliveries:
    """How many events an endpoint of the operator's never took."""

    endpoint: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What an account was charged within the last hour, and in its usual hours."""

    account_id: AccountId
    charged: Microcredits
    usual_total: Microcredits
    """Over the week before."""
    usual_hours: int
    """In how many hours of that week it was charged anything."""

    @property
    def usual(self) -> int:
        """Of an hour in which it is charged at all; 0 of an account that has no habits yet."""
        return self.usual_total // self.usual_hours if self.usual_hours >= HOURS_MIN else 0


def of_attempts(attempts: Sequence[Attempts], limits: Limits) -> Iterator[Reading]:
    """Providers that fail, model by model."""
    for each in attempts:
        percent = 100 * each.failed // each.total if each.total else 0
        height = _height(percent, limits.failures_percent)
        if height is Height.HIGH and each.total < ATTEMPTS_MIN:
            height = Height.BETWEEN
        yield Reading(
            subject=each.model_id,
            height=height,
            severity=AlertSeverity.CRITICAL
            if percent >= _NEARLY_ALL_PERCENT
            else AlertSeverity.WARNING,
            message=(
                f"Of {each.total} attempts at {each.model_id} within {_MINUTES}, "
                f"{each.failed} failed at the provider ({percent} %)."
            ),
        )


def of_holds(overdue: OverdueHolds) -> Reading:
    """Holds that nobody ends, so that their credits cannot be spent."""
    return Reading(
        subject="holds",
        height=Height.HIGH if overdue.count else Height.LOW,
        message=(
            f"{overdue.count} holds are open past their time, one by {overdue.oldest_seconds} s; "
            f"they keep {format_credits(overdue.amount)} credits from being spent."
        ),
    )


def of_backlog(backlog: Backlog, limits: Limits) -> Reading:
    """Answers that wait for too long, or are too many."""
    is_full = backlog.count >= limits.backlog_max
    heights = (
        _height(backlog.oldest_seconds, limits.backlog_seconds),
        # A line that is never full refuses nobody: only at four fifths it is long.
        _height(5 * backlog.count, max(1, 4 * limits.backlog_max)),
    )
    return Reading(
        subject="answers",
        height=next(each for each in Height if each in heights),
        severity=AlertSeverity.CRITICAL if is_full else AlertSeverity.WARNING,
        message=(
            f"{backlog.count} answers wait, one for {backlog.oldest_seconds} s"
            + ("; more questions are refused." if is_full else ".")
        ),
    )


def of_book_check(check: BookCheck) -> Reading:
    """Books that are not what their rows add up to."""
    if check.differences:
        height = Height.HIGH
    else:
        height = Height.BETWEEN if check.unfinished else Height.LOW
    return Reading(
        subject="books",
        height=height,
        severity=AlertSeverity.CRITICAL,
        message=f"{check.summary} `tallystick verify` names every row.",
        measured_at=check.finished_at,
    )


def of_recent_entries(accounts: Sequence[AccountId], name_of: NamesAccounts) -> Reading:
    """Balances that are not what their latest entries say."""
    return Reading(
        subject="recent entries",
        height=Height.HIGH if accounts else Height.LOW,
        severity=AlertSeverity.CRITICAL,
        message=(
            f"{len(accounts)} balances are not what their latest entries say"
            + (f", such as that of {name_of(accounts[0])}" if accounts else "")
            + ". `tallystick verify` names every row."
        ),
    )


def of_rejected_webhooks(refusals: Sequence[Refusals]) -> Iterator[Reading]:
    """Messages that say they are a payment provider's and are not authentic."""
    for each in refusals:
        yield Reading(
            subject=each.subject,
            height=Height.HIGH if each.count >= FORGED_MIN else Height.BETWEEN,
            message=(
                f"{each.count} messages to the webhook of {each.subject} were rejected within "
                f"{_MINUTES}: somebody forges them, or the secret that signs them is not "
                "the one that is set here."
            ),
        )


def of_dead_deliveries(dead: Sequence[DeadDeliveries]) -> Iterator[Reading]:
    """Events that were given up: one is enough, and it is over when somebody has dealt with all."""
    for each in dead:
        yield Reading(
            subject=f"endpoint {each.endpoint}",
            height=Height.HIGH,
            message=(
                f"Events that the endpoint {each.endpoint} never took, and that were given up: "
                f"{each.count}. `tallystick webhooks list --dead` shows them: replay or dismiss "
                "them."
            ),
        )


def of_refused_sign_ins(
    refusals: Sequence[Refusals], limits: Limits, name_of: NamesAccounts
) -> Iterator[Reading]:
    """Tries at identities, too many from one place or too many for one identity."""
    for each in refusals:
        if each.account_id is not None:
            whose = f"for the address of {name_of(each.account_id)}"
        elif each.subject.startswith(NETWORK):
            whose = f"from the {each.subject}"
        elif each.subject.startswith(ADDRESS):
            whose = "for one address"
        else:
            whose = "from many networks, or for many addresses"
        yield Reading(
            subject=each.subject,
            height=_height(each.count, limits.refusals),
            message=f"{each.count} tries to sign in {whose} were refused within {_MINUTES}.",
        )


def of_reused_tokens(refusals: Sequence[Refusals], name_of: NamesAccounts) -> Iterator[Reading]:
    """Refresh tokens that were traded before: one is enough."""
    for each in refusals:
        whose = name_of(each.account_id) if each.account_id is not None else "an account"
        yield Reading(
            subject=each.subject,
            height=Height.HIGH,
            message=(
                f"A refresh token of {whose} was used again after it had been traded, and the "
                "session was ended: the token was stolen, or a client keeps old ones."
            ),
        )


def of_spending(
    spending: Sequence[Spending], limits: Limits, name_of: NamesAccounts
) -> Iterator[Reading]:
    """Accounts that are charged far more than is usual for them, and than anybody would miss."""
    for each in spending:
        usual = each.usual
        heights = (
            _height(each.charged, limits.spending),
            _height(each.charged, max(1, usual * limits.spending_times)),
        )
        yield Reading(
            subject=f"account {each.account_id}",
            # The lower of the two: it has to be much by itself and much for this account.
            height=next(each for each in reversed(Height) if each in heights),
            message=(
                f"{name_of(each.account_id)} was charged {format_credits(each.charged)} credits "
                "within an hour; "
                + (
                    f"{format_credits(Microcredits(usual))} are usual for it."
                    if usual
                    else "it has no usual hour yet."
                )
            ),
        )


def _height(measure: int, limit: int) -> Height:
    if measure >= limit:
        return Height.HIGH
    return Height.BETWEEN if 2 * measure >= limit else Height.LOW
