"""Mail addresses are kept in one form, and what is none is told apart."""

import pytest

from domain.addresses import email_of, identity_of, read_email
from domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("anna@example.test", "anna@example.test"),
        (" Anna@Example.TEST\n", "anna@example.test"),
        ("a.b+c_d'e@sub.example.co", "a.b+c_d'e@sub.example.co"),
        ("anna@MÜNCHEN.example", "anna@xn--mnchen-3ya.example"),
        ("x@example.xn--p1ai", "x@example.xn--p1ai"),
    ],
)
def test_an_address_has_one_form(written: str, kept: str) -> None:
    assert email_of(written) == kept
    assert email_of(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        "", "anna", "@example.test", "anna@", "anna@localhost", "anna@example..test",
        "anna@-example.test", "anna@example.test.", "an na@example.test", ".anna@example.test",
        "anna.@example.test", "an..na@example.test", '"anna"@example.test', "änna@example.test",
        "anna@example.test\r\nBcc: eve@example.test", "anna\0@example.test", "anna@[127.0.0.1]",
        "anna@127.0.0.1", "anna@example.1", "a" * 65 + "@example.test",
        "a@" + "b" * 64 + ".test", "a@" + ".".join(["b" * 60] * 5), "anna,eve@example.test",
        "anna@example.test,eve@example.test", "<anna@example.test>", "anna@exa\ud800mple.test",
        "anna@eve@example.test",
    ],
)  # fmt: skip
def test_what_no_mail_is_sent_to_is_no_address(written: str) -> None:
    assert read_email(written) is None
    with pytest.raises(InvalidInput, match="not an email address"):
        email_of(written)


def test_tries_are_counted_for_an_address_by_one_way_and_not_in_its_own_words() -> None:
    ways = {identity_of(way, "anna@example.test") for way in ("signIn", "signUp")}

    assert len(ways) == 2
    assert not any("anna" in way for way in ways)
    assert identity_of("signIn", "anna@example.test") in ways
