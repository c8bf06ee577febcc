"""What an operator types is done, or it is said what to do instead."""

import asyncio
import stat
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from app.cli import cli
from persistence import embedded
from persistence.migrating import upgrade
from persistence.roles import Login, url_of
from tests.app.shell import tallystick

COMMANDS = [
    "up", "serve", "worker", "migrate", "verify", "reconcile", "export", "models load", "token",
    "admin grant", "webhooks list", "webhooks replay",
]  # fmt: skip
TOKEN = ("token", "nobody@demo.test")
NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:9/books"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    shown = tallystick(*command.split(), "--help")

    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def test_the_release_is_told() -> None:
    shown = tallystick("--version")

    assert (shown.returncode, shown.stdout) == (0, f"tallystick {version('tallystick')}\n")


def test_an_unknown_command_is_a_mistake_of_usage() -> None:
    shown = tallystick("dwn")

    assert shown.returncode == 2
    assert "No such command 'dwn'" in shown.stderr


def test_a_directory_without_books_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    shown = tallystick("verify", "--data-dir", tmp_path / "none")

    assert shown.returncode == 1
    assert "There are no books" in shown.stderr
    assert not (tmp_path / "none").exists()


def test_books_made_by_migrate_are_verified_and_keep_their_secret(data_dir: Path) -> None:
    made = tallystick("migrate", "--data-dir", data_dir)
    secret = (data_dir / "secret").read_text()
    again = tallystick("migrate", "--data-dir", data_dir)
    verified = tallystick("verify", "--data-dir", data_dir)

    newest = max(Path("migrations/versions").glob("*.py")).name[:4]
    assert (made.returncode, made.stdout) == (0, f"The database is at revision {newest}.\n")
    assert (again.returncode, again.stdout) == (0, made.stdout)
    assert (data_dir / "secret").read_text() == secret
    assert len(secret.strip()) == 64
    assert stat.S_IMODE((data_dir / "secret").stat().st_mode) == 0o600
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("The books are right")


def test_payments_are_compared_with_their_providers(
    database_url: str, deployment_secret: str
) -> None:
    here = {"DATABASE_URL": database_url, "TALLYSTICK_SECRET": deployment_secret}

    compared = tallystick("reconcile", **here)
    away = tallystick(
        "reconcile",
        "--days=1",
        **here,
        PAYSTACK_SECRET_KEY="sk_test_hunter2",
        PAYSTACK_URL="http://127.0.0.1:9",
    )

    told = "Compared 0 payments with STRIPE and PAYSTACK: all agree.\n"
    assert (compared.returncode, compared.stdout) == (0, told)
    assert away.returncode == 1
    assert "Nothing was compared." in away.stderr
    assert "hunter2" not in away.stderr


def test_the_price_book_is_loaded_once(database_url: str) -> None:
    first = tallystick("models", "load", "models.toml", DATABASE_URL=database_url)
    second = tallystick("models", "load", "models.toml", DATABASE_URL=database_url)

    assert first.returncode == 0, first.stderr
    assert "deepseek-chat" in first.stdout
    assert second.stdout.endswith("changed: none.\n")


def test_a_broken_price_book_changes_nothing(database_url: str, tmp_path: Path) -> None:
    book = tmp_path / "prices.toml"
    book.write_text('[models.one]\nname = "One"\nis_default = true\n')

    shown = tallystick("models", "load", book, DATABASE_URL=database_url)

    assert shown.returncode == 2
    assert f"{book}, models, one: " in shown.stderr


