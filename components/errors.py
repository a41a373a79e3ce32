"""The one error a person is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What is wrong, what was received and what to do, in one line; shown without a traceback."""


def no_such(noun: str, received: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not in a registry, with the nearest name first."""
    names = sorted(known)
    near = difflib.get_close_matches(received, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"no {noun} {received!r}{hint} (there are: {', '.join(names)})")
