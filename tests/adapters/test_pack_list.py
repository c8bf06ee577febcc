"""The packs: those that ship, and mistakes in one's own."""

from pathlib import Path

import pytest

from adapters.pack_list import read_packs
from adapters.settings_file import SettingsFileError
from domain.money import Currency, Money
from domain.packs import PackPrice

SHIPPED = Path(__file__).parents[2] / "packs.toml"
USD, KES = Currency.USD, Currency.KES


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "packs.toml"
    path.write_text(text)
    return path


def test_the_shipped_packs_are_sound() -> None:
    starter, builder, _ = read_packs(SHIPPED)

    assert starter.credits == 5_000_000_000
    assert starter.prices == {
        USD: PackPrice(Money(500, USD)),
        KES: PackPrice(Money(65_000, KES)),
    }
    assert builder.bonus == 1_000_000_000
    assert builder.prices[KES].basis == "USD 20.00 at 129.5 KES per USD"
    assert builder.prices[KES].money == Money(259_000, KES)


def test_two_credits_for_each_cent(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'credits_per_usd_cent = 2\n[packs.a]\nname = "A"\nprice = { USD = 0.99 }\nvalid_days = 30',
    )

    (pack,) = read_packs(path)

    assert pack.credits == 198_000_000
    assert (pack.valid_days, pack.bonus_valid_days) == (30, 30)
    assert set(pack.prices) == {USD}


def test_a_pack_that_is_not_enabled_is_left_out(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[packs.a]\nname = "A"\ncredits = 1\nenabled = false\nprice = { USD = 1 }'
    )

    assert read_packs(path) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("packs = 1", "packs has to be a table"),
        ("[packs.a]\nprice = { USD = 1 }", "name is missing"),
        ('[packs.a]\nname = "A"\nprice = { USD = 1 }', "credits is missing"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = {}', "at least one price"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = { EUR = 1 }', "no setting EUR"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = { USD = 1.005 }', "two fraction digits"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = { USD = 0 }', "more than 0"),
        ('[packs.a]\nname = "A"\ncredits = 0\nprice = { USD = 1 }', "more than 0"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = { USD = 1 }\nvalid_days = 0', "valid_days"),
        ('[packs.A]\nname = "A"\ncredits = 1\nprice = { USD = 1 }', "lower-case"),
        ('[packs.a]\nname = "A"\ncredits = 1\nprice = { KES = 9.50 }', "whole shillings"),
        ("kes_per_usd = 0\n[packs]", "kes_per_usd"),
        ("kes_per_usd = true\n[packs]", "kes_per_usd"),
        ("credits_per_cent = 2\n[packs]", "no setting credits_per_cent"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsFileError, match=told):
        read_packs(written(tmp_path, text))
