"""The page of a comparison: it says what the table says, needs nothing else, and shows any name as it is."""

import base64
import io
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components import STEPS
from components.data.artifacts import Comparison, Page, Report
from components.data.records import Record, record_path, records_by_step
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.model import registry
from components.results import drawing, page, titles
from components.system.errors import UserError
from tests.conftest import CLASSES, MODELS, digests

NASTY = """</title></style><script>alert("1")</script><img src=x onerror='alert(2)'> & {{ 7 * 7 }} {% raw %}"""


class Reader(HTMLParser):
    """What a page holds: its elements with their attributes, its texts, and its tables with the headings above them."""

    HEADINGS = ("h2", "h3", "summary")

    def __init__(self, text: str):
        super().__init__()
        self.inside = ""  # the cell or heading that is being read
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.heading = ""
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append((self.heading, []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append("")
        elif tag in self.HEADINGS:
            self.heading = ""
        if tag in ("td", "th", *self.HEADINGS):
            self.inside = tag

    def handle_endtag(self, tag):
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, text):
        if self.inside in ("td", "th"):
            self.tables[-1][1][-1][-1] += text
        elif self.inside:
            self.heading += text
        self.texts.append(text.strip())

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute))]

    def under(self, heading: str) -> list[list[list[str]]]:
        """Return the tables under a heading, rows of cells."""
        return [rows for above, rows in self.tables if above == heading]


def compared(folder: Path, reports: list[Path], recipe: str = "edges") -> Path:
    """Compare reports and draw the comparison in a folder without records; return where the page lies."""
    (folder / "none").mkdir()
    at: dict[str, Any] = {
        "reports": reports,
        "records": [folder / "none"],
        "comparison": folder / "comparison",
        "page": folder / "page",
    }
    for name in ("compare", "draw_comparison"):
        run_step(name, at, {}, recipe, folder / f"{name}.record")
    return folder / "page"


def scores_of(comparison: Comparison) -> pd.DataFrame:
    return comparison.table("comparison.csv").set_index("model").assign(seconds_training=1.0)


def read(folder: Path) -> Reader:
    return Reader((folder / "comparison.html").read_text(encoding="utf-8"))


def test_the_page_says_what_the_comparison_says(made):
    reader = read(made["page"])
    records = Record.read_all([made["page"].parent])
    title, _, header, _, *lines = (made["page"] / "comparison.txt").read_text().splitlines()
    (scores,), (costs,) = reader.under("Scores"), reader.under("Costs")
    (parameters,) = reader.under("Parameters of each model")
    assert reader.texts.count(title) == 2  # in the head and in the body
    assert " ".join(scores[0][1:]).split() == header.split()
    assert [row[0] for row in scores[1:]] == [row[0] for row in costs[1:]] == [*MODELS.values()]
    for row, line in zip(scores[1:], lines, strict=False):
        assert sorted(" ".join(row).replace("*", " ").split()) == sorted(line.replace("*", " ").split())
    assert set(lines[lines.index("") + 1 :]) <= set(reader.texts)
    values = {name: row for name, *row in parameters}
    for model in MODELS.values():
        report = Report.read(made[model])
        column = values["parameter"].index(model)
        chain = report.manifest["parameters"]
        expected = {
            f"{name}.{key}": str(value) for name, step_values in chain.items() for key, value in step_values.items()
        }
        assert {name: row[column] for name, row in values.items() if row[column]} == {"parameter": model, **expected}
        record = records_by_step(report.manifest["lineage"], records)[registry.MODELS[model].step]
        assert costs[1 + column][3] == f"{record.work['training']['seconds']:,.1f}"
    lineage = Comparison.read(made["comparison"]).manifest["lineage"]
    assert {lineage["fetch"], lineage["split"]} <= set(reader.texts)


def test_the_page_says_of_every_pair_and_of_calibration_what_was_found(made):
    reader, comparison = read(made["page"]), Comparison.read(made["comparison"])
    (calibration,) = reader.under("Calibration")
    *of_chosen, others = [above for above, _ in reader.tables if " against " in above]
    assert {*of_chosen, others} == {"top against benchmark", "fine_tuned against benchmark", "fine_tuned against top"}
    chosen = comparison.read_values("chosen")["model"]
    assert [chosen in pair.split() for pair in (*of_chosen, others)] == [True, True, False]
    for row in comparison.table("pairs.csv").to_dict("records"):
        ((_, (_, *tests), *_),) = reader.under(f"{row['second']} against {row['first']}")
        assert tests[0] == f"{row['kappa_difference']:+.3f} [{row['kappa_low']:+.3f}, {row['kappa_high']:+.3f}]"
        assert float(tests[1].removeprefix("< ")) == pytest.approx(max(row["kappa_p"], 0.001), abs=5e-4)
    for model, *cells in calibration[1:]:
        report = Report.read(made[model])
        low, high = report.intervals["log_loss_uncalibrated"]
        assert cells[1] == f"{report.metrics['log_loss_uncalibrated']:.3f} [{low:.3f}, {high:.3f}]"
        for cell, name in zip(cells[3:], ("ece_uncalibrated", "ece", "ece_chance"), strict=True):
            low, high = report.intervals[name]
            assert cell == f"{report.metrics[name]:.3f} [{low:.3f}, {high:.3f}]"


