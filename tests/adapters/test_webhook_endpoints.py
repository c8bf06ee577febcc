"""Endpoints as an operator writes them, and what is wrong about them said in words."""

from pathlib import Path

import pytest

from adapters.settings_file import SettingsFileError
from adapters.webhook_endpoints import endpoint_from_settings, read_endpoints, url_fault
from domain.telling import EventType
from tests.telling.receiver import SECRET, secret_of

HERE = "https://crm.example.com/hooks?from=tallystick"
CRM = f"""
[[endpoints]]
name = "crm"
url = "{HERE}"
secrets_env = ["CRM_SECRET", "CRM_OLD"]
events = ["payment.*", "balance.low"]
"""
SECRETS = {"CRM_SECRET": SECRET, "CRM_OLD": secret_of("old")}


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "webhooks.toml"
    file.write_text(text)
    return file


def test_a_file_names_several_endpoints(tmp_path: Path) -> None:
    more = '[[endpoints]]\nname = "ops"\nurl = "http://10.0.0.7/"\nsecrets_env = ["CRM_OLD"]\n'
    file = write(tmp_path, f"{CRM}{more}private_network = true\n")

    crm, ops = read_endpoints(file, SECRETS)

    assert (crm.name, crm.url, crm.secrets) == ("crm", HERE, tuple(SECRETS.values()))
    assert crm.types == {
        EventType.BALANCE_LOW,
        EventType.PAYMENT_SUCCEEDED,
        EventType.PAYMENT_FAILED,
        EventType.PAYMENT_EXPIRED,
        EventType.PAYMENT_REVERSED,
    }
    assert ops.types == set(EventType)
    assert ops.private_network
    assert SECRET not in repr(crm)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (CRM.replace('"crm"', '"the crm"'), "name has to be one word"),
        (CRM.replace("https", "http"), "plain http would send events in the clear"),
        (CRM.replace("payment.*", "payments.*"), "there is no event payments.*. There are"),
        (CRM.replace("CRM_OLD", "CRM_NONE"), "the variable CRM_NONE, which secrets_env names"),
        (CRM.replace("CRM_OLD", "CRM_SHORT"), "the variable CRM_SHORT: a secret is whsec_"),
        (CRM.replace("events", "event"), "there is no setting event"),
        (CRM.replace("secrets_env", "secrets"), "there is no setting secrets"),
        (CRM + CRM, "two endpoints have the same name"),
        ("", "write one or more tables [[endpoints]]"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(SettingsFileError) as said:
        read_endpoints(write(tmp_path, wrong), {**SECRETS, "CRM_SHORT": "whsec_c2hvcnQ="})

    assert told in str(said.value)
    assert "c2hvcnQ" not in str(said.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("crm.example.com", "no URL"),
        ("ftp://crm.example.com", "no URL"),
        ("https://crm.example.com:port/", "no URL"),
        ("https://crm.example.com/#part", "no URL"),
        ("https://me:hunter2@crm.example.com/", "carries a password"),
        ("http://crm.example.com/", "in the clear"),
        ("https://169.254.169.254/", "is a private address"),
        ("https://[::ffff:10.0.0.1]/", "is a private address"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str, told: str) -> None:
    fault = url_fault(url, private_network=False)

    assert fault is not None
    assert told in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost/", HERE])
def test_https_and_this_machine_are_allowed(url: str) -> None:
    assert url_fault(url, private_network=False) is None


def test_a_private_network_is_allowed_when_the_operator_says_so() -> None:
    assert url_fault("http://10.0.0.7/", private_network=True) is None


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "hunter2hunter2", "whsec_%%%%"])
def test_a_secret_that_is_none_is_refused_without_saying_it(secret: str) -> None:
    with pytest.raises(SettingsFileError) as said:
        endpoint_from_settings(url=HERE, secrets=[secret], events=[], private_network=False)

    assert "WEBHOOK_SECRETS" in str(said.value)
    assert secret not in str(said.value)


def test_an_endpoint_without_a_secret_is_refused() -> None:
    with pytest.raises(SettingsFileError, match="WEBHOOK_SECRETS has to sign"):
        endpoint_from_settings(url=HERE, secrets=[], events=[], private_network=False)


def test_an_unknown_event_of_the_one_endpoint_is_refused() -> None:
    with pytest.raises(SettingsFileError, match="WEBHOOK_EVENTS: there is no event balance"):
        endpoint_from_settings(
            url=HERE, secrets=[SECRET], events=["balance"], private_network=False
        )
