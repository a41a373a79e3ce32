"""Progress of long work: what is done, the rate and the time left."""

import sys
from collections.abc import Sequence

from tqdm import tqdm


def bar(name: str, work: int | Sequence, unit: str) -> tqdm:
    """Return a progress bar on standard error, over a sequence or to be updated by hand.

    Where no terminal watches, it says a line only every half minute; without a name it says nothing.
    """
    items, total = (None, work) if isinstance(work, int) else (work, len(work))
    watched = sys.stderr.isatty()
    return tqdm(
        items, desc=name, total=total, unit=unit, mininterval=0.2 if watched else 30, dynamic_ncols=watched, leave=True,
        disable=not name,
    )  # fmt: skip