def test_the_page_says_where_each_model_fails(made):
    reader = read(made["page"])
    classes, slices = reader.under("Class by class"), reader.under("By the size and the brightness of the image")
    confusions = reader.under("Most frequent confusions")
    for model, rows, cut in zip(MODELS.values(), classes, slices, strict=True):
        report = Report.read(made[model])
        wrong = round(12 * (1 - report.metrics["accuracy"]))
        assert f"{model}: {wrong} of 12 test images wrong" in reader.texts
        recalls = [f"{value:.3f}" for value in report.table("classes.csv")["recall"]]
        assert [row[3].split()[0] for row in rows[1:]] == recalls
        assert [row[1] for row in cut[1:]] == [str(images) for images in report.table("slices.csv")["images"]]
        pairs = report.table("confusions.csv")
        if wrong:
            rows = [[f"{row['label']} → {row['predicted']}", str(row["count"])] for row in pairs.to_dict("records")]
            assert [row[:2] for row in confusions.pop(0)[1:]] == rows
    assert not confusions


def test_the_page_says_how_often_happens_what_must_not(made):
    (table,) = read(made["page"]).under("Costly mistakes")
    assert [row[0] for row in table[1:]] == [f"{model}: up as down" for model in MODELS.values()]
    for model, row in zip(MODELS.values(), table[1:], strict=True):
        predictions, (mistake,) = (
            Report.read(made[model]).table("predictions.csv"),
            Report.read(made[model]).facts.never,
        )
        called = predictions.loc[predictions["label"] == "up", "predicted"]
        assert row[1] == f"{(called == 'down').sum()} of {len(called)}"
        assert row[2:4] == [
            f"{mistake['limit']:.1%}",
            f"{mistake['threshold']:.4f}" if mistake["threshold"] else "not needed",
        ]


def test_the_page_says_how_to_get_it_again(made):
    reader, comparison = read(made["page"]), Comparison.read(made["comparison"])
    text, record = "\n".join(reader.texts), Record.read(record_path(made["comparison"]))
    assert record.digest == comparison.digest
    assert f"git checkout {record.revisions['git_revision'].removesuffix('-dirty')}" in text
    assert "dvc repro draw_comparison-edges" in text and "dvc pull --with-deps" in text
    assert set(Record.read(record_path(made["top"])).versions.values()) <= set(reader.texts)


def test_the_page_says_what_leaks(made, tmp_path):
    reports = [tmp_path / model for model in MODELS.values()]
    columns = ["kind", "file", "split", "label", "other", "other_split", "other_label"]
    rows = [("near", f"{number}.png", "test", "up", "twin.png", "train", "left") for number in range(page.LEAKS + 2)]
    for folder in reports:
        shutil.copytree(made[folder.name], folder)
        manifest = json.loads((folder / "artifact.json").read_text())
        manifest["facts"]["leakage"] = {"across_splits": 1234, "test_share": 0.25}
        (folder / "artifact.json").write_text(json.dumps(manifest))
        report = Report.read(folder)
        report.write_table("leakage.csv", pd.DataFrame(rows, columns=columns))
        images = {
            f"{row}{end}": np.full((8, 8, 3), row, np.uint8) for row in range(len(rows)) for end in ("", "_other")
        }
        report.write_arrays("leakage", images)
        report.write_manifest()
    reader = read(compared(tmp_path, reports))
    (table,) = reader.under("Leakage between the parts of the split")
    assert table[1] == ["near: 0.png", "test", "up", "twin.png", "train", "left"]
    assert len(table) == 1 + page.LEAKS
    assert {page.LEAKAGE["across_splits"], "1,234", "25.0%", "2 more are in leakage.csv of each report."} <= set(
        reader.texts
    )


@pytest.mark.parametrize(
    ("found", "conclusion"), [({}, "Nothing was found."), ({"identical_pairs": 25, "test_share": 0.0}, page.NO_LEAKS)]
)
def test_where_nothing_leaks_the_page_says_so_of_the_duplicates_that_there_are(found, conclusion, made, tmp_path):
    report = Report.read(made["fine_tuned"])
    assert report.table("leakage.csv").empty
    report.facts.leakage = found
    reader = read(write(made, tmp_path, {"fine_tuned": report}))
    assert {"Nothing was found.", page.NO_LEAKS} & set(reader.texts) == {conclusion}


