"""The certificate of a written file: what it is, by which rule it was kept, and what it scored on the test split.

It reports and decides nothing: whether a file is kept is decided before, on other images.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from components.data.artifacts import Classifier, Report
from components.data.content import file_sha256
from components.model.exporting import RULES, Agreement
from components.model.written import FORMATS, WrittenNetwork
from components.results.failures import class_numbers
from components.results.texts import markdown, with_interval
from components.results.titles import model_title
from components.scores import metrics
from components.scores.proportions import independent_units, sign_flip_p
from components.scores.registry import MAIN, SCORES
from components.system.errors import fold_words

HEADING = "## The file"  # and its name, on a card
TIMED, WARM_UP = 200, 3  # images that are timed one by one at most, and runs before that


@dataclass(frozen=True)
class Certificate:
    """What is known of a written file: `NAME.certificate.json` beside it.

    Args:
        file: Its `name`, `sha256`, `bytes`, `format` and `precision`.
        model: What it was written from: `title`, `data_set`, `digest`, `sha256` and `bytes` of its file.
        rule: By which it was kept: `words`, what it was judged `on`, and the Agreement found there.
        calibration_images: Training images from which int8 learned its ranges; 0 for none.
        milliseconds: For one image at a time on `machine`: `median`, `p95`, and how many `images` were timed.
        machine: System, processor, cores and GPUs; the file runs on the processor.
        test: What `test_results` returns; None where no test split was there.
        looks: How many models and files have been scored on that test split; None where the journal does not say.
    """

    file: Mapping[str, Any]
    model: Mapping[str, Any]
    rule: Mapping[str, Any]
    calibration_images: int
    milliseconds: Mapping[str, float]
    machine: Mapping[str, Any]
    test: Mapping[str, Any] | None = None
    looks: int | None = None

    def json(self) -> str:
        """Return the certificate as the text of a JSON file, its arguments by name."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        """Return the certificate in sentences, for a person."""
        file, rule, agreement = self.file, self.rule, self.rule["found"]
        lines = [
            f"kept, as on {agreement['images']:,} images ({rule['on']}) {rule['words']}: a probability differs by "
            f"{agreement['difference']:.2g} at most, {agreement['changed']} change class, the log loss rises by "
            f"{agreement['divergence']:.2g} nats"
        ]
        if self.test is None:
            lines.append("not scored on test images, as no test split is here")
        else:
            scores, mcnemar, changed = self.test["scores"], self.test["mcnemar"], self.test["changed"]
            score_text = ", ".join(
                f"{SCORES[name].title} {with_interval(scores[name]['file'], *scores[name]['interval'])} "
                f"(the model's {scores[name]['model']:.3f})"
                for name in MAIN
            )
            lines.append(f"{self.test['images']:,} test images, scored once, which decided nothing: {score_text}")
            names = f" ({fold_words([row['file'] for row in changed], 4)})" if changed else ""
            lines.append(
                f"{len(changed)} test images change class{names}; {mcnemar['model_alone']} only the model has right, "
                f"{mcnemar['file_alone']} only the file: McNemar's p = {mcnemar['p']:.2g}"
            )
        looks = "unknown: the journal is off or does not answer" if self.looks is None else str(self.looks)
        lines += [f"models and files scored on this test split so far: {looks}"] * (self.test is not None)
        times = self.milliseconds
        lines.append(
            f"{file['bytes'] / 1e6:.2f} MB ({self.model['bytes'] / 1e6:.2f} the model's); {times['median']:.2f} ms an "
            f"image, the 95th percentile {times['p95']:.2f} (one by one, {times['images']} images, "
            f"{self.machine['processor']})"
        )
        return lines

    def card_section(self) -> str:
        """Return the section of a model card on the file, as Markdown."""
        file, model = self.file, self.model
        digests = {file["name"]: file["sha256"], f"the model, {model['title']}": model["sha256"]}
        shas = [f"- sha256 of {markdown(name)}: `{sha}`" for name, sha in digests.items()]
        title = f"{FORMATS[file['format']].title}, {file['precision']}"
        heading = f"{HEADING} {markdown(file['name'])}"
        return "\n".join([heading, "", f"- {title}", *shas, *(f"- {markdown(line)}" for line in self.lines())])


def file_facts(name: str, classifier: Classifier) -> dict[str, Any]:
    """Return the `name` given, `sha256`, `bytes`, `format` and `precision` of a written file, a classifier's."""
    facts, file = classifier.facts, classifier.file
    digest, size = file_sha256(file), file.stat().st_size
    kind = {"format": facts.file_format, "precision": facts.file_precision}
    return {"name": name, "sha256": digest, "bytes": size, **kind}


