"""Tables of artifacts: read as they were written, and harmless in a spreadsheet."""

import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.tables import read_table, write_table

TEXTS = st.lists(st.text("=+-@'\t\r\n\",;1a", max_size=4), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "table.csv"


@given(TEXTS)
def test_what_is_read_is_what_was_written_and_no_cell_is_a_formula(file, texts):
    table = pd.DataFrame({"label": texts, "number": [-1.5] * len(texts)})
    write_table(file, table)
    pd.testing.assert_frame_equal(read_table(file, ["label"], []), table)
    with file.open(newline="") as content:
        cells = [row[0] for row in csv.reader(content)]
    assert len(cells) == 1 + len(texts) and not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)


def test_a_text_that_is_no_formula_and_a_number_are_written_as_they_are(file):
    texts = ["a=1", "'quoted'", "1-2", " =1", ""]
    write_table(file, pd.DataFrame({"label": texts, "number": range(-2, 3)}))
    assert file.read_text() == "label,number\n" + "".join(
        f"{text},{n}\n" for text, n in zip(texts, range(-2, 3), strict=True)
    )


def test_a_formula_is_written_behind_an_apostrophe(file):
    write_table(file, pd.DataFrame({"label": ["=cmd|'/C calc'!A0", "'=1"]}))
    assert file.read_text() == "label\n'=cmd|'/C calc'!A0\n''=1\n"
