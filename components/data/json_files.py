"""JSON files of artifacts and records, in a format with a number; a damaged file is a one-line error."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.system.errors import UserError, shorten

FORMAT = 2  # of artifacts and records; raised when their content changes


@contextmanager
def damage_errors(path: Path | str) -> Iterator[None]:
    """Turn ValueError, EOFError, BadZipFile and FileNotFoundError in the block into a UserError that a path is damaged.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        yield
    except (ValueError, EOFError, FileNotFoundError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({reason}): make it again, or `dvc checkout` it") from error


def read_json(file: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file, `format` included; raise a UserError if it is damaged or of another format.

    Raises:
        UserError: It is damaged, or was written in another format.
    """
    with damage_errors(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"expected a mapping; received {shorten(content)}")
    if content.get("format") != FORMAT:
        raise UserError(
            f"{file} was written by another version of Graft, in format {content.get('format', 1)}, and this one reads "
            f"format {FORMAT}: make it again with `dvc repro`, or check out the version that wrote it"
        )
    return content


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping, as it is, to a file as indented JSON."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