async def test_verify_ends_with_one_when_a_row_disagrees(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    opened = await connection.fetchrow(
        "SELECT * FROM tallystick.open_account(NULL, false, NULL, false, 5)"
    )
    await connection.execute("UPDATE tallystick.balances SET total = 6")
    await connection.close()
    assert opened is not None

    shown = tallystick("verify", DATABASE_URL=database_url)

    assert shown.returncode == 1
    assert "The books are wrong" in shown.stdout
    assert str(opened["account_id"]) in shown.stdout


def test_nobodys_address_gets_no_token(database_url: str, deployment_secret: str) -> None:
    shown = tallystick(*TOKEN, DATABASE_URL=database_url, TALLYSTICK_SECRET=deployment_secret)

    assert (shown.returncode, shown.stdout) == (1, "")
    assert "no account with the address nobody@demo.test" in shown.stderr


@pytest.mark.parametrize("words", ["admin grant", "admin revoke"])
def test_nobody_is_made_an_administrator_by_mistake(words: str, database_url: str) -> None:
    shown = tallystick(*words.split(), "nobody@demo.test", DATABASE_URL=database_url)

    assert shown.returncode == 1
    assert "no account with the address" in shown.stderr


@pytest.mark.parametrize(
    "words", ["migrate", "verify", "serve", "up", "token a@b.test", "admin grant a@b.test"]
)
def test_an_unreachable_server_is_named_without_its_password(words: str, tmp_path: Path) -> None:
    shown = tallystick(
        *words.split(),
        DATABASE_URL=NOWHERE,
        TALLYSTICK_SECRET="a secret of these tests that is long enough",
        TALLYSTICK_DATA_DIR=str(tmp_path),
        DEMO_MODE="true",
        PORT="0",
    )

    assert shown.returncode == 1
    assert "No PostgreSQL can be reached at 127.0.0.1:9/books" in shown.stderr
    assert "hunter2" not in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr


async def test_a_wrong_secret_is_told_as_that(data_dir: Path, deployment_secret: str) -> None:
    cluster = embedded.start(data_dir, durable=False)
    url = cluster.url("postgres")
    await asyncio.to_thread(upgrade, url, secret=deployment_secret)
    rules = data_dir / "cluster" / "pg_hba.conf"
    rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()

    right = tallystick(*TOKEN, DATABASE_URL=url, TALLYSTICK_SECRET=deployment_secret)
    wrong = tallystick(*TOKEN, DATABASE_URL=url, TALLYSTICK_SECRET=deployment_secret[::-1])
    embedded.stop(cluster)

    assert "no account" in right.stderr
    assert wrong.returncode == 1
    assert "The database refuses our logins" in wrong.stderr
    assert "TALLYSTICK_SECRET" in wrong.stderr


def test_a_database_that_was_never_migrated_is_told_as_that(empty_database_url: str) -> None:
    shown = tallystick("verify", DATABASE_URL=empty_database_url)

    assert shown.returncode == 1
    assert "Run `tallystick migrate`" in shown.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("migrate", "may not migrate this database. Use the one that migrated it so far"),
        ("verify", "may not work on the books at"),
        ("models load models.toml", "may not work on the books at"),
        ("admin grant nobody@demo.test", "may not work on the books at"),
        ("token nobody@demo.test", "may not work on the books at"),
        ("export usage", "may not work on the books at"),
        ("webhooks list", "may not work on the books at"),
        ("reconcile", "may not work on the books at"),
    ],
)
def test_a_login_that_may_not_work_on_the_books_is_told_which_one_may(
    words: str, told: str, database_url: str, deployment_secret: str
) -> None:
    url = url_of(Login.USER, database_url, secret=deployment_secret)
    here = {"DATABASE_URL": url, "TALLYSTICK_SECRET": deployment_secret}

    shown = CliRunner().invoke(cli, words.split(), env=here)

    assert (shown.exit_code, shown.stdout) == (1, "")
    assert told in shown.stderr
    assert "Run `tallystick migrate`" not in shown.stderr
    assert url.rpartition("@")[0].rpartition(":")[2] not in shown.stderr


def test_a_missing_database_is_told_as_that(empty_database_url: str) -> None:
    missing = empty_database_url.replace("tallystick_empty_", "tallystick_missing_")

    shown = tallystick("migrate", DATABASE_URL=missing, TALLYSTICK_SECRET="0123456789abcdef" * 2)

    assert shown.returncode == 1
    assert "no such database" in shown.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PORT": "http"}, "PORT"),
        ({"TALLYSTICK_SECRET": "short"}, "TALLYSTICK_SECRET: at least 32 bytes"),
        ({"TALLYSTICK_SECRET": "ab" * 40}, "TALLYSTICK_SECRET: this repeats itself"),
        ({"DATABASE_URL": "mysql://hunter2@here/books"}, "DATABASE_URL: write postgresql://"),
        ({"SIGN_UP_CREDITS": "many"}, "SIGN_UP_CREDITS: This is not an amount"),
        ({"HOST": "0.0.0.0"}, "DEMO_MODE=true if that is meant"),  # noqa: S104 - the case
        ({"DEMO_MODE": "true", "AI_API_KEY": "hunter2-key"}, "Set only one of them"),
        ({"DEMO_MODE": "false"}, "nobody would answer"),
        ({"AI_BASE_URL": "http://203.0.113.7/v1"}, "AI_BASE_URL: plain http"),
        ({"AI_BASE_URL": "http://203.0.113.7/v1"}, "or set AI_PRIVATE_NETWORK=true"),
        ({"AI_ROUTES_FILE": "no-such.toml"}, "AI_ROUTES_FILE: no-such.toml: cannot be read"),
        ({"MODELS_FILE": "no-such.toml"}, "MODELS_FILE: no-such.toml: cannot be read"),
        ({"PACKS_FILE": "no-such.toml"}, "PACKS_FILE: no-such.toml: cannot be read"),
        ({"ISSUERS_FILE": "no-such.toml"}, "ISSUERS_FILE: no-such.toml: cannot be read"),
    ],
)
def test_an_unsafe_start_is_refused_before_anything_is_made(
    settings: dict[str, str], told: str, tmp_path: Path
) -> None:
    shown = tallystick("up", **{"TALLYSTICK_DATA_DIR": str(tmp_path / "data"), **settings})

    assert shown.returncode == 2
    assert told in shown.stderr
    assert "hunter2" not in shown.stderr
    assert not (tmp_path / "data").exists()


def test_a_model_that_is_not_installed_is_told_how(tmp_path: Path) -> None:
    shown = tallystick("up", "--model", "small", "--data-dir", tmp_path / "data", "--port", "0")

    assert shown.returncode == 1
    assert "`make run-model` installs it" in shown.stderr
    assert not (tmp_path / "data").exists()


def test_serving_without_a_provider_has_to_be_asked_for(tmp_path: Path) -> None:
    shown = tallystick("serve", "--data-dir", tmp_path)

    assert shown.returncode == 2
    assert "DEMO_MODE=true for simulated answers" in shown.stderr


def test_the_secret_of_a_shared_database_is_never_made_up(tmp_path: Path) -> None:
    shown = tallystick("migrate", DATABASE_URL=NOWHERE, TALLYSTICK_DATA_DIR=str(tmp_path))

    assert shown.returncode == 1
    assert not (tmp_path / "secret").exists()
