"""The tables of artifacts: CSV files whose labels and file names stay text."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.json_files import damage_errors

if TYPE_CHECKING:
    import pandas as pd


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
        return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=gaps, lineterminator="\n")


def write_table(file: Path, table: "pd.DataFrame") -> None:
    """Write a table to a CSV file, without its index: the same bytes for the same rows."""
    table.to_csv(file, index=False, lineterminator="\n")
