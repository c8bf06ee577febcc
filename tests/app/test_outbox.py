"""The outbox is read on this machine, by a name that means this machine, and does nothing else."""

import httpx2
import pytest
from starlette.applications import Starlette

from adapters.mail.outbox import Outbox
from app import outbox
from app.http import SafeHeaders
from domain.mailing import Mail

MAIL = Mail(
    to="anna@example.test",
    subject="<script>alert(1)</script>",
    text='Open:\n\nhttp://127.0.0.1:8000/"onclick="x#token=lt_1\n\n<b>not bold</b>\n',
)


@pytest.fixture
def kept() -> Outbox:
    return Outbox(lambda _: None)


@pytest.fixture
def app(kept: Outbox) -> SafeHeaders:
    return SafeHeaders(Starlette(routes=outbox.routes(kept)))


async def get(
    app: SafeHeaders, host: str = "127.0.0.1:8000", client: str = "127.0.0.1"
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app, client=(client, 40_000))
    async with httpx2.AsyncClient(transport=transport) as http:
        return await http.get(f"http://{host}/outbox")


async def test_mails_are_shown_newest_first_and_as_text(app: SafeHeaders, kept: Outbox) -> None:
    empty = await get(app)
    await kept.send(MAIL)
    await kept.send(Mail(to="bob@example.test", subject="The newest", text="Hello"))

    page = (await get(app)).text

    assert "No mail yet" in empty.text
    assert page.index("The newest") < page.index("anna@example.test")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert '<a href="http://127.0.0.1:8000/&quot;onclick=&quot;x#token=lt_1"' in page


async def test_the_page_loads_runs_and_sends_nothing(app: SafeHeaders) -> None:
    headers = (await get(app)).headers

    assert headers["content-security-policy"].startswith("default-src 'none'; style-src")
    for word in ("form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert word in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
async def test_this_machine_may_read_it(app: SafeHeaders, host: str) -> None:
    assert (await get(app, host)).status_code == 200
    assert (await get(app, host, client="::1")).status_code == 200


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("evil.test:8000", "127.0.0.1"),
        ("127.0.0.1.evil.test", "127.0.0.1"),
        ("192.0.2.1:8000", "127.0.0.1"),
        ("localhost:8000", "192.0.2.1"),
    ],
    ids=["a rebound name", "a name that looks like it", "another address", "another machine"],
)
async def test_nobody_else_may(app: SafeHeaders, kept: Outbox, host: str, client: str) -> None:
    await kept.send(MAIL)

    response = await get(app, host, client)

    assert response.status_code == 403
    assert "lt_1" not in response.text
