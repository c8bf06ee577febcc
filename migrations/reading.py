"""Reads the SQL that lies beside the migrations: a folder for each, a file for each function.

What a function does today is in the highest folder that has it.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


def function(name: str) -> str:
    """The one statement of a file that creates a function, such as `0001/apply`."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def statements(name: str) -> list[str]:
    """The statements of a file, each ended by a semicolon at the end of a line."""
    return [part for part in function(name).split(";\n") if part.strip()]


def replacing(name: str) -> str:
    """The same, so that it takes the place of a function that is there already."""
    return function(name).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
