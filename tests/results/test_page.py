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
import yaml
from PIL import Image

from components import STEPS
from components.data.artifacts import Classifier, Comparison, Drawings, Forecast, Page, Report
from components.data.records import Record, record_path, records_by_step
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.model import registry
from components.results import charts, drawing, forecasts, page, titles
from components.results.verdicts import few_trainings_sentence
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


def compared(made: dict[str, Path], folder: Path, reports: list[Path], recipe: str = "edges") -> Path:
    """Compare reports and draw the comparison in a folder without records; return where the page lies."""
    (folder / "none").mkdir()
    at: dict[str, Any] = {
        "reports": reports,
        "drawings": [made["drawings"]],
        "records": [folder / "none"],
        "comparison": folder / "comparison",
        "page": folder / "page",
    }
    for name in ("compare", "draw_comparison"):
        run_step(name, at, {}, recipe, folder / f"{name}.record")
    return folder / "page"


def scores_of(comparison: Comparison) -> pd.DataFrame:
    costs = dict.fromkeys(("seconds_total", *page.FRONTS), 1.0)
    return comparison.table("comparison.csv").set_index("model").assign(**costs)


def read(folder: Path) -> Reader:
    return Reader((folder / "comparison.html").read_text(encoding="utf-8"))


def test_the_page_says_what_the_comparison_says(made):
    reader = read(made["page"])
    records = Record.read_all([made["page"].parent])
    title, _, header, _, *lines = (made["page"] / "comparison.txt").read_text().splitlines()
    (scores,), (costs,) = reader.under("Scores"), reader.under("Costs")
    (parameters,) = reader.under("Parameters that differ")
    assert reader.texts.count(title) == 2  # in the head and in the body
    assert " ".join(scores[0][1:]).split() == header.split()
    assert [row[0] for row in scores[1:]] == [row[0] for row in costs[1:]] == [*MODELS.values()]
    for row, line in zip(scores[1:], lines, strict=False):
        assert sorted(" ".join(row).replace("*", " ").split()) == sorted(line.replace("*", " ").split())
    verdict = Comparison.read(made["comparison"]).read_values("verdict")
    few = few_trainings_sentence(Comparison.read(made["comparison"]).table("comparison.csv"))
    reasons = [sentence.removeprefix(few).strip() for sentence in verdict["verdict"]]
    sentences = [*lines[lines.index("") + 1 :], few, *verdict["cautions"], *reasons, *verdict["warnings"]]
    assert set(sentences) <= set(reader.texts) and reader.texts.count(few) == 1
    values = {name: row for name, *row in parameters}
    for model in MODELS.values():
        report = Report.read(made[model])
        column = values["parameter"].index(model)
        own = registry.MODELS[model].step
        said = {
            f"{'training' if name == own else name}.{key}": str(value)
            for name, step_values in report.manifest["parameters"].items()
            for key, value in step_values.items()
        }
        assert said.items() >= {name: row[column] for name, row in values.items() if row[column]}.items() - {
            ("parameter", model)
        }
        record = records_by_step(report.manifest["lineage"], records)[registry.MODELS[model].step]
        assert costs[1 + column][costs[0].index("training s")] == f"{record.work['training']['seconds']:,.1f}"
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


def test_the_page_draws_the_risk_of_every_way_and_the_chosen_one_s_with_its_interval(made):
    text = (made["page"] / "comparison.html").read_text()
    chart = next(one for one in re.findall("<svg.*?</svg>", text) if "Share of wrong answers (" in one)
    chosen = Comparison.read(made["comparison"]).read_values("chosen")["model"]
    assert chart.count("<polygon") == 1
    for model in MODELS.values():
        for row in Report.read(made[model]).table("risks.csv").to_dict("records"):
            ends = f" ({row['low']:.3f} to {row['high']:.3f})" if model == chosen else ""
            assert f"<title>{model}, {row['answered']:,.7g}: {row['risk']:.3f}{ends}</title>" in chart
    first, *others = re.findall(r'<g class="way (w\d)"[^>]*><title>(\w+)</title>', chart)
    assert first[1] == chosen and len({css for css, _ in (first, *others)}) == len(MODELS)
    (table,) = read(made["page"]).under("Holding back")
    assert [row[0] for row in table[1:]] == [*MODELS.values()]


