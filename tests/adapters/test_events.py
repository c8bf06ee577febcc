"""Server-sent events in any pieces and with any line ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.models.events import EVENT_BYTES_MAX, Events
from adapters.models.faults import TooLargeError

BODY = (
    b"\xef\xbb\xbf: keep-alive\r\n\r\n"
    b"event: chunk\nid: 7\ndata: one\n\n"
    b"data:two\r\n\r\n"
    b"data: three\ndata: lines\n\n"
    b"\n\n\n"
    b"data: [DONE]\n\n"
)
TOLD = [b"one", b"two", b"three\nlines", b"[DONE]"]


def split(body: bytes, places: list[int]) -> list[bytes]:
    events = Events()
    ends = sorted({*places, len(body)})
    told = []
    for begin, end in zip([0, *ends], ends, strict=False):
        told += events.feed(body[begin:end])
    return told + events.close()


def test_only_the_data_of_events_is_told() -> None:
    assert split(BODY, []) == TOLD


# A byte order mark that is itself cut in two is no provider's habit.
@given(st.lists(st.integers(3, len(BODY))))
def test_it_does_not_matter_where_a_body_is_cut(places: list[int]) -> None:
    assert split(BODY, places) == TOLD


def test_an_event_without_its_blank_line_is_told_at_the_end() -> None:
    events = Events()

    assert events.feed(b"data: one\ndata: mo") == []
    assert events.close() == [b"one\nmo"]


def test_lines_may_end_in_carriage_returns_alone() -> None:
    assert split(b"data: one\r\rdata: two\r\r", []) == [b"one", b"two"]


@pytest.mark.parametrize("piece", [b"x" * 4_096, b"data: " + b"x" * 4_096 + b"\n"])
def test_an_event_that_never_ends_is_too_large(piece: bytes) -> None:
    with pytest.raises(TooLargeError):
        split(piece * (EVENT_BYTES_MAX // 4_096 + 1), [])
