"""Digests of content: of a file's bytes, and of values."""

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256(*values: Any) -> str:
    """Return the SHA-256 of the list of some values as JSON, keys sorted, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
