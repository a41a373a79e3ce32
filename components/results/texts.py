"""Numbers as they are written in tables and sentences."""

import math


def with_interval(value: float, low: float, high: float, places: int = 3) -> str:
    """Return a score with its interval as text, such as `0.914 [0.896, 0.931]`; a dash where the score is undefined."""
    return "–" if math.isnan(value) else f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def two_digits(number: float) -> str:
    """Return a number as text, two significant digits and no decimals, as `1,700`; a dash where it is not finite."""
    return f"{float(f'{number:.2g}'):,.0f}" if math.isfinite(number) else "–"
