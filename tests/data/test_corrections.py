"""A person's corrections: what a list may say, what a split makes of it, and what is said of a line that is wrong."""

import json
from pathlib import Path

import pandas as pd
import pytest

from components.data import corrections
from components.data.artifacts import Images, Splits, TestSplit
from components.data.tables import write_table
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.system.errors import UserError
from tests.conftest import PARAMETERS

READ = load_step("split").parameters["corrections"].read


def text_of(*values) -> str:
    return READ("split", "corrections", values[0] if len(values) == 1 else [*values])


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return what writes a list in a folder of its own, and returns its path as a person gives it."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "list.csv", encoding: str = "utf-8") -> str:
        Path(name).write_text(text, encoding=encoding, newline="")
        return name

    return write


def test_a_list_becomes_its_decisions_in_one_order_and_nothing_else_of_it(written):
    path = written("file,reason,decision\nb/2.png,blurred,exclude\na/1.png,sure, b \nc/3.png,looked at,\n")
    text = text_of(path)
    assert json.loads(text) == [["a/1.png", "b"], ["b/2.png", "exclude"]]
    other = written("file,decision\na/1.png,b\n", "one.csv"), written("decision;file\nexclude;b/2.png\n", "two.csv")
    assert text_of(*other) == text == text_of(text) == text_of(json.loads(text))
    assert text_of(written(Path(path).read_text().replace(",", "\t"), "x.csv", "utf-16")) == text
    assert text_of("") == text_of([]) == text_of(None) == text_of(written("file,decision\n\n")) == ""


def test_names_that_a_spreadsheet_would_run_are_read_as_they_were(tmp_path):
    names = ["=cmd/1.png", "'=x.png", "a,b/2.png", 'say "x".png', "é.png"]
    write_table(tmp_path / "list.csv", pd.DataFrame({"file": names, "decision": "exclude"}))
    assert [file for file, _ in json.loads(text_of(str(tmp_path / "list.csv")))] == sorted(names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first line names the columns, file and decision"),
        ("file,label\na,b\n", "add decision, once"),
        ("file,file,decision\na,b,c\n", "add file, once"),
        ("file,decision\na/1.png\n", "line 2 of list.csv: 1 columns, where the first line has 2"),
        ("file,decision\n,exclude\n", "line 2 of list.csv: the decision 'exclude' is of no file"),
        ("file,decision\na,b\nc,d\na,exclude\n", "line 4 of list.csv: 'a' was in line 2 of list.csv already"),
        ('file,decision\n"a,b\n', "list.csv is not CSV"),
    ],
)
def test_a_line_that_is_wrong_is_said_with_its_number(written, text, said):
    with pytest.raises(UserError, match=r".") as raised:
        text_of(written(text))
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_no_list_is_said(written):
    with pytest.raises(UserError, match=r"cannot read 'nowhere\.csv'"):
        text_of("nowhere.csv")
    with pytest.raises(UserError, match=r"'a' was in line 2 of one\.csv already"):
        text_of(written("file,decision\na,b\n", "one.csv"), written("file,decision\na,exclude\n", "two.csv"))
    for value in (3, {"a": "b"}, [["a"]], [["a", ""]], [3], "[a: b", True):
        with pytest.raises(UserError, match="corrections is the path of a list"):
            text_of(value)


def split(made, folder: Path, decisions: dict[str, str], **values) -> tuple[Splits, TestSplit]:
    at = {**made, "splits": folder / "splits", "test_split": folder / "test_split"}
    run_step("split", at, {**PARAMETERS["split"], **values, "corrections": [*map(list, decisions.items())]})
    return Splits.read(at["splits"]), TestSplit.read(at["test_split"])


def test_those_decided_on_change_and_all_others_stay_where_they_are(made, tmp_path, capsys):
    before, test_before = split(made, tmp_path / "before", {})
    train, validation, test = (
        table["file"].tolist()
        for table in (before.part("train"), before.part("validation"), test_before.table("test_split.csv"))
    )
    up = next(file for file in train if file.startswith("up"))
    decisions = {up: "down", train[0]: "exclude", validation[0]: "exclude", test[0]: "exclude", test[1]: "up"}
    capsys.readouterr()
    after, test_after = split(made, tmp_path / "after", decisions)
    printed = capsys.readouterr().out
    assert "split: 3 images left out: excluded" in printed and "2 images given another class, 1 of the test" in printed
    assert after.part("train")["file"].tolist() == [file for file in train if file != train[0]]
    assert after.part("validation")["file"].tolist() == [file for file in validation if file != validation[0]]
    tested = test_after.table("test_split.csv").set_index("file")["label"]
    assert tested.index.tolist() == test[1:] and tested[test[1]] == "up"
    labels = after.rows().set_index("file")["label"]
    assert (
        labels[up] == "down"
        and (labels.drop(up) == before.rows().set_index("file")["label"][labels.index].drop(up)).all()
    )
    assert after.facts.dropped["excluded"] == 3 and after.facts.relabelled == 2
    assert after.table("corrections.csv").set_index("file")["decision"].to_dict() == {
        file: decision for file, decision in decisions.items() if file != test[1]
    }
    assert {train[0], validation[0], test[0]} <= {*after.table("unused.csv")["file"]}


def test_a_label_that_is_confirmed_changes_nothing_but_the_note_of_it(made, tmp_path):
    before, _ = split(made, tmp_path / "before", {})
    row = before.rows().iloc[0]
    after, _ = split(made, tmp_path / "after", {row["file"]: row["label"]})
    assert after.rows().equals(before.rows()) and after.facts.relabelled == 0
    assert after.table("corrections.csv")["file"].tolist() == [row["file"]]


def test_what_a_data_set_has_not_is_said_with_the_nearest(made, tmp_path):
    file = Images.read(made["images"]).table("images.csv")["file"][0]
    near = file.replace(".png", ".pgn")
    with pytest.raises(UserError, match=f"no image '{near}'; did you mean '{file}'"):
        split(made, tmp_path, {near: "exclude"})
    with pytest.raises(
        UserError, match=r"no class 'dwon'; did you mean 'down'\? \(there are: down, exclude, left, up\)"
    ):
        split(made, tmp_path, {file: "dwon"})
    with pytest.raises(UserError, match="a class is called exclude"):
        corrections.read_decisions('[["a", "b"]]', ["a"], ["b", "exclude"])
    files = Images.read(made["images"]).table("images.csv").query("label == 'up'")["file"]
    with pytest.raises(UserError, match="corrections leave no training image of up"):
        split(made, tmp_path, dict.fromkeys(files, "exclude"))


def test_labels_become_those_decided_and_the_table_given_stays_as_it_is():
    table = pd.DataFrame({"file": ["a/1", "b/1"], "label": ["a", "b"]})
    assert corrections.correct_labels(table, {"b/1": "a"})["label"].tolist() == ["a", "a"]
    assert corrections.correct_labels(table, {"b/1": "exclude"})["label"].tolist() == ["a", "b"]
    assert corrections.correct_labels(table, {})["label"].tolist() == ["a", "b"] and table["label"][1] == "b"
