"""What only shows from outside: the page in a browser, and the public audit of the protocol."""

import json
import shutil
from pathlib import Path

from tests import node
from tests.app.asking import Reply
from tests.app.shell import tallystick, up


def test_every_example_of_the_page_runs_at_once(data_dir: Path) -> None:
    node.require("chromium")
    with up(data_dir) as server:
        token = tallystick("token", "admin@demo.test", "--data-dir", data_dir).stdout.strip()
        printed = node.run("first_visit.mjs", server.url, str(shutil.which("chromium")), token)

    seen = {name: Reply(200, answer) for name, answer in json.loads(printed).items()}
    assert seen["WhoAmI"]["balance.available"] == "1000"
    assert seen["Ask"]["askAI.answer.status"] == "SUCCEEDED"
    assert "simulated" in seen["Ask"].text("askAI.answer.text")
    assert seen["Watch"]["balanceChanged.balance.held"] == "0"
    assert seen["Usage"]["usage.nodes.0.outcome"] == "SUCCEEDED"
    assert seen["Summary"]["usageSummary.totals.succeeded"] == 1
    assert seen["Summary"]["usageSummary.buckets.6.totals.attempts"] == 1
    assert seen["Ledger"]["ledger.nodes.0.kind"] == "CHARGE"
    assert seen["Buy"]["startCheckout.payment.status"] == "PENDING"
    assert seen["Buy"].text("startCheckout.url").startswith(f"{server.url}/sandbox/checkout/")
    assert seen["who"].body == "Administrator admin@demo.test · 1000 credits"
    assert seen["Recharge"]["rechargeCredits.entry.amount"] == "100"
    assert seen["Alerts"]["admin.auditLog.nodes.0.action"] == "rechargeCredits"
    assert seen["Metrics"]["admin.metrics.usage.attempts"] == 1
    assert seen["Metrics"]["admin.metrics.health.ledgerBalanced"] is True
    assert seen["whoAfterLink"].body == "Signed in as anna@example.test · 1000 credits"
    assert seen["addressAfterLink"].body == "/graphiql"


def test_the_public_audit_of_graphql_over_http_finds_nothing_in_the_whole_system(
    data_dir: Path,
) -> None:
    with up(data_dir) as server:
        token = tallystick("token", "admin@demo.test", "--data-dir", data_dir).stdout.strip()
        printed = node.run("graphql_http_audit.mjs", f"{server.url}/graphql", token)

    results = json.loads(printed)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