def test_the_page_forecasts_what_more_images_would_bring(made):
    reader, forecast = read(made["page"]), Forecast.read(made["forecast"])
    assert {*forecasts.forecast_sentences(forecast)} <= {*reader.texts}
    (curve,) = reader.under("The curve in numbers")
    scores = forecast.table("curve.csv").to_dict("records")
    assert [row[0] for row in curve[1:]] == ["3", "6", "12", "24", "48 (forecast)"]
    for row, wanted in zip(curve[1:], scores, strict=True):
        assert row[1].startswith(f"{wanted['accuracy']:.3f} [{wanted['accuracy_low']:.3f}")
        assert row[2].startswith(f"{wanted['log_loss']:.3f} [{wanted['log_loss_low']:.3f}")
    labels = [one["aria-label"] for tag, one in reader.elements if tag == "svg" and "aria-label" in one]
    assert forecasts.forecast_sentences(forecast)[0] in labels


def copied(artifact: Any, folder: Path, **changes: Any) -> Any:
    """Copy an artifact, with another extraction behind it and other facts."""
    shutil.copytree(artifact.path, folder)
    copy = type(artifact)(folder, json.loads((folder / "artifact.json").read_text()))
    copy.manifest["lineage"]["extract"] = changes.pop("extract")
    copy.manifest["facts"] |= changes
    return copy


def test_classes_that_gain_are_in_a_table_and_the_others_counted(made, tmp_path, monkeypatch):
    monkeypatch.setattr(forecasts, "GAINING", 2)
    report = Report.read(made["top"])
    extraction, classes = report.manifest["lineage"]["extract"], [*"abcd"]
    forecast = copied(Forecast.read(made["forecast"]), tmp_path / "forecast", extract=extraction, classes=classes)
    scores = pd.DataFrame({"validation_log_loss": [0.5]}, index=["top"])
    for gained, shown in ((0.2, ["a", "b"]), (0.0, [])):
        table = pd.DataFrame({"label": classes, "validation_images": 1234, "recall": 0.5, "forecast": 0.5 + gained})
        table.loc[3, "forecast"] = 0.5
        forecast.write_table("classes.csv", table.assign(forecast_low=0.5, forecast_high=0.9))
        section = forecasts.forecast_section({"top": report}, scores, [forecast])
        assert [*section["classes"]] == shown and section["more_classes"] == 4 - len(shown)
        most = "Of the classes, a gains most: from 50.0 to 70.0 % (50.0 to 90.0)."
        assert section["sentences"][1] == (most if shown else "No class is forecast to gain.")


def test_of_several_networks_the_curve_is_that_behind_the_best_way_and_the_others_are_in_a_table(made, tmp_path):
    report, forecast = Report.read(made["top"]), Forecast.read(made["forecast"])
    obstacle = "5 training images of 3 classes are too few for a curve: it takes 2 a class"
    both = [
        copied(forecast, tmp_path / "a", extract="a", backbone="first", obstacle=obstacle),
        copied(forecast, tmp_path / "b", extract="b", backbone="second"),
        copied(forecast, tmp_path / "c", extract="c", backbone="unused"),
    ]
    named = {"benchmark": Report.read(made["benchmark"])}
    named |= {f"top, {key}": copied(report, tmp_path / f"report {key}", extract=key) for key in "ab"}
    for losses, best in (([0.1, 0.3, 0.2], "second"), ([0.1, 0.2, 0.3], "first")):
        scores = pd.DataFrame({"validation_log_loss": losses}, index=[*named])
        shown = forecasts.forecast_section(named, scores, both)
        assert f"the features of {best} at 32 pixels" in shown["sentences"][0]
        assert bool(shown["chart"]) == (best == "second")
        rows = {name: row["features of"] for name, row in shown["networks"].items()}
        assert rows == {"top, a": "first, 32 pixels", "top, b": "second, 32 pixels"}
        assert shown["networks"]["top, a"]["accuracy now"] == "–" != shown["networks"]["top, b"]["accuracy now"]
    assert shown["sentences"] == [f"There is no learning curve of the features of first at 32 pixels: {obstacle}."]
    assert forecasts.forecast_section({"benchmark": named["benchmark"]}, scores[:1], both) == {}


