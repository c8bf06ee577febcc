"""The price book: the one that ships, and mistakes in one's own."""

from pathlib import Path

import pytest

from adapters.models.small import CONTEXT_WINDOW, UPSTREAM_NAME
from adapters.price_book import read_price_book
from adapters.settings_file import SettingsFileError
from domain.money import parse_credits
from domain.pricing import ModelListing, Rates
from domain.units import Microcredits, ModelId

SHIPPED = Path(__file__).parents[2] / "models.toml"
GOOD = """
[models.one]
name = "One"
vendor = "V"
context_window = 8_192
answer_tokens_max = 1_024
is_default = true
price = { input_per_1k = 0.3, output_per_1k = "0.45" }
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(text)
    return path


def test_the_shipped_price_book_is_sound() -> None:
    listings = read_price_book(SHIPPED)

    assert [listing.id for listing in listings if listing.is_default] == ["deepseek-chat"]
    assert len(listings) >= 4


def test_no_shipped_model_is_sold_below_what_its_provider_charges() -> None:
    # One credit is sold for a tenth of a cent: a rate of 0.3 a thousand is 0.30 USD a million.
    for listing in read_price_book(SHIPPED):
        rates, provider = listing.rates, listing.rates.provider
        if provider is not None:
            assert rates.input_per_1k >= provider.input_per_1m
            assert rates.cached_input_per_1k >= provider.cached_input_per_1m
            assert rates.output_per_1k >= provider.output_per_1m


def test_the_shipped_price_book_lists_the_small_model_as_it_is_served() -> None:
    listings = {listing.id: listing for listing in read_price_book(SHIPPED)}

    small = listings[ModelId("smollm2-135m")]
    assert small.upstream_name == UPSTREAM_NAME
    assert small.context_window == CONTEXT_WINDOW


def test_a_model_is_read_with_what_is_left_out_filled_in(tmp_path: Path) -> None:
    assert read_price_book(written(tmp_path, GOOD)) == (
        ModelListing(
            id=ModelId("one"),
            name="One",
            vendor="V",
            upstream_name="one",
            context_window=8_192,
            answer_tokens_max=1_024,
            is_default=True,
            enabled=True,
            rates=Rates(
                input_per_1k=Microcredits(300_000),
                cached_input_per_1k=Microcredits(300_000),
                output_per_1k=Microcredits(450_000),
                per_request=Microcredits(0),
            ),
        ),
    )


@pytest.mark.parametrize("amount", ["0.1", "0.000001", "1_000.5", "7", "0.30"])
def test_prices_are_exact_to_the_last_digit(tmp_path: Path, amount: str) -> None:
    book = GOOD.replace("0.3,", f"{amount},")

    (listing,) = read_price_book(written(tmp_path, book))

    assert listing.rates.input_per_1k == parse_credits(amount.replace("_", ""))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[models.one]", "[models.One]", "models, One: a model's id is 1 to 64 lower-case"),
        ("[models.one]", "[model.one]", "there is no setting model. Known are models"),
        ('name = "One"', "", "models, one: name is missing"),
        ('name = "One"', "nam = 'One'", "models, one: there is no setting nam"),
        ('vendor = "V"', "vendor = 7", "vendor has to be text"),
        ("= 8_192", "= 0", "context_window has to be a whole number from 1"),
        ("= 1_024", "= 9_000", "answer_tokens_max has to be a whole number from 1 to 8192"),
        ("= 1_024", "= 10.5", "answer_tokens_max has to be a whole number"),
        ("= true", "= 1", "is_default has to be true or false"),
        ("= true", "= false", "exactly one model has to say is_default = true; here it is none"),
        ("= true", "= true\nenabled = false", "the default model has to be enabled"),
        ("0.3,", "0.0000001,", "price: input_per_1k: This is not an amount. Write a plain decimal"),
        ("0.3,", "1e3,", "input_per_1k: This is not an amount"),
        ("0.3,", "nan,", "input_per_1k: This is not an amount"),
        ("0.3,", "-0.3,", "input_per_1k has to be from 0 to 1000000"),
        ("0.3,", "1000001,", "input_per_1k has to be from 0 to 1000000"),
        ("0.3,", "true,", "input_per_1k has to be a number"),
        ("input_per_1k = 0.3,", "", "price: input_per_1k is missing"),
        ("output_per_1k", "output", "price: there is no setting output"),
        ("price = {", "price = 7 #", "price has to be a table"),
        ("price =", "prices =", "there is no setting prices"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = written(tmp_path, GOOD.replace(old, new))

    with pytest.raises(SettingsFileError, match=complaint) as refusal:
        read_price_book(path)

    assert str(refusal.value).startswith(str(path))


def test_two_default_models_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + GOOD.replace("models.one", "models.two"))

    with pytest.raises(SettingsFileError, match="here it is one, two"):
        read_price_book(path)


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsFileError, match="is not UTF-8 text"):
        read_price_book(path)
