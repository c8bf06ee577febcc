"""What can be exported, and in which form: the words of the command line."""

from enum import StrEnum


class Subject(StrEnum):
    """What is exported."""

    USAGE = "usage"
    LEDGER = "ledger"


class Format(StrEnum):
    """How lines are written down."""

    CSV = "csv"
    NDJSON = "ndjson"
