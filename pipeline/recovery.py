"""After a kill at the wrong moment: DVC's own notes, which it writes in place, made readable again."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

NOTES = ("dvc.lock", "data/dvc.lock")
LOCKS = Path(".dvc/tmp/rwlock")  # who reads and writes what; DVC checks itself which of them still live


def mend() -> list[str]:
    """Cut what a kill left half written back to what is whole; return what was done, a line each.

    A stage that is cut off from a `dvc.lock` does not run again: DVC finds its results in the cache.
    """
    done = []
    for note in map(Path, NOTES):
        text = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else ""
        if text and not readable(text):
            _, *more = [found.start() for found in re.finditer(r"^  \S.*:$", text, re.MULTILINE)] or [0]
            note.write_text(text[: more[-1]] if more else "", encoding="utf-8")
            done.append(f"{note} was left half written: cut back to the stages that are whole")
    if LOCKS.is_file():
        try:
            json.loads(LOCKS.read_text(encoding="utf-8"))
        except ValueError:
            LOCKS.unlink()
            done.append(f"{LOCKS} was left half written: removed")
    return done


def readable(text: str) -> bool:
    """Return whether a `dvc.lock` was written to its end: no line is half, no name without its value."""
    try:
        return text.endswith("\n") and filled(yaml.safe_load(text))
    except yaml.YAMLError:
        return False


def filled(value: Any) -> bool:
    """Return whether there is something in every place of nested mappings and lists."""
    if isinstance(value, dict | list):
        return all(filled(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return value is not None