def model_facts(classifier: Classifier) -> dict[str, Any]:
    """Return `title`, `data_set`, `digest`, and `sha256` and `bytes` of the file of a classifier."""
    file = classifier.file
    digest, size = file_sha256(file), file.stat().st_size
    named = {"title": model_title(classifier), "data_set": classifier.facts.data_set, "digest": classifier.digest}
    return {**named, "sha256": digest, "bytes": size}


def rule_facts(agreement: Agreement, precision: str, on: str) -> dict[str, Any]:
    """Return the rule of a precision in `words`, what the file was judged `on`, and what was `found` there."""
    return {"words": str(RULES[precision]), "on": on, "found": asdict(agreement)}


def time_images(network: WrittenNetwork, pixels: np.ndarray) -> dict[str, float]:
    """Return `median` and `p95` of the milliseconds that a file takes for one image, and the number of `images`.

    Args:
        network: The file.
        pixels: Images, uint8 (n, size, size, 3), of which up to `TIMED` are taken, over again where there are fewer.
    """
    seconds = []
    for number in range(-WARM_UP, TIMED):
        image = pixels[number % len(pixels)][None].astype(np.float32)
        start = perf_counter()
        network.predict_on_batch(image)
        if number >= 0:
            seconds.append(perf_counter() - start)
    median, p95 = 1000 * np.quantile(seconds, [0.5, 0.95])
    return {"median": round(float(median), 4), "p95": round(float(p95), 4), "images": len(seconds)}


def test_results(report: Report, model: np.ndarray) -> dict[str, Any]:
    """Return `images`, `test_split`, `scores`, `changed` and `mcnemar` of a file beside its model on test images.

    Args:
        report: That on the file.
        model: The model's probabilities of the same images, (n, classes), in the order of the report's predictions.

    Returns:
        `images`; `test_split`, its digest; `scores`, by name the `file`'s, its 95 % `interval`, and the `model`'s;
        `changed`, the `file`, `label`, and the class by `model` and by `written` of each image whose class changed;
        `mcnemar`, how many images the `model_alone` and the `file_alone` has right, and the exact `p`.
    """
    table, classes = report.table("predictions.csv"), report.facts.classes
    labels, written = (class_numbers(table[name], classes) for name in ("label", "predicted"))
    before, scores = model.argmax(axis=1), metrics.scores(labels, model)
    gains = (written == labels).astype(int) - (before == labels)
    unit = independent_units(table["group"].to_numpy(), len(table))
    changed = [
        {"file": row.file, "label": row.label, "model": classes[before[number]], "written": row.predicted}
        for number, row in enumerate(table.itertuples(index=False))
        if before[number] != written[number]
    ]
    return {
        "images": len(table),
        "test_split": report.facts.test_split,
        "scores": {
            name: {"file": report.metrics[name], "interval": report.intervals[name], "model": scores[name]}
            for name in SCORES
        },
        "changed": changed,
        "mcnemar": {
            "model_alone": int((gains < 0).sum()), "file_alone": int((gains > 0).sum()),
            "p": sign_flip_p(np.bincount(unit, gains).astype(int)),
        },
    }  # fmt: skip
