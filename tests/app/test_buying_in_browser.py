"""Credits bought in Chromium with the network closed, while another page follows what happens."""

import asyncio
import json
import shutil

from adapters.models.loopback import serve
from app.asgi import application
from tests import node
from tests.journeys.system import House, open_house


async def test_a_newcomer_pays_at_the_sandbox_and_sees_the_credits_arrive(
    database_url: str, deployment_secret: str
) -> None:
    node.require("chromium")
    async with open_house(
        database_url, deployment_secret, address="", sign_up_credits="0"
    ) as house:
        seen = await _visit(house)
        differences = await house.differences()

    assert seen["heading"] == "Starter"
    assert seen["price"] == "USD 5.00"
    assert seen["buttons"] == [
        "Pay USD 5.00",
        "Pay later (M-Pesa, bank transfer)",
        "Decline the card",
    ]
    assert seen["payments"] == ["PENDING", "SUCCEEDED", "end"]
    assert seen["balances"] == [
        {"balance": {"total": "0"}, "entry": None},
        {"balance": {"total": "5000"}, "entry": {"kind": "PURCHASE", "amount": "5000"}},
    ]
    assert seen["returned"] is True
    assert seen["foreign"] == []
    assert seen["complaints"] == []
    assert differences == []


async def _visit(house: House) -> dict[str, object]:
    async with serve(application(house.system)) as url:
        seen = json.loads(
            await asyncio.to_thread(
                node.run, "buying.mjs", url.removesuffix("/v1"), str(shutil.which("chromium"))
            )
        )
    assert isinstance(seen, dict)
    return seen
