"""Progress bars of long work: how much is done, the rate and the time left."""

import sys
from collections.abc import Sequence

from tqdm import tqdm


def bar(name: str, work: int | Sequence, unit: str) -> tqdm:
    """Return a tqdm bar on standard error: to iterate over a sequence, or to `update` by hand up to a number of units.

    Without a terminal it prints a line every half minute; without a name it prints nothing.
    """
    items, total = (None, work) if isinstance(work, int) else (work, len(work))
    terminal = sys.stderr.isatty()
    return tqdm(
        items, desc=name, total=total, unit=unit, mininterval=0.2 if terminal else 30, dynamic_ncols=terminal,
        leave=True, disable=not name,
    )  # fmt: skip
