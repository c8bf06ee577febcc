"""What an operator types about events is done, or it is said what to do instead."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from schema.ids import event_named
from tests.persistence.bank import Bank
from tests.telling.post import Post, endpoint, open_post
from tests.telling.receiver import SECRET, Receiver, answering, receiving

Shell = Callable[..., Awaitable[Result]]


def shell(post: Post, url: str) -> Shell:
    """Commands with the settings of the one endpoint, run in this process to save it starting."""

    def run(words: Sequence[str], settings: Mapping[str, str]) -> Result:
        given = {
            "DATABASE_URL": post.bank.url,
            "TALLYSTICK_SECRET": post.bank.secret,
            "WEBHOOK_URL": url,
            "WEBHOOK_SECRETS": SECRET,
            **settings,
        }
        return CliRunner().invoke(cli, ["webhooks", *words], env=given)

    return lambda *words, **settings: asyncio.to_thread(run, words, settings)


async def test_what_is_dead_is_listed_shown_and_sent_again(bank: Bank) -> None:
    receiver = Receiver(always=answering(410))
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url, "default")) as post:
        run = shell(post, url)
        async with post.working():
            await post.raise_alert()
            await post.until("DEAD")
        name = receiver.ids[0]
        waiting = await run("list", "--waiting")
        dead = await run("list", "--dead")
        shown = await run("show", name)
        receiver.always = answering(200)
        replayed = await run("replay", "--dead")
        async with post.working():
            [delivered] = await post.until("DELIVERED")
            await post.raise_alert("next")
            await post.until("DELIVERED", "DELIVERED")

    assert waiting.stdout == "No deliveries.\n"
    assert dead.stdout.startswith(f"{name}  alert.raised  ")
    assert dead.stdout.endswith("  default  DEAD  tries 1; answered 410\n")
    assert re.search(r"\n  \S+Z  default  answered 410  in \d+ ms\n", shown.stdout)
    assert replayed.stdout.startswith("1 delivery is sent again")
    assert delivered == ("DELIVERED", 1, ["410", "200"])
    assert receiver.ids[:2] == [name, name]
    assert len(receiver.heard) == 3


async def test_what_was_delivered_is_sent_again_when_it_is_asked_for(bank: Bank) -> None:
    receiver = Receiver()
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url, "default")) as post:
        run = shell(post, url)
        async with post.working():
            await post.raise_alert("a")
            await post.raise_alert("b")
            await post.until("DELIVERED", "DELIVERED")
            by_name = await run("replay", receiver.ids[0])
            await receiver.until_heard(3)
            since = await run("replay", "--since", "2026-01-01")
            await receiver.until_heard(5)
            later = await run("replay", "--since", "2100-01-01T00:00:00+01:00")
            await post.until("DELIVERED", "DELIVERED")

    assert by_name.stdout.startswith("1 delivery is")
    assert since.stdout.startswith("2 deliveries")
    assert later.stdout.startswith("0 deliveries")
    assert receiver.ids[2] == receiver.ids[0]
    assert sorted(receiver.ids[3:]) == sorted(receiver.ids[:2])


async def test_an_endpoint_that_is_new_is_sent_what_was_told_before(
    bank: Bank, tmp_path: Path
) -> None:
    late = Receiver()
    async with receiving() as (first, url), receiving(late) as (_, there):
        async with open_post(bank, endpoint(url, "first")) as post, post.working():
            await post.raise_alert()
            await post.until("DELIVERED")
        file = tmp_path / "webhooks.toml"
        file.write_text(
            f'[[endpoints]]\nname = "late"\nurl = "{there}"\nsecrets_env = ["LATE_SECRET"]\n'
        )
        async with open_post(bank, endpoint(there, "late")) as post:
            replayed = await shell(post, "")(
                "replay",
                first.ids[0],
                "--endpoint=late",
                WEBHOOKS_FILE=str(file),
                LATE_SECRET=SECRET,
            )
            async with post.working():
                await late.until_heard(1)
                await post.until("DELIVERED", "DELIVERED")

    assert replayed.stdout.startswith("1 delivery is"), replayed.stderr
    assert late.ids == first.ids
    assert len(first.heard) == 1


async def test_what_is_dismissed_is_not_sent(bank: Bank) -> None:
    receiver = Receiver(always=answering(500))
    async with (
        receiving(receiver) as (_, url),
        open_post(bank, endpoint(url, "default")) as post,
        post.working(),
    ):
        await post.raise_alert()
        await post.until_tried(1)
        dismissed = await shell(post, url)("dismiss", receiver.ids[0])
        await post.hurry()
        await asyncio.sleep(0.3)
        states = await post.states()

    assert dismissed.stdout == "1 delivery is dismissed.\n"
    assert states == [("DISMISSED", 1, ["500"])]
    assert len(receiver.heard) == 1


async def test_a_ping_shows_whether_an_endpoint_accepts(bank: Bank) -> None:
    receiver = Receiver()
    receiver.moods.append(answering(403))
    async with receiving(receiver) as (_, url), open_post(bank, endpoint(url)) as post:
        run = shell(post, url)
        refused = await run("test")
        accepted = await run("test")
        nowhere = await shell(post, "http://127.0.0.1:9/hunter2")("test")

    assert re.fullmatch(r"default: answered 403 in \d+ ms\n", refused.stdout)
    assert re.fullmatch(r"default: answered 204 in \d+ ms\n", accepted.stdout)
    assert re.fullmatch(r"default: no connection in \d+ ms\n", nowhere.stdout)
    assert (refused.exit_code, accepted.exit_code, nowhere.exit_code) == (1, 0, 1)
    assert receiver.heard[0].type == "ping"
    receiver.heard[0].verify()


@pytest.mark.parametrize(
    ("words", "settings", "status", "told"),
    [
        (["show", "evt_nonsense"], {}, 1, "There is no event evt_nonsense. Events are called like"),
        (["replay"], {}, 2, "name an event, or say --since or --dead"),
        (["replay", "--since=yesterday"], {}, 1, "--since must be a day such as 2026-01-31"),
        (["replay", "--dead", "--endpoint=nobody"], {}, 1, "Configured: default."),
        (["dismiss"], {}, 2, "name an event, or say --dead"),
        (["list", "--dead", "--waiting"], {}, 2, "not both"),
        (["test"], {"WEBHOOK_SECRETS": ""}, 2, "WEBHOOK_SECRETS has to sign"),
        (["test"], {"WEBHOOK_URL": "", "WEBHOOK_SECRETS": ""}, 2, "No endpoint is configured"),
        (["test"], {"WEBHOOKS_FILE": "x.toml"}, 2, "WEBHOOK_URL for one endpoint or WEBHOOKS_FILE"),
        (["test"], {"WEBHOOK_URL": "http://crm.example.com/?key=hunter2"}, 2, "in the clear"),
    ],
    ids=[
        "no such event",
        "nothing to replay",
        "no time",
        "no such endpoint",
        "nothing to dismiss",
        "both",
        "no secret",
        "no endpoint",
        "two ways",
        "not safe",
    ],
)
async def test_what_cannot_be_done_is_said(
    bank: Bank, words: list[str], settings: dict[str, str], status: int, told: str
) -> None:
    async with open_post(bank) as post:
        done = await shell(post, "http://127.0.0.1:9/")(*words, **settings)

    assert done.exit_code == status, done.stderr
    assert told in re.sub(r"\s*[│\n]\s*", " ", done.stderr)
    assert "hunter2" not in done.stderr
    assert SECRET not in done.stderr


def test_a_name_of_no_event_names_none() -> None:
    assert event_named("evt_aaaaaaaaaaaac") is None
