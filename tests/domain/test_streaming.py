"""A transcript: whatever the order of writing and reading, every reader ends with the same text."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.streaming import PART_CHARACTERS_MAX, Transcript, storable, utf16_length

WORDS = st.text(st.sampled_from(["a", "ß", "字", "😀", "\0", "\ud83d", "\ude00"]), max_size=5)


def shown_by(transcript: Transcript, shown: str = "") -> str:
    """What a client shows that keeps to the rule, having shown this much."""
    while True:
        units = shown.encode("utf-16-le", "surrogatepass")
        offset, text = transcript.read(len(units) // 2)
        if not text:
            return shown
        kept = units[: 2 * offset].decode("utf-16-le", "surrogatepass")
        shown = kept + text


@given(st.lists(WORDS, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_a_reader_that_comes_and_goes_ends_with_the_whole_text(
    words: list[str], reads: list[bool]
) -> None:
    transcript = Transcript()
    shown = ""

    for word, is_read in zip(words, reads, strict=False):
        transcript.append(word)
        if is_read:
            shown = shown_by(transcript, shown)

    # Halves of a character that arrive apart are replaced one by one, read between or not.
    whole = shown_by(transcript)
    assert shown_by(transcript, shown) == whole
    assert utf16_length(whole) == transcript.length
    assert "\0" not in whole
    whole.encode("utf-8")


@given(st.text(st.sampled_from(["a", "字", "😀"]), min_size=1), st.data())
def test_any_offset_leads_to_the_whole_text(text: str, data: st.DataObject) -> None:
    transcript = Transcript()
    transcript.append(text)
    units = text.encode("utf-16-le")
    already = data.draw(st.integers(0, len(units) // 2))

    shown = shown_by(transcript, units[: 2 * already].decode("utf-16-le", "surrogatepass"))

    assert shown == text


def test_a_long_text_is_read_in_portions() -> None:
    transcript = Transcript()
    text = "字😀" * PART_CHARACTERS_MAX

    transcript.append(text)

    assert len(transcript.read(0)[1]) <= PART_CHARACTERS_MAX
    assert shown_by(transcript) == text


def test_reading_every_token_leaves_few_parts_behind() -> None:
    transcript = Transcript()
    tokens = [f"{number} " for number in range(20_000)]

    for token in tokens:
        transcript.append(token)
        transcript.read(transcript.length)

    parts = transcript._parts  # noqa: SLF001 - the memory it takes shows nowhere else
    assert len(parts) < 300
    assert shown_by(transcript) == "".join(tokens)


def test_what_nobody_reads_is_joined_from_time_to_time() -> None:
    transcript = Transcript()

    for _ in range(10_000):
        transcript.append("token ")

    heard = transcript._heard  # noqa: SLF001 - the memory it takes shows nowhere else
    assert len(heard) < 300
    assert transcript.length == 60_000


async def test_readers_wake_for_news_and_for_the_end() -> None:
    transcript = Transcript()
    first = asyncio.create_task(transcript.more(0))
    second = asyncio.create_task(transcript.more(3))
    await asyncio.sleep(0)

    transcript.append("abc")
    await asyncio.wait_for(first, 1)
    await asyncio.sleep(0)
    is_second_done = second.done()
    transcript.close(None)
    await asyncio.wait_for(second, 1)

    assert not is_second_done
    assert transcript.read(3) == (3, "")
    assert transcript.end is None


async def test_a_reader_who_leaves_leaves_nothing_behind() -> None:
    transcript = Transcript()
    waiting = asyncio.create_task(transcript.more(0))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert transcript._waiting == []  # noqa: SLF001 - it shows nowhere else


@pytest.mark.parametrize("text", ["plain", "nul\0", "half \ud83d", "😀 whole"])
def test_what_cannot_be_stored_is_replaced_unit_by_unit(text: str) -> None:
    stored = storable(text)

    assert len(stored) == len(text)
    assert "\0" not in stored
    stored.encode("utf-8")