def test_the_page_without_features_has_no_forecast(made, tmp_path):
    page = compared(made, tmp_path, [made["benchmark"]])
    assert "How many more images?" not in (page / "comparison.html").read_text()


def test_the_page_has_the_coverage_of_sets_beside_what_validation_states(made):
    (table,) = read(made["page"]).under("Sets of classes")
    assert table[0] == ["model", *(f"{text} {share}" if text else f"{share} stated"
                                   for share in ("80%", "90%", "95%") for text in ("", "classes at"))]  # fmt: skip
    assert {row[0] for row in table[1:]} == {*MODELS.values()}
    for model, *cells in table[1:]:
        report, coverages = (
            Report.read(made[model]),
            Classifier.read(made[f"classifiers/{model}"]).table("coverages.csv"),
        )
        predictions = report.table("predictions.csv")
        probabilities = predictions.filter(like="probability_").to_numpy()
        for number, stated in enumerate((0.8, 0.9, 0.95)):
            enough = coverages[coverages["coverage"] >= stated]
            limit = 0.0 if enough.empty else np.exp(-enough["loss"].iloc[0])
            held = probabilities >= np.minimum(limit, probabilities.max(axis=1, keepdims=True))
            covered = held[np.arange(len(held)), [CLASSES.index(label) for label in predictions["label"]]]
            assert cells[2 * number].startswith(f"{covered.mean():.3f} [")
            assert cells[2 * number + 1] == f"{held.sum(axis=1).mean():.2f}"


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
    (recipe,) = (yaml.safe_load(text) for text in reader.texts if text.startswith("recipes:"))
    ((name, content),) = recipe["recipes"].items()
    assert (name, content["data"], content["models"]) == ("edges", "edges", [*MODELS.values()])
    for model in MODELS.values():
        for step, values in Report.read(made[model]).manifest["parameters"].items():
            assert content.get(step, {}).items() >= values.items()
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
    reader = read(compared(made, tmp_path, reports))
    (table,) = reader.under("Duplicates and leakage")
    pictures = [str(attributes["alt"]) for tag, attributes in reader.elements if tag == "img"]
    assert {"0.png: up, test", "twin.png: left, train"} <= set(pictures)
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


def write(made: dict[str, Path], folder: Path, named: dict[str, Report], comparison: Comparison | None = None) -> Path:
    """Write the page of some reports; return where it lies."""
    shutil.copytree(made["page"], folder / "page")
    drawn_page, comparison = Page.read(folder / "page"), comparison or Comparison.read(made["comparison"])
    scores = scores_of(comparison).loc[[*named]]
    table = drawing.score_table(scores_of(comparison), comparison.table("pairs.csv")).loc[[*named]]
    models = {name: [report] for name, report in named.items()}
    page.write_page(drawn_page, comparison, models, "edges", scores, table, "", [], [], [], [], {}, [], [])
    return drawn_page.path


