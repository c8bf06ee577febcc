"""/graphiql as a person finds it, in Chromium with the network closed."""

import json
import shutil
from collections.abc import Mapping

import pytest

from tests import node
from tests.app.client import served
from tests.app.demo import Demo


def visit(demo: Demo) -> Mapping[str, object]:
    """What a person sees who opens the page and tries everything on it."""
    node.require("chromium")
    with served(demo.app()) as (host, port):
        seen = json.loads(
            node.run("graphiql.mjs", f"http://{host}:{port}", str(shutil.which("chromium")))
        )
    assert isinstance(seen, dict)
    return seen


@pytest.fixture(scope="module")
def seen() -> Mapping[str, object]:
    """A visit in demo mode."""
    return visit(Demo())


def viewer_of(answer: object) -> object:
    match answer:
        case {"data": {"viewer": {"account": {"id": account_id}}}}:
            return account_id
        case _:
            return answer


def test_the_page_signs_a_newcomer_in_and_answers_the_first_example(
    seen: Mapping[str, object],
) -> None:
    assert seen["who"] == "Signed in as demo-1@demo.test · 1000 credits"
    assert viewer_of(seen["answer"]) == "acct_1"


def test_the_page_opens_with_examples_and_an_editor_of_headers(
    seen: Mapping[str, object],
) -> None:
    names = "WhoAmI Ask Watch Usage Summary Ledger Buy Recharge Metrics Alerts"
    assert seen["tabs"] == names.split()
    assert seen["hasHeaderEditor"] is True


def test_another_demo_account_is_one_click_away(seen: Mapping[str, object]) -> None:
    assert seen["whoAfterDemo"] == "Signed in as demo-2@demo.test · 1000 credits"
    assert viewer_of(seen["answerAfterDemo"]) == "acct_2"


def test_a_pasted_token_is_used_and_not_shown(seen: Mapping[str, object]) -> None:
    assert viewer_of(seen["answerAfterToken"]) == "acct_7"
    assert seen["tokenField"] == ""


def test_a_header_typed_by_hand_counts_more(seen: Mapping[str, object]) -> None:
    assert viewer_of(seen["answerAfterHeader"]) == "acct_9"


def test_the_page_explains_the_schema_that_callers_may_not_ask_for(
    seen: Mapping[str, object],
) -> None:
    assert "SessionStarted" in str(seen["docs"])


def test_both_halves_can_be_read_on_a_narrow_screen(seen: Mapping[str, object]) -> None:
    assert seen["halvesOfNarrow"] == [True, True]


def test_nothing_is_left_in_the_browser(seen: Mapping[str, object]) -> None:
    assert seen["stored"] == {"local": [], "session": [], "cookies": ""}


def test_the_page_asks_nobody_else_and_complains_of_nothing(seen: Mapping[str, object]) -> None:
    assert seen["foreign"] == []
    assert seen["complaints"] == []


def test_without_demo_mode_a_visitor_stays_anonymous() -> None:
    seen = visit(Demo(is_open=False))

    assert seen["hasDemoButton"] is False
    assert str(seen["who"]).startswith("Not signed in.")
    assert seen["answer"] == {"data": {"viewer": None, "balance": None}}
    assert viewer_of(seen["answerAfterToken"]) == "acct_7"
