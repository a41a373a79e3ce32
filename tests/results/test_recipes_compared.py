"""Two recipes: compared on the test images that both have, by the labels of either."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.data.artifacts import Comparison, Report
from components.data.tables import write_table
from components.results import recipes_compared
from components.system.errors import UserError
from tests.conftest import MODELS, list_files_anew


def changed(report: Report, folder: Path, change) -> Report:
    """Return a copy of a report, in a folder, whose table of predictions is what `change` makes of it."""
    shutil.copytree(report.path, folder)
    write_table(folder / "predictions.csv", change(report.table("predictions.csv")))
    return list_files_anew(Report, folder)


def test_the_chosen_way_of_a_comparison_is_taken(made):
    reports = [Report.read(made[model]) for model in MODELS.values()]
    comparison = Comparison.read(made["comparison"])
    (trial,) = recipes_compared.chosen_trials(comparison, reports)
    assert trial.facts.model == comparison.read_values("chosen")["model"]


def test_images_that_both_have_count_by_the_labels_of_either(made, tmp_path):
    report = Report.read(made["top"])
    table = report.table("predictions.csv")

    def correct(table: pd.DataFrame) -> pd.DataFrame:
        left = table.iloc[2:].copy()
        left.loc[left.index[0], "label"] = "up" if left["label"].iloc[0] != "up" else "down"
        return left

    other = changed(report, tmp_path / "other", correct)
    said = recipes_compared.compare_chosen({"before": [report], "after": [other]})
    both, images = len(table) - 2, len(table)
    assert said[0] == (
        f"{both} test images are in both, of {images} of before and {both} of after; 1 of them are labelled otherwise "
        "there."
    )
    before = (table["label"] == table["predicted"])[2:].mean()
    after = (correct(table)["label"] == table["predicted"][2:]).mean()
    assert said[1].startswith("By the labels of before: ") and f"accuracy {before:.3f} against {before:.3f}" in said[1]
    assert said[2].startswith("By the labels of after: ") and f"accuracy {after:.3f} against {after:.3f}" in said[2]
    assert after != before and len(said) == 3
    same = recipes_compared.compare_chosen({"before": [report], "again": [report]})
    assert len(same) == 2 and "0 of them are labelled otherwise" in same[0] and not same[1].startswith("By the labels")


def test_the_better_recipe_is_told_if_the_images_tell_it(made, tmp_path):
    report = Report.read(made["top"])

    def repeat(is_right: bool):
        def change(table: pd.DataFrame) -> pd.DataFrame:
            rows = pd.concat([table] * 10, ignore_index=True)
            rows["file"] = [f"{number}.png" for number in range(len(rows))]
            columns = [f"probability_{name}" for name in report.facts.classes]
            for number, name in enumerate(report.facts.classes):
                hit = rows["label"] == name if is_right else rows["label"] == report.facts.classes[number - 1]
                rows[columns[number]] = hit * 0.8 + 0.2 / 3
            return rows

        return change

    right, wrong = (changed(report, tmp_path / str(one), repeat(one)) for one in (True, False))
    said = recipes_compared.compare_chosen({"wrong": [wrong], "right": [right]})
    assert "file of right is better than the file of wrong: accuracy 1.000 against 0.000" in said[1]


def test_recipes_without_common_images_or_on_other_data_are_refused(made, tmp_path):
    report = Report.read(made["top"])
    elsewhere = changed(report, tmp_path / "one", lambda table: table.assign(file="x" + table["file"]))
    with pytest.raises(UserError, match="no image is in the test parts of both a and b"):
        recipes_compared.compare_chosen({"a": [report], "b": [elsewhere]})
    elsewhere.manifest["lineage"] = {**report.manifest["lineage"], "fetch": "0"}
    with pytest.raises(UserError, match="a and b have different data sets"):
        recipes_compared.compare_chosen({"a": [report], "b": [elsewhere]})
