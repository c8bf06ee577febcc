"""What administrators do to the price book."""

import pytest

from tests.schema.shop import EVE, Shop

SAVE_MODEL = """mutation ($input: SaveModelInput!) { saveModel(input: $input) {
    __typename
    ... on SaveModelSuccess { model { id name enabled price { inputPer1K cachedInputPer1K } } }
    ... on Problem { code }
    ... on InvalidInput { issues { path message } } } }"""


SET_PRICE = """mutation ($input: SetModelPriceInput!) { setModelPrice(input: $input) {
    __typename
    ... on SetModelPriceSuccess {
      model { price { inputPer1K cachedInputPer1K outputPer1K perRequest } } }
    ... on Problem { code }
    ... on InvalidInput { issues { path message } } } }"""


async def test_settings_left_out_stay_as_they_are() -> None:
    data = await Shop().ask(
        SAVE_MODEL, by=EVE, input={"id": "small", "name": "Smaller", "vendor": None}
    )

    assert data == {
        "saveModel": {
            "__typename": "SaveModelSuccess",
            "model": {
                "id": "small",
                "name": "Smaller",
                "enabled": True,
                "price": {"inputPer1K": "0.3", "cachedInputPer1K": "0"},
            },
        }
    }


async def test_a_new_model_comes_with_its_price() -> None:
    data = await Shop().ask(
        SAVE_MODEL,
        by=EVE,
        input={
            "id": "new",
            "name": "New",
            "vendor": "Ours",
            "upstreamName": "new",
            "contextWindow": 1_000,
            "maxOutputTokens": 100,
            "enabled": True,
            "price": {"inputPer1K": "0.3", "outputPer1K": 1},
        },
    )

    assert data == {
        "saveModel": {
            "__typename": "SaveModelSuccess",
            "model": {
                "id": "new",
                "name": "New",
                "enabled": True,
                "price": {"inputPer1K": "0.3", "cachedInputPer1K": "0.3"},
            },
        }
    }


async def test_everything_wrong_with_a_model_is_told_at_once() -> None:
    data = await Shop().ask(
        SAVE_MODEL,
        by=EVE,
        input={
            "id": "a model",
            "name": "",
            "upstreamName": "x" * 201,
            "contextWindow": 0,
            "maxOutputTokens": -1,
            "enabled": False,
            "isDefault": True,
            "price": {"inputPer1K": "-1", "outputPer1K": "1000000.000001"},
        },
    )

    rate = "Must be from 0 to 1000000 credits."
    assert data == {
        "saveModel": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "issues": [
                {
                    "path": ["id"],
                    "message": "Must be 1 to 128 letters, digits or . _ : / - and begin with a "
                    "letter or digit.",
                },
                {"path": ["name"], "message": "Must not be empty."},
                {"path": ["upstreamName"], "message": "At most 200 characters; these are 201."},
                {"path": ["contextWindow"], "message": "Must be at least 1."},
                {"path": ["maxOutputTokens"], "message": "Must be at least 1."},
                {"path": ["enabled"], "message": "The default model has to be enabled."},
                {"path": ["price", "inputPer1K"], "message": rate},
                {"path": ["price", "outputPer1K"], "message": rate},
            ],
        }
    }


async def test_a_price_is_replaced() -> None:
    shop = Shop()
    price = {"inputPer1K": "0.3", "cachedInputPer1K": "0.1", "outputPer1K": 2, "perRequest": "0.5"}

    data = await shop.ask(SET_PRICE, by=EVE, input={"modelId": "small", "price": price})

    assert data == {
        "setModelPrice": {
            "__typename": "SetModelPriceSuccess",
            "model": {"price": price | {"outputPer1K": "2"}},
        }
    }


async def test_nothing_is_told_of_a_price_that_was_left_out() -> None:
    price = {"inputPer1K": "-1", "outputPer1K": "1"}

    data = await Shop().ask(SET_PRICE, by=EVE, input={"modelId": "small", "price": price})

    rate = "Must be from 0 to 1000000 credits."
    assert data == {
        "setModelPrice": {
            "__typename": "InvalidInput",
            "code": "INVALID_INPUT",
            "issues": [{"path": ["price", "inputPer1K"], "message": rate}],
        }
    }


@pytest.mark.parametrize("name", ["unknown", "", "\0", "x" * 1_000])
async def test_an_unknown_model_has_no_price(name: str) -> None:
    price = {"inputPer1K": 1, "outputPer1K": 1}

    data = await Shop().ask(SET_PRICE, by=EVE, input={"modelId": name, "price": price})

    assert data == {"setModelPrice": {"__typename": "NotFound", "code": "NOT_FOUND"}}
