"""A key is read back from its own text only, and most of what is not one needs no look-up."""

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.key_texts import KeySecret, PresentedKey, prefix_of, read
from domain.units import AccountId, ApiKeyId, KeyNumber

KEY_ID = ApiKeyId(AccountId(1_845_000_000_000_000_123), KeyNumber(7))
TEXT = KeySecret.new().text(KEY_ID)
FORM = re.compile(r"ck_[a-z2-7]{20}_[0-9A-Za-z]{49}")


@given(st.integers(1, 2**63 - 1), st.integers(1, 2**31 - 1))
def test_a_key_is_read_back_from_its_text(account: int, number: int) -> None:
    key_id, secret = ApiKeyId(AccountId(account), KeyNumber(number)), KeySecret.new()

    text = secret.text(key_id)

    assert read(text) == PresentedKey(key_id, secret.hash)
    assert FORM.fullmatch(text)


def test_what_is_kept_is_the_hash_of_the_secret() -> None:
    secret = KeySecret.new()
    spelled = secret.text(KEY_ID)[-49:-6]

    assert secret.hash == sha256(spelled.encode()).digest()
    assert secret.text(KEY_ID).startswith(prefix_of(KEY_ID, secret.start))
    assert len(secret.start) == 4


def test_no_two_secrets_are_alike() -> None:
    assert len({KeySecret.new().hash for _ in range(1_000)}) == 1_000


def test_a_secret_is_not_told_by_accident() -> None:
    secret = KeySecret.new()
    spelled = secret.text(KEY_ID)[-49:-6]

    assert spelled not in repr(secret)
    assert repr(secret.hash) not in repr(read(secret.text(KEY_ID)))


@given(st.data())
def test_one_changed_character_is_never_a_key(data: st.DataObject) -> None:
    text = KeySecret.new().text(KEY_ID)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("abcXYZ027_-. é\0"))

    changed = text[:place] + other + text[place + 1 :]

    assert changed == text or read(changed) is None


NOT_OF_THE_FORM = {
    "nothing": "",
    "a prefix": "ck_",
    "a space after it": f"{TEXT} ",
    "a line's end after it": f"{TEXT}\n",
    "capitals": TEXT.upper(),
    "too short": TEXT[:-1],
    "twice": TEXT + TEXT,
    "another prefix": TEXT.replace("ck_", "sk_", 1),
    "endless": TEXT * 10_000,
}


@pytest.mark.parametrize("text", NOT_OF_THE_FORM.values(), ids=NOT_OF_THE_FORM.keys())
def test_what_has_not_the_form_is_no_key(text: str) -> None:
    assert read(text) is None


def test_a_key_has_one_spelling() -> None:
    text = KeySecret.new().text(KEY_ID)
    # The last character of the id carries four bits of which only some are used.
    others = [text[:22] + letter + text[23:] for letter in "abcdefghijklmnopqrstuvwxyz234567"]

    assert [other for other in others if read(other) is not None] == [text]