def test_of_many_classes_the_page_has_the_worst_and_says_how_many_more_there_are(made, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "CLASSES", 2)
    monkeypatch.setattr(page, "NAMES", 1)
    report = Report.read(made["fine_tuned"])
    reader = read(write(made, tmp_path, {"fine_tuned": report}))
    table, *_ = reader.under("Class by class")
    worst = report.table("classes.csv").sort_values("f1", kind="stable")["class"]
    assert [row[0] for row in table[1:]] == worst.tolist()[:2]
    assert "The classes with the lowest F1; 1 more are in classes.csv of the report." in reader.texts
    assert f"{len(CLASSES)}: {CLASSES[0]} and 2 more" in reader.texts


def write(made: dict[str, Path], folder: Path, named: dict[str, Report]) -> Path:
    """Write the page of some reports with the figures that are drawn; return where it lies."""
    shutil.copytree(made["page"], folder / "page")
    drawn_page, comparison = Page.read(folder / "page"), Comparison.read(made["comparison"])
    scores = drawing.score_table(scores_of(comparison), comparison.table("pairs.csv"))
    page.write_page(drawn_page, comparison, named, "edges", scores, "", [], {}, [])
    return drawn_page.path


def test_the_page_needs_nothing_else(made):
    """All that it shows is in it: the figures of the comparison and of each report, in any place and without a net."""
    reader = read(made["page"])
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    drawn = [base64.b64decode(source.partition(",")[2]) for source in reader.values("src") if "image/png" in source]
    files = [made["page"] / "figures" / f"{name}.png" for name in ("comparison", "fronts", "validation_curves")]
    for name in ("confusion_matrix", "reliability", "classes", "slices"):
        files += [made["page"] / "figures" / model / f"{name}.png" for model in MODELS.values()]
    assert sorted(drawn) == sorted(file.read_bytes() for file in files)
    photographs = [picture for picture in pictures if str(picture["src"]).startswith("data:image/webp;base64,")]
    assert len(drawn) + len(photographs) == len(pictures) and len(photographs) == len(MODELS)
    for picture, model in zip(photographs, MODELS.values(), strict=True):
        content = base64.b64decode(str(picture["src"]).partition(",")[2])
        with (
            Image.open(io.BytesIO(content)) as embedded,
            Image.open(made["page"] / "figures" / model / "mistakes.png") as figure,
        ):
            assert embedded.size == figure.size
            difference = np.abs(np.asarray(embedded, float) - np.asarray(figure.convert("RGB"), float))
            assert difference.mean() < 5
    assert all(len(str(picture.get("alt"))) > 20 for picture in pictures)
    numbers = [int(text.split()[1].strip(".")) for text in reader.texts if text.startswith("Figure ")]
    assert numbers == [*range(1, len(pictures) + 1)]
    assert {tag for tag, _ in reader.elements}.isdisjoint({"a", "link", "script", "iframe", "base", "form"})
    text = (made["page"] / "comparison.html").read_text()
    assert "url(" not in text and "@import" not in text and "://" not in text
    assert (
        """Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">""" in text
    )
    assert len(text) < 3_000_000


def test_the_same_reports_and_records_make_the_same_page(made, tmp_path):
    inputs = {**made, "reports": [made[model] for model in MODELS.values()], "records": [made["page"].parent]}
    for name in ("first", "second"):
        run_step("draw_comparison", {**inputs, "page": tmp_path / name}, {}, "edges")
    assert digests(tmp_path / "first") == digests(tmp_path / "second") == digests(made["page"])


def test_a_page_without_records_has_empty_cells_and_other_records_change_the_page_alone(made, tmp_path):
    reports = [made[model] for model in MODELS.values()]
    page = compared(tmp_path, reports)
    assert digests(tmp_path / "comparison") == digests(made["comparison"])
    reader, costs = read(page), pd.read_csv(page / "costs.csv")
    (header, *rows), *_ = reader.under("Costs")
    assert {row[header.index("training s")] for row in rows} == {""}
    assert costs["report"].tolist() == [*MODELS.values()] and costs.filter(regex="second|gpu").isna().all(axis=None)
    text, with_records = (page / "comparison.txt").read_text(), (made["page"] / "comparison.txt").read_text()
    assert text.split("\n\n")[2:] == with_records.split("\n\n")[2:]
    assert "git checkout" not in "".join(reader.texts)
    assert {name for name in STEPS if Record in load_step(name).inputs.values()} == {"draw_comparison"}


