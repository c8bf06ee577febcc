"""Settings that are files: secrets as Docker and Kubernetes bring them into a container."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = "SECRETS_DIR"


def files_of(names: Collection[str], environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the files called like settings hold, of those settings the environment leaves out.

    A folder that is not there counts as empty. Raises ValueError for a file that cannot be read or
    is no text; it names the file and holds nothing of it.
    """
    folder = environment.get(FOLDER)
    if not folder or not Path(folder).is_dir():
        return {}
    given = {name.lower() for name, value in environment.items() if value}
    wanted = {name for name in names if name not in given}
    return {
        entry.name.lower(): text
        for entry in Path(folder).iterdir()
        if entry.name.lower() in wanted and (text := _text(entry))
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{FOLDER}: {path} is not text.") from None
    except OSError as error:
        raise ValueError(
            f"{FOLDER}: {path} cannot be read ({error.strerror}). The user this runs as has to be "
            "allowed to."
        ) from None
