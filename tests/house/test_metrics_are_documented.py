"""Every metric is in docs/monitoring.md, and neither page nor rules name one that is not."""

import re
from pathlib import Path

from app.metrics import books, families
from app.metrics.families import Kind

DOCS = Path(__file__).parents[2] / "docs"
NAME = re.compile(r"\b(?:tallystick|process)_[a-z_]+")
METRICS = {
    f"{family.name}_total" if family.kind is Kind.COUNTER else family.name
    for family in (*families.FAMILIES, *books.FAMILIES)
}


def test_the_page_lists_every_metric_and_no_other() -> None:
    rows = re.findall(
        r"^\| (`.+?) \|", (DOCS / "monitoring.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert {name for row in rows for name in NAME.findall(row)} == METRICS


def test_the_rules_ask_for_metrics_that_exist() -> None:
    rules = (DOCS / "alerts.rules.yml").read_text(encoding="utf-8")

    assert set(NAME.findall(rules)) <= METRICS