def test_the_page_opens_with_what_was_chosen_how_sure_that_is_and_at_what_price(made):
    reader, comparison = read(made["page"]), Comparison.read(made["comparison"])
    chosen = comparison.read_values("chosen")["model"]
    row = scores_of(comparison).loc[chosen]
    first, second = (text for text in reader.texts if text.startswith(("Validation chose", "One such model took")))
    assert first.startswith(f"Validation chose {chosen}")
    ends = [f"{100 * row[f'accuracy{end}']:.1f}" for end in ("", "_low", "_high")]
    assert f"right on {ends[0]} % of 12 test images (95 % interval {ends[1]} to {ends[2]})" in first
    costs = pd.read_csv(made["page"] / "costs.csv").set_index("report")["seconds_total"]
    assert f"One such model took {costs[chosen]:.1f} s to make" in second and "no GPU" in second
    for other in set(MODELS.values()) - {chosen}:
        assert other in first and f"{other} {costs[other]:.1f} s" in second
    for model in MODELS.values():
        assert f": {registry.MODELS[model].meaning}" in reader.texts


def test_a_model_is_explained_once_where_its_first_way_stands():
    names = ["benchmark", "top, a", "top, b x=1", "fine_tuned"]
    assert [*page.model_meanings(names)] == ["fine_tuned", "top, a", "benchmark"]


def test_beside_its_name_a_way_has_the_marker_that_charts_draw_it_by(made):
    text = (made["page"] / "comparison.html").read_text()
    shapes = re.findall(r'id="show-w\d" checked><svg .*?><g .*?><path class="mark" d="(.*?)"', text)
    assert len(shapes) == len({*shapes}) == len(MODELS)


@pytest.mark.parametrize("ends", [(1.0, 1.5), (10.7, 26.1), (0.39, 0.92), (0.2, 2.3), (3.0, 90000.0)])
def test_an_axis_of_ratios_has_ticks_to_read_it_by(ends):
    assert 3 <= len(charts.scale_of(ends, 0, 400, logarithmic=True).ticks) <= 8


def test_a_way_is_hidden_by_its_own_tick_everywhere_and_without_a_script(made):
    reader, text = read(made["page"]), (made["page"] / "comparison.html").read_text()
    ticks = [one for tag, one in reader.elements if tag == "input"]
    assert [one["id"] for one in ticks] == ["show-w0", "show-w1", "show-w2"] and all("checked" in one for one in ticks)
    for number in range(len(MODELS)):
        assert f"body:has(#show-w{number}:not(:checked)) main .w{number} {{ display: none; }}" in text
        marked = [tag for tag, one in reader.elements if f"w{number}" in str(one.get("class")).split()]
        assert {"tr", "g", "div", "details"} <= set(marked)


def test_the_page_needs_nothing_else(made):
    """All that it shows is in it: charts as text, photographs as data, in any place and without a net."""
    reader = read(made["page"])
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    shown = sum(len(Report.read(made[model]).table("mistakes.csv")) for model in MODELS.values())
    shown += len([*(made["drawings"] / "figures").glob("*.png")])
    assert shown < len(pictures) <= 2 * shown
    for picture in pictures:
        assert str(picture["src"]).startswith("data:image/webp;base64,") and len(str(picture.get("alt"))) > 10
        with Image.open(io.BytesIO(base64.b64decode(str(picture["src"]).partition(",")[2]))) as image:
            assert image.width > 0
    charts = [one for tag, one in reader.elements if tag == "svg" and one.get("role") == "img"]
    assert len(charts) > 5 * len(MODELS) and all(one["aria-label"] for one in charts)
    assert {tag for tag, _ in reader.elements}.isdisjoint({"a", "link", "script", "iframe", "base", "form"})
    text = (made["page"] / "comparison.html").read_text()
    assert "url(" not in text and "@import" not in text and "://" not in text
    assert (
        """Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">""" in text
    )
    assert len(text) < 3_000_000


