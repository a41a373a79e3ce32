"""The one error a person is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What is wrong, what was received and what to do, in one line; shown without a traceback."""


def no_such(noun: str, received: object, known: Iterable[object]) -> UserError:
    """Return the error for a name that is not in a registry, with the nearest name first."""
    name, names = str(received), sorted(map(str, known))  # YAML reads some names as numbers or booleans
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"no {noun} {name!r}{hint} (there are: {', '.join(names)})")
