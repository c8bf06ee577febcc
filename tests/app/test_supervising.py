"""A parent and its children: who is replaced, who is told, and who is left when it dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from tests.app.shell import ROOT


@contextmanager
def supervised(what: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.app.supervised", what],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        try:
            assert heard(parent, "parent") == parent.pid
            yield parent
        finally:
            parent.kill()


def heard(parent: "subprocess.Popen[str]", word: str) -> int:
    """The number of the process that says this next."""
    assert parent.stdout is not None
    said, pid = parent.stdout.readline().split()
    assert said == word
    return int(pid)


def test_a_child_that_dies_is_replaced_and_the_others_stay() -> None:
    with supervised("wait") as parent:
        first, second = heard(parent, "began"), heard(parent, "began")

        os.kill(first, signal.SIGKILL)
        third = heard(parent, "began")
        parent.send_signal(signal.SIGTERM)
        ended = heard(parent, "ended")

        assert third not in {first, second}
        assert ended == parent.pid
        assert parent.wait(timeout=10) == 0


def test_children_learn_that_their_parent_was_killed() -> None:
    with supervised("wait") as parent:
        children = {heard(parent, "began"), heard(parent, "began")}

        parent.kill()

        assert {heard(parent, "orphaned"), heard(parent, "orphaned")} == children


def test_a_child_that_does_not_stop_is_killed_in_the_end() -> None:
    with supervised("hang") as parent:
        heard(parent, "began")
        heard(parent, "began")

        told_at = monotonic()
        parent.send_signal(signal.SIGINT)

        assert heard(parent, "ended") == parent.pid
        assert monotonic() - told_at < 20


def test_children_that_fail_are_started_again_and_not_in_haste() -> None:
    with supervised("fail") as parent:
        began_at = monotonic()
        begun = [heard(parent, "began") for _ in range(6)]
        took = monotonic() - began_at
        parent.send_signal(signal.SIGTERM)

        assert len({*begun}) == 6
        # Two children, each started three times: after a pause of one second, and of two.
        assert took > 2.5
        assert heard(parent, "ended") == parent.pid