def test_the_page_shows_what_the_images_look_like_and_says_in_words_what_needs_no_figure(made):
    reader, drawings = read(made["page"]), Drawings.read(made["drawings"])
    captions = drawings.read_values("captions")
    drawn = {file.stem for file in (drawings.path / "figures").glob("*.png")}
    assert captions.keys() - drawn == {"image_sizes", "stock_words"} and drawn < captions.keys()
    assert captions["image_sizes"] == "All 48 images have the same size, 12 \u00d7 12 pixels."
    assert set(captions.values()) <= set(reader.texts)
    shown = [attributes["alt"] for tag, attributes in reader.elements if tag == "img"]
    assert [caption for caption in captions.values() if caption in shown] == [
        caption for name, caption in captions.items() if name in drawn
    ]


def test_the_page_says_which_command_lists_doubted_labels_of_other_parts(made):
    assert "listed by graft suspects" in " ".join(" ".join(read(made["page"]).texts).split())


def test_the_page_says_how_many_images_were_corrected(made):
    facts = Report.read(made["top"]).facts
    assert page.correction_facts(facts) == {}
    facts.dropped, facts.relabelled = {"excluded": 1_200, "duplicates": 7}, 3
    assert page.correction_facts(facts) == {"left out by corrections": "1,200", "another class by them": "3"}


def test_the_page_says_what_each_model_is_made_of(made):
    reader = read(made["page"])
    (sizes,) = reader.under("What each model is made of")
    for model, *cells in sizes[1:]:
        report, classifier = Report.read(made[model]), Classifier.read(made[f"classifiers/{model}"])
        (layers,) = reader.under(f"The layers of {model}")
        network = classifier.load()
        parameters, trainable = (sum(int(row[column].replace(",", "")) for row in layers[1:]) for column in (3, 4))
        assert parameters == network.count_params() and trainable == report.facts.trainable_parameters
        assert cells[2:] == [f"{number:,}" for number in (parameters, trainable, parameters - trainable)]
    shapes = {row[2] for row in reader.under("The layers of top")[0][1:]}
    assert f"{len(CLASSES)}" in shapes


def test_wrong_images_are_listed_by_file_the_most_confident_first(made):
    reader = read(made["page"])
    lists = iter("\n".join(reader.texts).split("a click selects all of it.")[1:])
    for model in MODELS.values():
        table = Report.read(made[model]).table("predictions.csv")
        wrong = table[table["label"] != table["predicted"]]
        if len(wrong):
            lines = [
                line.split("\t")
                for line in next(lists).split("Test images whose label")[0].splitlines()
                if line.count("\t") == 3
            ]
            assert {line[0] for line in lines} == set(wrong["file"])
            tops = [float(line[3]) for line in lines]
            assert tops == sorted(tops, reverse=True)


@pytest.mark.parametrize("classes", [3, 40, 400])
def test_a_confusion_matrix_of_any_number_of_classes_has_cells_of_one_size_and_the_worst_first(classes):
    names = [f"class {number}" for number in range(classes)]
    counts = np.diag(np.full(classes, 3))
    counts[-1, [0, -1]] = 2, 1
    matrix, note = page.worst_first(counts, names, "all in words")
    cells, beside = Reader(matrix.cells), [text for text in Reader(matrix.beside).texts if text]
    sizes = {(one["width"], one["height"]) for tag, one in cells.elements if tag == "rect"}
    shown = min(classes, page.MOST_CLASSES)
    assert len(sizes) == 1 and f"class {classes - 1} as class 0: 2 images, 66.7% of class {classes - 1}" in cells.texts
    assert len(beside) == 2 * shown  # each is its own title, too
    if classes > page.CLASSES_IN_ORDER:
        assert {*beside[:4]} == {"class 0", f"class {classes - 1}"} and "confused most come first" in note
    assert (f"the other {classes - shown + 1} share one row" in note) == (classes > page.MOST_CLASSES)


def test_the_same_reports_and_records_make_the_same_page(made, tmp_path):
    inputs = {**made, "reports": [made[model] for model in MODELS.values()], "records": [made["page"].parent]}
    inputs |= {"drawings": [made["drawings"]], "forecasts": [made["forecast"]]}
    for name in ("first", "second"):
        run_step("draw_comparison", {**inputs, "page": tmp_path / name}, {}, "edges")
    assert digests(tmp_path / "first") == digests(tmp_path / "second") == digests(made["page"])


