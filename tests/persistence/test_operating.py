"""What the operator does from a shell: administrators, and the price book's file."""

from dataclasses import replace

import pytest

from domain.errors import NotFound, Unavailable
from domain.identity import Role
from domain.money import MicroUSD
from domain.pricing import ProviderRates
from domain.recharging import ModelChange
from domain.reporting import PageRequest
from domain.units import Microcredits, ModelId
from persistence.operating import load_models, set_role
from tests.persistence.bank import MODEL, RATES, Bank

LARGE = replace(MODEL, id=ModelId("large"), name="Large", is_default=False)
PRICES = "SELECT count(*) FROM tallystick.model_prices"


async def test_an_unknown_address_gets_no_role(bank: Bank) -> None:
    with pytest.raises(NotFound):
        await set_role(bank.url, "nobody@example.test", Role.ADMIN)


async def test_a_role_that_was_given_is_kept_in_the_audit_log(bank: Bank) -> None:
    admin = await bank.administrator()

    audits = (await bank.books.audit_page(admin.admin, PageRequest(first=1))).items

    assert [(audit.actor_id, audit.action, audit.target_id) for audit in audits] == [
        (None, "setRole", str(admin.account_id))
    ]


async def test_loading_the_same_models_again_changes_nothing(bank: Bank) -> None:
    first = await load_models(bank.url, [MODEL, LARGE])
    before = await bank.books.models(enabled_only=False)

    second = await load_models(bank.url, [MODEL, LARGE])

    assert (first, second) == ([LARGE.id], [])
    assert await bank.books.models(enabled_only=False) == before
    assert await bank.owner.fetchval(PRICES) == 2


async def test_a_listing_with_another_price_replaces_the_price(bank: Bank) -> None:
    old = (await bank.books.models(enabled_only=True))[0].price
    dearer = replace(RATES, output_per_1k=Microcredits(5))

    changed = await load_models(bank.url, [replace(MODEL, rates=dearer)])

    new = (await bank.books.models(enabled_only=True))[0].price
    assert changed == [MODEL.id]
    assert (new.output_per_1k, new.id > old.id) == (5, True)
    assert await bank.books.prices([old.id]) == {old.id: old}


async def test_what_the_provider_charges_is_a_part_of_the_price(bank: Bank) -> None:
    rates = ProviderRates(
        input_per_1m=MicroUSD(1), cached_input_per_1m=MicroUSD(2), output_per_1m=MicroUSD(3)
    )

    await load_models(bank.url, [replace(MODEL, rates=replace(RATES, provider=rates))])

    assert (await bank.books.models(enabled_only=True))[0].price.provider == rates


async def test_a_listing_with_other_settings_keeps_the_price(bank: Bank) -> None:
    changed = await load_models(bank.url, [replace(MODEL, name="Tiny")])

    assert changed == [MODEL.id]
    assert (await bank.books.models(enabled_only=True))[0].name == "Tiny"
    assert await bank.owner.fetchval(PRICES) == 1


async def test_the_default_moves_with_the_file(bank: Bank) -> None:
    await load_models(bank.url, [replace(MODEL, is_default=False), replace(LARGE, is_default=True)])

    models = await bank.books.models(enabled_only=True)

    assert [(model.id, model.is_default) for model in models] == [("large", True), ("small", False)]


async def test_new_models_alone_leave_what_administrators_changed(bank: Bank) -> None:
    admin = await bank.administrator()
    await bank.office.save_model(
        admin.session_id, ModelChange(id=MODEL.id, name="Renamed"), summary="a test"
    )

    added = await load_models(bank.url, [MODEL, LARGE], only_new=True)

    names = [model.name for model in await bank.books.models(enabled_only=True)]
    assert (added, names) == ([LARGE.id], ["Renamed", "Large"])


async def test_models_are_loaded_together_or_not_at_all(bank: Bank) -> None:
    impossible = replace(LARGE, id=ModelId("no spaces, please"))

    with pytest.raises(Exception, match="models_id_is_readable"):
        await load_models(bank.url, [replace(MODEL, name="Tiny"), impossible])

    assert (await bank.books.models(enabled_only=True))[0].name == MODEL.name


async def test_a_database_that_is_away_is_named_as_such() -> None:
    with pytest.raises(Unavailable):
        await set_role("postgresql://nobody@127.0.0.1:9/nothing", "a@b.test", Role.ADMIN)
