"""A supervisor of children that say what happens to them: `supervised.py <what they do>`."""

import os
import select
import signal
import sys
import time

import structlog

from app.supervising import Supervisor
from domain.errors import TallystickError


def say(word: str) -> None:
    os.write(1, f"{word} {os.getpid()}\n".encode())


def work(lifeline: int, _: int) -> None:
    say("began")
    match sys.argv[1]:
        case "fail":
            raise TallystickError("on purpose")
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        case _:
            # Until the parent is gone, or says so.
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            select.select([lifeline], [], [], 60)
            say("orphaned")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    say("parent")
    Supervisor(count=2, work=work, grace_seconds=0.5).run()
    say("ended")
