"""The one error a person is meant to read, and how every command ends on it."""

import argparse
import difflib
import os
import re
import reprlib
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

LISTED = 12  # names
LONGEST = 80  # characters


class UserError(Exception):
    """What is wrong, what was received and what to do, in one line; shown without a traceback."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return a text as one line: what does not print is escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shown(value: object) -> str:
    """Return what was received as a message shows it, however long it is."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, LONGEST, LONGEST
    return short.repr(value)[: 2 * LONGEST]


def no_such(noun: str, received: object, known: Iterable[object]) -> UserError:
    """Return the error for a name that is not in a registry, with the nearest names first."""
    name, names = str(received)[:LONGEST], sorted(map(str, known))  # YAML reads some names as numbers or booleans
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = names if len(names) <= LISTED else difflib.get_close_matches(name, names, LISTED, 0)
    more = f" and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
    return UserError(f"no {noun} {name!r}{hint} (there are: {', '.join(listed)}{more})")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` says what it takes")


def public(text: str) -> str:
    """Return a text without the user names, passwords and queries of its addresses: what precedes @ or follows ?."""
    text = re.sub(r"://(\S*|[^\s/@:]*:[^/@]*)@", "://", text)  # a blank may be in a password
    return re.sub(r"(://\S*?\?)\S*", r"\1...", text)


def told(main: Callable[[list[str]], None]) -> None:
    """Run a command on its command line; what a person is meant to read is one line, and the exit status 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped: what is finished stays; the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
