"""The contract as it is printed into the repository."""

from pathlib import Path
from typing import Final

from schema import root

CONTRACT: Final = Path(root.__file__).with_name("api.graphql")


def write() -> None:
    """Print the contract anew, for a change of the API to be seen in its commit."""
    CONTRACT.write_text(root.printed(), encoding="utf-8")
