"""After a kill at the wrong moment: DVC's own notes, which it writes in place, made readable again."""

import json
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.system.errors import UserError

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

NOTES = ("dvc.lock", "data/dvc.lock")
LOCKS = Path(".dvc/tmp/rwlock")  # who reads and writes what; DVC checks itself which of them still live
EMPTY = "schema: '2.0'\n"  # a `dvc.lock` without stages
CONFLICT = re.compile(r"^(<{7}|\|{7}|>{7})( |\r?$)|^={7}\r?$", re.MULTILINE)
NAMES = ("cmd", "deps", "params", "outs", "path", "hash", "md5", "size", "nfiles", "isexec", "true")  # that DVC writes


def mend() -> list[str]:
    """Cut what DVC left half written back to its whole stages; return what was done, a line each.

    What DVC reads stays as it is, byte for byte. The file that is cut is kept beside it, under another name.

    Raises:
        UserError: DVC cannot read a file, which it did not leave so; no file has been changed then.
    """
    done, found = [], {}
    for note in map(Path, NOTES):
        if note.is_file() and (whole := whole_part(note, note.read_bytes())) is not None:
            found[note] = whole
    for note, whole in found.items():
        copy = keep(note)
        note.write_text(whole, encoding="utf-8")
        done.append(
            f"{note} was left half written: cut back to the stages that are whole, and kept as {copy}; "
            f"`git checkout {note}` brings back what was committed"
        )
    if LOCKS.is_file():
        try:
            json.loads(LOCKS.read_text(encoding="utf-8"))
        except ValueError:
            LOCKS.unlink()
            done.append(f"{LOCKS} was left half written: removed")
    return done


def keep(file: Path) -> Path:
    """Copy a file beside itself, over no earlier copy, and return the copy."""
    for number in count(1):
        copy = Path(f"{file}.half{number if number > 1 else ''}")
        try:
            with copy.open("xb") as opened:
                opened.write(file.read_bytes())
            return copy
        except FileExistsError:
            continue
    raise AssertionError


def whole_part(note: Path, content: bytes) -> str | None:
    """Return the whole stages of a `dvc.lock` that DVC was killed in; None if DVC reads all of it.

    Raises:
        UserError: DVC does not read it, and did not leave it so.
    """
    try:
        text, reason = content.decode(), ""
    except UnicodeDecodeError as error:
        text, reason = content[: error.start].decode(), f"it is not UTF-8 from byte {error.start} on"
        if error.end < len(content) or error.reason != "unexpected end of data":
            raise unreadable(note, reason) from None
    if marker := CONFLICT.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise UserError(
            f"{note}, line {line}: a merge conflict, `{marker[0].strip()}`: resolve it, or take one side whole, "
            f"`git checkout --theirs {note}` or `git checkout --ours {note}`"
        )
    reason = reason or fault(text)
    if not reason and not re.search(r"^ +md5: ([0-9a-f]{0,31}|[0-9a-f]{32}\.(di?)?)\Z", text, re.MULTILINE):
        return None
    if f"{EMPTY}stages:\n  ".startswith(text):
        return EMPTY
    last = list(re.finditer(r"^ {0,2}[^\s#]", text, re.MULTILINE))[-1:]
    whole = text[: last[0].start()].removesuffix("stages:\n") if last else ""
    if not last or not last[0][0].startswith("  ") or fault(whole) or not breaks_off(text):
        raise unreadable(note, reason)
    return whole


def unreadable(note: Path, reason: str) -> UserError:
    return UserError(
        f"DVC cannot read {note}, and did not leave it so: {reason}; it stays as it is: correct it, or take what was "
        f"committed, `git checkout {note}`"
    )


def fault(text: str) -> str:
    """Return why DVC does not read a `dvc.lock`; nothing if it does."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML, YAMLError
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text) or {})
    except Invalid as error:
        return " ".join(str(error).split())
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        return where + " ".join(str(getattr(error, "problem", None) or error).split())
    return ""


def breaks_off(text: str) -> bool:
    """Return whether nothing is wrong with a `dvc.lock` but that its last stage is not written to its end."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML, YAMLError
    from ruamel.yaml.error import MarkedYAMLError
    from voluptuous import MultipleInvalid

    text = re.sub(r"\\[xuU]\w*\Z", "", text)  # half an escape
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        before = text_before(text, error)
        return before is not None and breaks_off(before)
    except (YAMLError, ValueError):
        return False
    path, value = last_value(content)
    try:
        COMPILED_LOCKFILE_SCHEMA(content)
    except MultipleInvalid as invalid:
        if any(error.path != path for error in invalid.errors):
            return False
        return value is None or (not text.endswith("\n") and is_half(value, path))
    return True


def text_before(text: str, error: "MarkedYAMLError") -> str | None:
    """Return the lines before the name or the quoted text in whose middle a text ends; None if it is wrong earlier."""
    end, start = error.problem_mark, error.context_mark or error.problem_mark
    if end.index < len(text) - 1:
        return None
    lines, half = text.split("\n"), text[start.index :]
    before, line = "".join(f"{line}\n" for line in lines[: start.line]), lines[start.line]
    if error.context_mark and half and half[0] not in "'\"[{":
        section = re.findall(r"^    (\w+):", before, re.MULTILINE)[-1:]
        named_freely = indent(line) == 2 or (section == ["params"] and indent(line) > 4)
        if "\n" in half or not (named_freely or any(name.startswith(half) for name in NAMES)):
            return None
    deeper = all(indent(more) > indent(line) for more in lines[start.line + 1 :] if more.strip())
    return before if deeper else None


def is_half(value: Any, path: list[Any]) -> bool:
    """Return whether a value can be the beginning of what DVC writes at a place in a `dvc.lock`."""
    if isinstance(value, int | float) or path[-1:] == ["md5"]:
        return True
    named_freely = len(path) == 1 or path[2:3] == ["params"]  # the first stage; files and their parameters
    return isinstance(value, str) and (named_freely or any(name.startswith(value) for name in NAMES))


def last_value(content: Any) -> tuple[list[Any], Any]:
    """Return the last value of nested mappings and lists, after the keys and numbers that lead to it."""
    path = []
    while isinstance(content, dict | list) and content:
        path.append(list(content)[-1] if isinstance(content, dict) else len(content) - 1)
        content = content[path[-1]]
    return path, content


def indent(line: str) -> int:
    """Return how many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))
