"""What recomputing the books found: every rule that is broken, and the rows that break it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROWS_MAX: Final = 20
"""Rows named for each rule; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not as a rule says, by the name it has in the database, and in what way."""

    row: str
    is_wrong: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken: how often, and the first rows that break it."""

    promise: str
    count: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one verification: what was looked at, and the rules that are broken."""

    rules: int
    entries: int
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def lines(self) -> Sequence[str]:
        """The report for a person, one line each; the first says whether all is well."""
        if self.is_clean:
            return [f"The books are right: {self.rules} rules hold over {self.entries} entries."]
        broken = [f"The books are wrong: {len(self.findings)} of {self.rules} rules are broken."]
        for finding in self.findings:
            broken.append(f"Broken: {finding.promise} Rows: {finding.count}.")
            broken += [f"  {found.row}: {found.is_wrong}" for found in finding.differences]
            if finding.count > len(finding.differences):
                broken.append(f"  … and {finding.count - len(finding.differences)} more")
        return broken
