"""The page of a comparison: it says what the table says, needs nothing else, and shows any name as it is."""

import base64
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components import step
from components.data.artifacts import Comparison, Report
from components.results import comparing, page
from tests.conftest import CLASSES, MODELS, PARAMETERS


class Reader(HTMLParser):
    """What a page holds: its elements with their attributes, its texts, and the cells of its tables."""

    def __init__(self, text: str):
        super().__init__()
        self.inside = False  # a cell
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, text):
        if self.inside:
            self.tables[-1][-1][-1] += text.strip()
        self.texts.append(text.strip())

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute))]


def read(folder: Path) -> Reader:
    return Reader((folder / "comparison.html").read_text(encoding="utf-8"))


def test_the_page_says_what_the_comparison_says(made):
    found = read(made["comparison"])
    title, _, header, _, *lines = (made["comparison"] / "comparison.txt").read_text().splitlines()
    scores, costs, parameters = found.tables
    assert found.texts.count(title) == 2  # in the head and in the body
    assert " ".join(scores[0][1:]).split() == header.split()
    assert [row[0] for row in scores[1:]] == [row[0] for row in costs[1:]] == [*MODELS.values()]
    for row, line in zip(scores[1:], lines, strict=False):
        assert row == line.split()
    assert set(lines[lines.index("") + 1 :]) <= set(found.texts)
    values = {name: row for name, *row in parameters}
    for model in MODELS.values():
        report = Report.read(made[model])
        column = values["parameter"].index(model)
        chain = report.record["parameters"]
        expected = {f"{name}.{key}": str(value) for name, own in chain.items() for key, value in own.items()}
        assert {name: row[column] for name, row in values.items() if row[column]} == {"parameter": model, **expected}
        assert f"{report.work['training']['seconds']:,.1f}" in costs[1 + column]
    lineage = Comparison.read(made["comparison"]).record["lineage"]
    assert {lineage["fetch"], lineage["split"]} <= set(found.texts)


def test_the_page_needs_nothing_else(made):
    """All that it shows is in it: the figures of the comparison and of each report, in any place and without a net."""
    found = read(made["comparison"])
    prefix = "data:image/png;base64,"
    pictures = [base64.b64decode(source.removeprefix(prefix)) for source in found.values("src")]
    files = [made["comparison"] / "figures" / f"{name}.png" for name in ("comparison", "validation_curves")]
    files += [made[model] / "figures" / "confusion_matrix.png" for model in MODELS.values()]
    assert pictures == [file.read_bytes() for file in files]
    assert all(value.startswith(prefix) for value in found.values("src"))
    assert all(attributes.get("alt") for tag, attributes in found.elements if tag == "img")
    assert {tag for tag, _ in found.elements}.isdisjoint({"a", "link", "script", "iframe", "base", "form"})
    text = (made["comparison"] / "comparison.html").read_text()
    assert "url(" not in text and "@import" not in text and "://" not in text


def test_the_same_reports_make_the_same_page(made, tmp_path):
    given = {"reports": [made[model] for model in MODELS.values()]}
    for name in ("first", "second"):
        step.run("compare", {**given, "comparison": tmp_path / name}, PARAMETERS["compare"], "edges")
    pages = {(folder / "comparison.html").read_bytes() for folder in (tmp_path / "first", tmp_path / "second")}
    assert pages == {(made["comparison"] / "comparison.html").read_bytes()}


NASTY = """</title></style><script>alert("1")</script><img src=x onerror='alert(2)'> & {{ 7 * 7 }} {% raw %}"""


def test_any_name_is_shown_as_it_is(made, tmp_path):
    """Names of classes, parameters and recipes come from people."""
    shutil.copytree(made["top"], tmp_path / "top")
    record = json.loads((tmp_path / "top" / "artifact.json").read_text())
    record["facts"]["classes"] = [NASTY, *CLASSES]
    record["parameters"]["train_top"][NASTY] = NASTY
    (tmp_path / "top" / "artifact.json").write_text(json.dumps(record))
    step.run("compare", {"reports": [tmp_path / "top"], "comparison": tmp_path / "comparison"}, {}, NASTY)
    found = read(tmp_path / "comparison")
    assert {tag for tag, _ in found.elements} == {tag for tag, _ in read(made["comparison"]).elements}
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert f"4: {NASTY}, {', '.join(CLASSES)}" in found.texts
    assert [f"train_top.{NASTY}", NASTY] in found.tables[-1]
    assert found.texts.count(f"{NASTY}: 12 test images") == 2


@pytest.mark.parametrize("known", [("top",), ("benchmark", "fine_tuned")])
def test_models_link_to_their_runs_where_these_are_known(made, tmp_path, known):
    shutil.copytree(made["comparison"], tmp_path / "comparison")
    named = {model: Report.read(made[model]) for model in MODELS.values()}
    comparison = Comparison.read(tmp_path / "comparison")
    scores = comparison.table("comparison.csv").set_index("model")
    runs = {model: f"http://127.0.0.1/#/experiments/1/runs/{model}" for model in known}
    page.write(comparison, named, "edges", comparing.shown(scores), "", [], runs)
    assert set(read(tmp_path / "comparison").values("href")) == set(runs.values())
