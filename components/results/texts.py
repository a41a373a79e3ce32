"""Numbers and names as they are written in tables and sentences."""

import html
import math
import re
from collections.abc import Sequence

from components.system.errors import one_line


def with_interval(value: float, low: float, high: float, places: int = 3) -> str:
    """Return a score with its interval as text, such as `0.914 [0.896, 0.931]`; a dash where the score is undefined."""
    return "–" if math.isnan(value) else f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def join_words(words: Sequence[str]) -> str:
    """Return words, one or more, as a list in a sentence: `a`, `a and b`, or `a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def duration(seconds: float) -> str:
    """Return seconds as words: `4.8 s`, `12 min` from 2 minutes on, `3.1 h` from 2 hours on."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def markdown(text: object) -> str:
    """Return a text, such as a name from a data set, as Markdown that shows it as it is: no HTML, no link, no table.

    Source: CommonMark 0.31.2, 2.4 Backslash escapes, spec.commonmark.org.
    """
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", html.escape(one_line(str(text)), quote=False))
