"""Log lines as an operator finds them."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog

from app.logging import REQUEST_ID, configure

SECRET_WORDS = "launch code 0000"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leave no trace in the logging of other tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json")
    token = REQUEST_ID.set("request-0001")

    structlog.get_logger().info("hold released", amount=12)

    REQUEST_ID.reset(token)
    (line,) = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "hold released",
        "level": "info",
        "amount": 12,
        "request_id": "request-0001",
    }


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer [redacted]"),
        ("token eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl ended", "token [redacted] ended"),
        ("key ck_7f3a_0123456789abcdef refused", "key [redacted] refused"),
        ("key sk-0123456789abcdef refused", "key [redacted] refused"),
        ("token rt_0123456789-_abcdef refused", "token [redacted] refused"),
        ("link lt_0123456789-_abcdef refused", "link [redacted] refused"),
        ("postgresql://user:pass@db.internal/x", "postgresql://[redacted]@db.internal/x"),
        ("mail to ada.l+x@example.org failed", "mail to [address] failed"),
        ({"password": "hunter2", "kind": "signIn"}, {"password": "[redacted]", "kind": "signIn"}),
        (["Bearer abc", 1], ["Bearer [redacted]", 1]),
        ("12 credits at 0.3 per 1K", "12 credits at 0.3 per 1K"),
    ],
)
def test_what_looks_like_a_secret_is_struck_out(
    capsys: pytest.CaptureFixture[str], value: object, left: object
) -> None:
    configure("json")

    structlog.get_logger().warning("noticed", value=value)
    logging.getLogger("another.library").warning("%s", value)

    ours, theirs = lines(capsys)
    assert ours["value"] == left
    assert "hunter2" not in str(theirs)
    assert "0123456789abcdef" not in str(theirs)
    assert "example.org" not in str(theirs)


def test_a_value_that_a_caller_made_long_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    begun = time.perf_counter()

    structlog.get_logger().info("request", path="/eyJ-api_key-" * 100_000)

    assert time.perf_counter() - begun < 1
    assert len(str(lines(capsys)[0]["path"])) <= 2_001


@pytest.mark.parametrize("name", ["authorization", "password", "token", "prompt", "variables"])
def test_a_field_that_is_secret_by_name_is_struck_out(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    configure("json")

    structlog.get_logger().info("noticed", **{name: SECRET_WORDS})

    assert lines(capsys)[0][name] == "[redacted]"


def test_an_exception_is_its_kind_and_place_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json")
    try:
        int(SECRET_WORDS)
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("another.library").exception("failed too")

    ours, theirs = lines(capsys)
    for line in (ours, theirs):
        assert line["raised"] == "builtins.ValueError"
        assert "test_logging.py" in str(line["at"])
        assert SECRET_WORDS not in str(line)


def test_a_console_shows_the_same_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console")

    structlog.get_logger().info("hold released", amount=12, password=SECRET_WORDS)

    shown = capsys.readouterr().err
    assert "hold released" in shown
    assert "amount=12" in shown
    assert SECRET_WORDS not in shown


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", logging.WARNING)

    structlog.get_logger().info("usual")
    logging.getLogger("another.library").info("usual")

    assert capsys.readouterr().err == ""


def test_the_servers_own_access_log_stays_off(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")

    logging.getLogger("uvicorn.access").warning("GET /graphql?query=secret")

    assert capsys.readouterr().err == ""


def test_lines_of_the_inner_parts_keep_their_fields_and_those_of_libraries_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json")

    logging.getLogger("persistence.notify").warning("notices_lost", extra={"cause": "OSError"})
    logging.getLogger("some.library").warning("request failed", extra={"body": SECRET_WORDS})

    ours, theirs = lines(capsys)
    assert (ours["event"], ours["cause"]) == ("notices_lost", "OSError")
    assert SECRET_WORDS not in str(theirs)
