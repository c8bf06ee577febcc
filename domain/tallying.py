"""Counts what strangers can cause as often as they like, without writing as often as that.

Counts are kept in memory, by subject, and written together every few seconds: a few rows for
whatever happened since. What is counted is worth an alert, not a record; a process that dies loses
the counts of these seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from domain.alerting import AlertKind
from domain.allowing import network_of
from domain.thresholds import ADDRESS, NETWORK
from domain.units import AccountId

SUBJECTS_MAX: Final = 1_000
"""Told apart in memory; what is beyond them is counted together."""

WRITTEN_MAX: Final = 50
"""Rows of each kind for one writing: the largest counts, and the sum of the others."""

OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often something happened that concerned one subject."""

    kind: AlertKind
    subject: str
    times: int
    account_id: AccountId | None = None


class KeepsCounts(Protocol):
    """Where counts of all processes come together."""

    async def add(self, counts: Sequence[Count]) -> None:
        """Add to the counts of this minute. Raises Unavailable."""
        ...


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted in this process and is not written yet."""

    keeper: KeepsCounts
    hidden: Callable[[str], str]
    """Makes of what may not be stored, such as a mail address, something that can be told apart."""
    _times: dict[tuple[AlertKind, str], int] = field(default_factory=dict)
    _accounts: dict[str, AccountId] = field(default_factory=dict)

    def webhook_rejected(self, provider: str) -> None:
        """A message was not authentic, whoever sent it."""
        self._count(AlertKind.WEBHOOK_REJECTED, provider)

    def identity_refused(
        self, network_address: str, identity: str | None, account_id: AccountId | None = None
    ) -> None:
        """A try at an identity was refused: by where it came from, and by whom it was for."""
        self._count(AlertKind.SIGN_IN_ABUSE, NETWORK + network_of(network_address))
        if identity is not None:
            subject = ADDRESS + self.hidden(identity)
            if self._count(AlertKind.SIGN_IN_ABUSE, subject) and account_id is not None:
                self._accounts[subject] = account_id

    async def write(self) -> int:
        """Write what was counted; what cannot be written now is written next time."""
        if not self._times:
            return 0
        times, self._times = self._times, {}
        accounts, self._accounts = self._accounts, {}
        try:
            await self.keeper.add([*_written(times, accounts)])
        except BaseException:
            for (kind, subject), count in times.items():
                if self._count(kind, subject, count) and subject in accounts:
                    self._accounts[subject] = accounts[subject]
            raise
        return 0  # of no interest to the log

    def _count(self, kind: AlertKind, subject: str, times: int = 1) -> bool:
        """Count it, by its own name if there is room for one more."""
        key = (kind, subject)
        has_room = key in self._times or len(self._times) < SUBJECTS_MAX
        if not has_room:
            key = (kind, OTHERS)
        self._times[key] = self._times.get(key, 0) + times
        return has_room


def _written(
    times: dict[tuple[AlertKind, str], int], accounts: dict[str, AccountId]
) -> Sequence[Count]:
    counts: list[Count] = []
    for kind in AlertKind:
        of_kind = {subject: count for (each, subject), count in times.items() if each is kind}
        others = of_kind.pop(OTHERS, 0)
        largest = sorted(of_kind, key=lambda subject: (-of_kind[subject], subject))
        others += sum(of_kind[subject] for subject in largest[WRITTEN_MAX:])
        counts += [
            Count(kind=kind, subject=each, times=of_kind[each], account_id=accounts.get(each))
            for each in largest[:WRITTEN_MAX]
        ]
        if others:
            counts.append(Count(kind=kind, subject=OTHERS, times=others))
    return counts
