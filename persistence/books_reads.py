"""What every part of the books reads with."""

from dataclasses import dataclass

from sqlalchemy.orm import defer
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import SQLModel

from persistence.engine import Engines


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads on behalf of readers."""

    engines: Engines


def without(table: type[SQLModel], column: str) -> ExecutableOption:
    """Leave out a column that the login may not read; touching it then is an error."""
    return defer(getattr(table, column), raiseload=True)
