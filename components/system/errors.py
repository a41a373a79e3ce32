"""The error that a person is meant to read, what its messages are put together from, and how commands end on it."""

import argparse
import difflib
import errno
import os
import re
import reprlib
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from components.system.signals import stop_on_signals

UNWRITABLE = (  # of files, folders and outputs that a person named; anything else is for a traceback
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
)  # fmt: skip
MOST_NAMES, LONGEST = 12, 80  # names and characters that a message spells out


class UserError(Exception):
    """An error that a person can mend: what is wrong, what was received, what to do; one line and no traceback."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Return a text with line breaks and all else that does not print as the escapes that Python writes for them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shorten(value: object) -> str:
    """Return a value's `repr`, at most 160 characters: long texts lose their middle to `...`, long lists their end."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, LONGEST, LONGEST
    return short.repr(value)[: 2 * LONGEST]


def fold_words(words: Iterable[str], most: int = MOST_NAMES) -> str:
    """Return words joined by `, `; of more than `most` only the first `most - 1`, then as in ` and 5 more`."""
    several = list(words)
    more = f" and {len(several) - most + 1} more" if len(several) > most else ""
    return ", ".join(several[: most - 1] if more else several) + more


def unknown_name(noun: str, received: object, known: Iterable[object]) -> UserError:
    """Return, not raise, the error for an unknown name: it has a close known one, if any, and all or the 12 nearest.

    Args:
        noun: What the registry's names stand for, such as `backbone`.
        received: The name.
        known: The registry's names.
    """
    name, names = str(received)[:LONGEST], sorted(map(str, known))  # YAML reads some names as numbers or booleans
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    nearest = names if len(names) <= MOST_NAMES else difflib.get_close_matches(name, names, MOST_NAMES, 0)
    more = f" and {len(names) - len(nearest)} more" if len(names) > len(nearest) else ""
    return UserError(f"no {noun} {name!r}{hint} (there are: {', '.join(nearest)}{more})")


def not_installed(error: ImportError, group: str) -> UserError:
    """Return, not raise, the error for a library that not everyone needs, with the command that brings its group."""
    return UserError(f"{error.name or error} is not installed: `.venv/bin/uv pip install --group {group}` brings it")


class Parser(argparse.ArgumentParser):
    """A parser of command lines whose errors are one line, and name the command that prints its help."""

    def error(self, message: str) -> NoReturn:
        """Raise a UserError of the message, instead of printing it and exiting."""
        raise UserError(f"{message}; `{self.prog} --help` says what it takes")

    def print_help(self, file: Any = None) -> None:
        """Print the help, and raise an OSError where that cannot be written, which argparse's own keeps to itself."""
        print(self.format_help(), end="", file=file)


def redact(text: str) -> str:
    """Return a text whose addresses lose user and password, all before `@`, and have `...` for all after `?`."""
    text = re.sub(r"://(\S*|[^\s/@:]*:[^/@]*)@", "://", text)  # a blank may be in a password
    return re.sub(r"(://\S*?\?)\S*", r"\1...", text)


def run_cli(main: Callable[[list[str]], None]) -> None:
    """Call a command's `main` with the words of the command line, and exit with a status where it fails or is stopped.

    A `UserError` is one line and exit status 2, as is a file or an output that cannot be read or written; Ctrl-C,
    SIGTERM and SIGHUP are a line and 130, a reader that stops reading 141.
    """
    for name in ("stdout", "stderr"):  # as of `>&-`
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    try:
        stop_on_signals()
        if sys.flags.optimize > 1:
            raise UserError("PYTHONOPTIMIZE=2 and -OO drop the docstrings that options are read from: leave them out")
        try:
            main(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped: what is finished stays; the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # as of `| head`
        discard_output()
        sys.exit(141)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        discard_output()
        file = os.fsdecode(error.filename2 or error.filename or "output")  # of a move, where to
        print(f"error: {one_line(file)}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


def discard_output() -> None:
    """Send what is still to be printed nowhere, so that it does not fail once more as the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
