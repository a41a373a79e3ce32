"""Repairs DVC's lock files after a kill: DVC writes them in place, and cannot read one that is written by half."""

import json
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.system.errors import UserError

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

LOCK_FILES = ("dvc.lock", "data/dvc.lock")
RW_LOCK = Path(".dvc/tmp/rwlock")  # who reads and writes what; DVC checks itself which of them still live
EMPTY = "schema: '2.0'\n"  # a `dvc.lock` without stages
CONFLICT = re.compile(r"^(<{7}|\|{7}|>{7})( |\r?$)|^={7}\r?$", re.MULTILINE)
NAMES = ("cmd", "deps", "params", "outs", "path", "hash", "md5", "size", "nfiles", "isexec", "true")  # that DVC writes


def mend() -> list[str]:
    """Cut half-written lock files back to whole stages, remove a half-written rwlock; return a line on each, or [].

    A file that DVC reads stays as it is, byte for byte. Of one that is cut a copy is kept beside it. DVC's own record
    of who reads and writes what, `.dvc/tmp/rwlock`, is removed if it is half written.

    Raises:
        UserError: DVC cannot read a file for another reason; no file has been changed then.
    """
    lines, whole = [], {}
    for file in map(Path, LOCK_FILES):
        if file.is_file() and (stages := whole_stages(file, file.read_bytes())) is not None:
            whole[file] = stages
    for file, stages in whole.items():
        copy = copy_beside(file)
        file.write_text(stages, encoding="utf-8")
        lines.append(
            f"{file} was left half written: cut back to the stages that are whole, and kept as {copy}; "
            f"`git checkout {file}` brings back what was committed"
        )
    if RW_LOCK.is_file():
        try:
            json.loads(RW_LOCK.read_text(encoding="utf-8"))
        except ValueError:
            RW_LOCK.unlink()
            lines.append(f"{RW_LOCK} was left half written: removed")
    return lines


def copy_beside(file: Path) -> Path:
    """Copy a file to `FILE.half`, or `FILE.half2` and so on where that is taken, and return the path of the copy."""
    for number in count(1):
        copy = Path(f"{file}.half{number if number > 1 else ''}")
        try:
            with copy.open("xb") as opened:
                opened.write(file.read_bytes())
            return copy
        except FileExistsError:
            continue
    raise AssertionError


def whole_stages(file: Path, content: bytes) -> str | None:
    """Return the text of a `dvc.lock` up to its last whole stage if a kill cut it off; None if it is whole.

    Where no stage is whole, that is a `dvc.lock` without stages. A digest that is cut off counts, though DVC reads it.

    Raises:
        UserError: DVC cannot read it for another reason.
    """
    try:
        text, reason = content.decode(), ""
    except UnicodeDecodeError as error:
        text, reason = content[: error.start].decode(), f"it is not UTF-8 from byte {error.start} on"
        if error.end < len(content) or error.reason != "unexpected end of data":
            raise unreadable_error(file, reason) from None
    if marker := CONFLICT.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise UserError(
            f"{file}, line {line}: a merge conflict, `{marker[0].strip()}`: resolve it, or take one side whole, "
            f"`git checkout --theirs {file}` or `git checkout --ours {file}`"
        )
    reason = reason or read_error(text)
    if not reason and not re.search(r"^ +md5: ([0-9a-f]{0,31}|[0-9a-f]{32}\.(di?)?)\Z", text, re.MULTILINE):
        return None
    if f"{EMPTY}stages:\n  ".startswith(text):
        return EMPTY
    last = list(re.finditer(r"^ {0,2}[^\s#]", text, re.MULTILINE))[-1:]
    whole = text[: last[0].start()].removesuffix("stages:\n") if last else ""
    if not last or not last[0][0].startswith("  ") or read_error(whole) or not is_cut_off(text):
        raise unreadable_error(file, reason)
    return whole


def unreadable_error(file: Path, reason: str) -> UserError:
    """Return, not raise, the error, with the reason, about a lock file that DVC cannot read, yet no kill cut it off."""
    return UserError(
        f"DVC cannot read {file}, and did not leave it so: {reason}; it stays as it is: correct it, or take what was "
        f"committed, `git checkout {file}`"
    )


def read_error(text: str) -> str:
    """Return in one line why DVC cannot read a `dvc.lock`, or an empty text if it can."""
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


def is_cut_off(text: str) -> bool:
    """Return True for a `dvc.lock` that is whole, or whose only fault is that its end is missing; else False."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML, YAMLError
    from ruamel.yaml.error import MarkedYAMLError
    from voluptuous import MultipleInvalid

    text = re.sub(r"\\[xuU]\w*\Z", "", text)  # half an escape
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        before = text_before_cut(text, error)
        return before is not None and is_cut_off(before)
    except (YAMLError, ValueError):
        return False
    path, value = last_value(content)
    try:
        COMPILED_LOCKFILE_SCHEMA(content)
    except MultipleInvalid as invalid:
        if any(error.path != path for error in invalid.errors):
            return False
        return value is None or (not text.endswith("\n") and may_be_cut(value, path))
    return True


def text_before_cut(text: str, error: "MarkedYAMLError") -> str | None:
    """Return the text before the line of the name or quoted text in which a `dvc.lock` ends; None for any other fault.

    That is also a half name that is none of those that DVC writes there.
    """
    end, start = error.problem_mark, error.context_mark or error.problem_mark
    if end.index < len(text) - 1:
        return None
    lines, half = text.split("\n"), text[start.index :]
    before, line = "".join(f"{line}\n" for line in lines[: start.line]), lines[start.line]
    if error.context_mark and half and half[0] not in "'\"[{":
        section = re.findall(r"^    (\w+):", before, re.MULTILINE)[-1:]
        is_free = indent(line) == 2 or (section == ["params"] and indent(line) > 4)
        if "\n" in half or not (is_free or any(name.startswith(half) for name in NAMES)):
            return None
    deeper = all(indent(more) > indent(line) for more in lines[start.line + 1 :] if more.strip())
    return before if deeper else None


def may_be_cut(value: Any, path: list[Any]) -> bool:
    """Return whether a value may be the beginning of one that DVC writes there in a `dvc.lock`; any number and md5 may.

    A text may where names are free, or if a name that DVC writes begins with it.

    Args:
        value: The value.
        path: The keys and numbers that lead to it.
    """
    if isinstance(value, int | float) or path[-1:] == ["md5"]:
        return True
    is_free = len(path) == 1 or path[2:3] == ["params"]  # the first stage; files and their parameters
    return isinstance(value, str) and (is_free or any(name.startswith(value) for name in NAMES))


def last_value(content: Any) -> tuple[list[Any], Any]:
    """Return (path, value) for the last value in nested mappings and lists: the keys and numbers that lead to it.

    An empty mapping or list is a value; the path of content that is neither is [].
    """
    path = []
    while isinstance(content, dict | list) and content:
        path.append(list(content)[-1] if isinstance(content, dict) else len(content) - 1)
        content = content[path[-1]]
    return path, content


def indent(line: str) -> int:
    """Return the number of spaces at the beginning of a line."""
    return len(line) - len(line.lstrip(" "))