def test_every_trial_has_figures_of_its_own(made, tmp_path):
    reports = [tmp_path / f"top {seed}" for seed in (1, 2)]
    for seed, folder in enumerate(reports, start=1):
        shutil.copytree(made["top"], folder)
        manifest = json.loads((folder / "artifact.json").read_text())
        manifest["parameters"]["train_top"]["seed"] = seed
        (folder / "artifact.json").write_text(json.dumps(manifest))
    page = compared(tmp_path, reports)
    folders = {folder.name for folder in (page / "figures").iterdir() if folder.is_dir()}
    assert folders == {"top", "top,seed=2"}
    main, other = (digests(page / "figures" / folder) for folder in ("top", "top,seed=2"))
    assert main.keys() == other.keys() and main["classes.png"] != other["classes.png"]  # whose title says which it is
    assert pd.read_csv(page / "costs.csv")["report"].tolist() == ["top", "top seed=2"]


@pytest.mark.parametrize(
    "name",
    [
        "top", "top, a b=c", "top a", "top, a, b", "fine_tuned learning_rate=1e-05 head=a/b", "../..", "x" * 300, "..",
        NASTY,
    ],
)  # fmt: skip
def test_a_folder_has_a_safe_name_and_each_its_own(name):
    folder = titles.folder_name(name)
    assert re.fullmatch(r"[\w=+,-][\w.=+,-]*", folder, re.ASCII) and len(folder) < 100
    assert folder != titles.folder_name(f"{name}!") and folder == titles.folder_name(name)
    assert {"top": "top", "top, a b=c": "top,a,b=c"}.get(name, folder) == folder
    assert ("-" in folder) == (name not in ("top", "top, a b=c"))


def test_other_reports_than_those_compared_are_refused(made, tmp_path):
    inputs = {**made, "records": [tmp_path], "page": tmp_path / "page"}
    with pytest.raises(UserError, match="give those that compare was given"):
        run_step("draw_comparison", {**inputs, "reports": [made["top"]]}, {})


def test_any_name_is_shown_as_it_is(made, tmp_path):
    """Names of classes, parameters and recipes come from people."""
    shutil.copytree(made["top"], tmp_path / "top")
    manifest = json.loads((tmp_path / "top" / "artifact.json").read_text())
    manifest["facts"]["classes"] = [NASTY, *CLASSES]
    manifest["facts"]["train_counts"].insert(0, 0)
    manifest["parameters"]["train_top"][NASTY] = NASTY
    (tmp_path / "top" / "artifact.json").write_text(json.dumps(manifest))
    reader = read(compared(tmp_path, [tmp_path / "top"], NASTY))
    assert {tag for tag, _ in reader.elements} == {tag for tag, _ in read(made["page"]).elements}
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    assert f"4: {NASTY}, {', '.join(CLASSES)}" in reader.texts
    assert f"top: no training image was of {NASTY}: none can be recognised as such." in reader.texts
    assert [f"train_top.{NASTY}", NASTY] in reader.tables[-1][1]
    assert reader.texts.count(f"{NASTY}: 12 test images") == 2
    assert any(f"dvc repro {shlex.quote(f'draw_comparison-{NASTY}')}" in text for text in reader.texts)


def test_the_page_says_how_far_trials_spread(made, tmp_path):
    for name in ("comparison", "page"):
        shutil.copytree(made[name], tmp_path / name)
    drawn_page, comparison = Page.read(tmp_path / "page"), Comparison.read(tmp_path / "comparison")
    scores = scores_of(comparison)
    once = comparison.table("trials.csv")
    again = once[once["model"] == "top"].assign(kappa=once["kappa"][1] + 0.1)
    comparison.write_table("trials.csv", pd.concat([once, again]))
    named = {model: Report.read(made[model]) for model in MODELS.values()}
    page.write_page(
        drawn_page,
        comparison,
        named,
        "edges",
        drawing.score_table(scores, comparison.table("pairs.csv")),
        "",
        [],
        {},
        [],
    )
    ((header, row),) = read(drawn_page.path).under("Over several trainings")
    assert header == ["model", "trials", "kappa", "log loss", "accuracy"]
    assert row[:3] == ["top", "2", f"{once['kappa'][1] + 0.05:.3f} ± {0.1 / 2**0.5:.3f}"]
    assert row[4] == f"{once['accuracy'][1]:.3f} ± 0.000"


@pytest.mark.parametrize("linked", [("top",), ("benchmark", "fine_tuned")])
def test_models_link_to_their_runs_where_these_are_known(made, tmp_path, linked):
    shutil.copytree(made["page"], tmp_path / "page")
    drawn_page = Page.read(tmp_path / "page")
    named = {model: Report.read(made[model]) for model in MODELS.values()}
    comparison = Comparison.read(made["comparison"])
    scores = scores_of(comparison)
    runs = {model: f"http://127.0.0.1/#/experiments/1/runs/{model}" for model in linked}
    page.write_page(
        drawn_page,
        comparison,
        named,
        "edges",
        drawing.score_table(scores, comparison.table("pairs.csv")),
        "",
        [],
        {},
        [],
        runs,
    )
    assert set(read(drawn_page.path).values("href")) == set(runs.values())
