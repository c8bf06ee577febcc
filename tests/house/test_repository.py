"""What a newcomer would stumble over."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"adapters", "app", "domain", "migrations", "persistence", "resolvers", "schema"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def test_no_library_owns_one_of_our_package_names() -> None:
    owners = packages_distributions()

    assert {name: owners[name] for name in OURS if set(owners.get(name, [])) - {"tallystick"}} == {}


def test_no_package_is_called_like_a_standard_module() -> None:
    assert set(sys.stdlib_module_names) & OURS == set()


def test_the_readme_is_short_and_its_two_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert len(readme.split()) < 600
    assert set(re.findall(r"make ([a-z-]+)", readme)) <= targets
    assert "make run" in readme
    assert "make test" in readme


def test_no_code_of_ours_waits_in_a_way_that_may_not_end() -> None:
    """Python 3.11's wait_for forgets a cancellation that comes together with the result."""
    modules = (path for name in OURS for path in (ROOT / name).rglob("*.py"))

    assert [path for path in modules if "asyncio.wait_for(" in path.read_text("utf-8")] == []


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [page.read_text("utf-8").partition(".")[0].removeprefix("# ") for page in pages]

    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    assert titles == [str(n) for n in range(1, len(pages) + 1)]


def test_operators_can_look_up_every_warning_of_the_log() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    line = re.compile(r'_log\.(?:warning|error|exception)\(\s*"([^"%,]+)')
    modules = (path for name in OURS for path in (ROOT / name).rglob("*.py"))
    events = {event.strip() for path in modules for event in line.findall(path.read_text("utf-8"))}

    assert len(events) > 20
    # The sandbox of demo mode has nobody to look after it.
    assert {event for event in events if event not in page} <= {"sandbox message lost"}


def test_ci_calls_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_locks_carry_hashes_and_no_addresses() -> None:
    for lock in (*ROOT.glob("requirements*.lock"), *ROOT.glob("tests/*/requirements*.lock")):
        text = lock.read_text(encoding="utf-8")

        assert "://" not in text, lock.name
        assert text.count("==") <= text.count("--hash=sha256:"), lock.name


def test_every_decision_is_at_most_a_page() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 60, page.name


def test_modules_stay_within_what_one_person_holds_in_mind() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py"],  # noqa: S607 - whatever git the reader has
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    long = {
        name: lines
        for name in tracked
        if not name.startswith("tests/")
        and (lines := len((ROOT / name).read_text("utf-8").splitlines())) > 400
    }

    assert long == {}
