"""The one error a person is meant to read."""

import difflib
import re
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """What is wrong, what was received and what to do, in one line; shown without a traceback."""


def no_such(noun: str, received: object, known: Iterable[object]) -> UserError:
    """Return the error for a name that is not in a registry, with the nearest name first."""
    name, names = str(received), sorted(map(str, known))  # YAML reads some names as numbers or booleans
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"no {noun} {name!r}{hint} (there are: {', '.join(names)})")


def public(text: str) -> str:
    """Return a text without the user names, passwords and values of queries in its addresses."""
    text = re.sub(r"://(?:[^/?#\s]*@|[^/@:\s]*:(?!\d+[/?#])[^@\s]*@)", "://", text)
    query = r"(://[^\s?]*\?)(\S+?)(?=[\"'>)\],.;:]*(?:\s|$))"
    return re.sub(query, lambda found: found[1] + re.sub(r"([^=&]*=)?[^&]+", r"\1...", found[2]), text)


def told(main: Callable[[list[str]], None]) -> None:
    """Run a command on its command line; an error that a person is meant to read is one line and exit status 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
