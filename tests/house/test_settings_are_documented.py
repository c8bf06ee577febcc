"""Every setting is in docs/configuration.md, and the page names none that does not exist."""

import re
from pathlib import Path

from app.settings import Settings
from persistence.embedded_programs import BIN_VARIABLE

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    documented = [name for name, _, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    existing = [name.upper() for name in Settings.model_fields]

    assert sorted(documented) == sorted([*existing, BIN_VARIABLE])


def test_documented_defaults_are_the_real_ones() -> None:
    said = {name: default for name, default, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    plain = {
        name.upper(): str(field.default)
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, int | float | str)
    }
    plain["AI_TIMEOUT_SECONDS"] = "120"
    plain["SIGN_UP_CREDITS"] = "1000"
    plain["ALERT_SPENDING_CREDITS"] = "10000"
    plain["AI_PRIVATE_NETWORK"] = "false"
    plain["SUSPEND_WHILE_DISPUTED"] = "false"
    plain["SUPABASE_CONFIRMS_EMAILS"] = "false"
    plain["REFRESH_COOKIE"] = "false"
    plain["LITELLM_PRIVATE_NETWORK"] = "false"
    plain["WEBHOOK_PRIVATE_NETWORK"] = "false"
    plain["WEBHOOK_TIMEOUT_SECONDS"] = "15"
    plain["LOW_BALANCE_CREDITS"] = "100"

    assert {name: said[name].strip("`") for name in plain} == plain