def test_a_page_without_records_has_empty_cells_and_other_records_change_the_page_alone(made, tmp_path):
    reports = [made[model] for model in MODELS.values()]
    page = compared(made, tmp_path, reports)
    assert digests(tmp_path / "comparison") == digests(made["comparison"])
    reader, costs = read(page), pd.read_csv(page / "costs.csv")
    (header, *rows), *_ = reader.under("Costs")
    assert {row[header.index("training s")] for row in rows} == {row[header.index("in all s")] for row in rows} == {""}
    assert costs["report"].tolist() == [*MODELS.values()] and costs.filter(regex="second|gpu").isna().all(axis=None)
    text, with_records = (page / "comparison.txt").read_text(), (made["page"] / "comparison.txt").read_text()
    assert "One such model took" in with_records and "One such model took" not in text
    sentences = [part.splitlines()[-1] for part in text.split("\n\n")[2:]]
    assert sentences and set(sentences) <= set(with_records.splitlines())
    assert "git checkout" not in "".join(reader.texts)
    assert {name for name in STEPS if Record in load_step(name).inputs.values()} == {"draw_comparison"}


def test_every_trial_has_figures_of_its_own(made, tmp_path):
    reports = [tmp_path / f"top {seed}" for seed in (1, 2)]
    for seed, folder in enumerate(reports, start=1):
        shutil.copytree(made["top"], folder)
        manifest = json.loads((folder / "artifact.json").read_text())
        manifest["parameters"]["train_top"]["seed"] = seed
        (folder / "artifact.json").write_text(json.dumps(manifest))
    page = compared(made, tmp_path, reports)
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
    inputs = {**made, "drawings": [made["drawings"]], "records": [tmp_path], "page": tmp_path / "page"}
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
    shutil.copytree(made["drawings"], tmp_path / "drawings")
    drawings = json.loads((tmp_path / "drawings" / "artifact.json").read_text())
    drawings["facts"]["classes"] = manifest["facts"]["classes"]
    (tmp_path / "drawings" / "artifact.json").write_text(json.dumps(drawings))
    reader = read(compared({"drawings": tmp_path / "drawings"}, tmp_path, [tmp_path / "top"], NASTY))
    assert {tag for tag, _ in reader.elements} == {tag for tag, _ in read(made["page"]).elements}
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    assert f"4: {NASTY}, {', '.join(CLASSES)}" in reader.texts
    assert f"top: no training image was of {NASTY}: none can be recognised as such." in reader.texts
    (recipe,) = (yaml.safe_load(text) for text in reader.texts if text.startswith("recipes:"))
    assert recipe["recipes"][NASTY]["train_top"][NASTY] == NASTY
    assert reader.texts.count(f"{NASTY}: 12 test images") == 2
    assert any(f"dvc repro {shlex.quote(f'draw_comparison-{NASTY}')}" in text for text in reader.texts)


def test_the_page_says_how_far_trials_spread(made, tmp_path):
    shutil.copytree(made["comparison"], tmp_path / "comparison")
    comparison = Comparison.read(tmp_path / "comparison")
    once = comparison.table("trials.csv")
    again = once[once["model"] == "top"].assign(kappa=once["kappa"][1] + 0.1)
    comparison.write_table("trials.csv", pd.concat([once, again]))
    named = {model: Report.read(made[model]) for model in MODELS.values()}
    ((header, row),) = read(write(made, tmp_path, named, comparison)).under("Over several trainings")
    assert header == ["model", "trainings", "kappa", "log loss", "accuracy"]
    assert row[:3] == ["top", "2", f"{once['kappa'][1] + 0.05:.3f} ± {0.1 / 2**0.5:.3f}"]
    assert row[4] == f"{once['accuracy'][1]:.3f} ± 0.000"
