"""Tables as CSV files whose labels and file names stay text: in `read_table`, and in a spreadsheet.

A spreadsheet runs a text as a formula that begins with one of `=+-@`, a tab or a carriage return. Such a text, also
behind apostrophes, is written with one apostrophe more, and read without it: all other texts are written as they are.

Source: OWASP, CSV Injection, owasp.org/www-community/attacks/CSV_Injection.
"""

import csv
import re
from collections.abc import Callable, Collection, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.data.json_files import damage_errors

if TYPE_CHECKING:
    import pandas as pd

FORMULA = r"'*[=+\-@\t\r]"


def read_table(file: Path, text_columns: Collection[str], columns_with_gaps: Collection[str]) -> "pd.DataFrame":
    """Return the table in a CSV file; an empty field is an empty text, but NaN in a column with gaps.

    The other columns are of the type that their content looks like.

    Args:
        file: The CSV file.
        text_columns: Columns of text, also where all of it looks like numbers; a table may lack them.
        columns_with_gaps: Columns of numbers that are empty where there is no number, likewise.

    Raises:
        UserError: The file is not there, or is damaged.
    """
    import pandas as pd

    types, gaps = dict.fromkeys(text_columns, str), {name: [""] for name in columns_with_gaps}
    with damage_errors(file):
        table = pd.read_csv(file, dtype=types, keep_default_na=False, na_values=gaps, lineterminator="\n")
    return change_texts(table, f"'{FORMULA}", lambda text: text[1:])


def without_apostrophe(text: str) -> str:
    """Return a text of a written table as it was before: without the apostrophe that keeps it from being a formula."""
    return text[1:] if re.match(f"'{FORMULA}", text) else text


def write_table(file: Path, table: "pd.DataFrame", errors: Literal["strict", "surrogateescape"] = "strict") -> None:
    """Write a table to a CSV file, without its index, with an apostrophe before texts that would be formulas.

    The same rows give the same bytes.

    Args:
        file: The CSV file.
        table: The table.
        errors: What to do with a text that is not UTF-8, as `str.encode` takes it.
    """
    safe = change_texts(table, FORMULA, lambda text: f"'{text}")
    texts = (text for name in table for text in (name, *text_cells(table, name)))
    breaks = any("\r" in text for text in texts if isinstance(text, str))  # which would end a line
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if breaks else csv.QUOTE_MINIMAL
    safe.to_csv(file, index=False, lineterminator="\n", errors=errors, quoting=quoting)


def change_texts(table: "pd.DataFrame", pattern: str, change: Callable[[str], str]) -> "pd.DataFrame":
    """Return a table, new if need be, in which a function has changed all texts whose start fits a regular expression.

    All else stays.
    """
    import pandas as pd

    columns, match = {}, re.compile(pattern).match
    for name in table:
        values = text_cells(table, name)
        matches = [isinstance(value, str) and match(value) is not None for value in values]
        if any(matches):
            texts = [change(value) if one else value for value, one in zip(values, matches, strict=True)]
            columns[str(name)] = pd.Series(texts, table.index, table[name].dtype)
    return table.assign(**columns) if columns else table


def text_cells(table: "pd.DataFrame", name: Hashable) -> list[Any]:
    """Return all cells of a column of objects, such as texts; [] of a column of any other type, such as numbers."""
    return table[name].tolist() if table[name].dtype.kind == "O" else []
