"""Several serving processes behind one socket, and a parent that replaces those that die.

The parent runs no event loop and opens no connection: it forks, waits for signals, and forks again.
It holds one end of a pipe that never carries anything; a child that reads its end knows that the
parent is gone, however that happened, and stops by itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NoReturn

import structlog

from domain.errors import TallystickError

_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_HEEDED: Final = _STOPS | {signal.SIGCHLD}
_STABLE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
_PAUSE_SECONDS_MAX: Final = 30.0
_LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger("supervisor")

Work = Callable[[int, int], None]
"""What a child does, given the end of the pipe by which it learns that its parent is gone, and the
number of its place, which whoever replaces it has too."""


@dataclass(slots=True)
class _Place:
    """One of the processes there are to be."""

    pid: int | None = None
    began_at: float = 0.0
    begins_at: float = 0.0
    """When it is to be started, or started again."""

    pause_seconds: float = _PAUSE_SECONDS


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Keeps so many children working until a signal ends them all."""

    count: int
    work: Work
    grace_seconds: float
    """How long children may take to stop before they are killed."""

    _places: list[_Place] = field(default_factory=list)

    def run(self) -> None:
        """Return when the last child has ended after a signal to stop."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        lifeline, held = os.pipe()
        try:
            self._places = [_Place() for _ in range(self.count)]
            self._keep_working(lifeline, held)
            self._see_them_end()
        finally:
            os.close(held)
            os.close(lifeline)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _keep_working(self, lifeline: int, held: int) -> None:
        while True:
            now = monotonic()
            for number, place in enumerate(self._places):
                if place.pid is None and place.begins_at <= now:
                    place.began_at = now
                    place.pid = self._fork(lifeline, held, number)
            heard = signal.sigtimedwait(_HEEDED, _LOOK_SECONDS)
            if heard is not None and heard.si_signo in _STOPS:
                return
            for place in self._bury():
                lived = monotonic() - place.began_at
                is_stable = lived >= _STABLE_SECONDS
                pause = 0.0 if is_stable else place.pause_seconds
                place.pause_seconds = (
                    _PAUSE_SECONDS if is_stable else min(2 * pause, _PAUSE_SECONDS_MAX)
                )
                place.begins_at = monotonic() + pause
                _log.error("process died", lived_seconds=round(lived), again_in_seconds=pause)

    def _see_them_end(self) -> None:
        self._tell(signal.SIGTERM)
        until = monotonic() + self.grace_seconds
        while any(place.pid is not None for place in self._places):
            heard = signal.sigtimedwait(_HEEDED, _LOOK_SECONDS)
            if heard is not None and heard.si_signo in _STOPS:
                self._tell(signal.SIGTERM)  # whoever is impatient is passed on
            self._bury()
            if monotonic() > until:
                self._tell(signal.SIGKILL)

    def _fork(self, lifeline: int, held: int, number: int) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_a_child(lifeline, held, number)
        return pid

    def _be_a_child(self, lifeline: int, held: int, number: int) -> NoReturn:
        """Work, and end without touching what the parent has open."""
        code = 1
        try:
            os.close(held)
            # In a group of its own: Ctrl-C in a terminal goes to the parent, which passes it on.
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            self.work(lifeline, number)
            code = 0
        except TallystickError as error:
            _log.error("process failed", message=str(error))
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # noqa: BLE001 - the edge of a process
            _log.exception("process failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> list[_Place]:
        """The places of children that have ended since the last time."""
        emptied = []
        for place in self._places:
            if place.pid is not None and os.waitpid(place.pid, os.WNOHANG)[0] != 0:
                place.pid = None
                emptied.append(place)
        return emptied

    def _tell(self, signal_number: signal.Signals) -> None:
        for place in self._places:
            if place.pid is not None:
                os.kill(place.pid, signal_number)
