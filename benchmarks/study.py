"""A study's transfer part, from its images to the scores of its models: its own script, or this project's steps.

Both are timed on some of the images and then reckoned for all of them and for all epochs, which are alike: what grows
with the images by its seconds an image, what grows with the epochs by its seconds an epoch; the rest is as it was.
"""

from collections.abc import Iterator
from statistics import median

from benchmarks import heads, here, plain
from benchmarks.fine_tuning import fine_tuned
from benchmarks.measuring import Aim, Bench, Line, Worker
from benchmarks.studies import QUICK, SMALL, VIEWS, Study, chosen, prepared, views
from pipeline.arranging import tasks_to_make
from pipeline.running import find_output


def measure(bench: Bench) -> Iterator[Line]:
    start = median(here.starting_keras() for _ in range(3))
    for study in chosen(bench):
        peer, own = plain_seconds(bench, study), here_seconds(bench, study)
        own["processes"] = start * processes(bench, study)
        total, ours = sum(peer.values()), sum(own.values())
        train, validation, test = study.images
        case = f"{study.recipe}, {train:,} / {validation} / {test} images, {study.epochs[0]} + {study.epochs[1]} epochs"
        yield Line(
            "study", case, total, ours, "s, reckoned", f"{total / ours:.1f}x", total / ours, Aim(4, "times as fast"),
            {"plain_seconds": peer, "here_seconds": own},
        )  # fmt: skip


def plain_seconds(bench: Bench, study: Study) -> dict[str, float]:
    """Return the seconds of each part of the study's script; reading and augmenting images is left out."""
    train, validation, test = study.images
    top, fine = study.epochs
    peers, _ = fine_tuned(bench, study)
    predict = bench.plain(plain.prediction, study.application, 224, 32)
    found = {"fine-tuning": fine * (train * median(peers) + validation * predict), "test": test * predict}
    if study.head:
        found["test"] *= 2  # a model each
    if study.head == "network":
        batch = study.resolved.values["train_top"]["batch_size"]
        epoch = bench.plain(plain.fine_tuning, study.application, 224, "", study.classes, "adam", batch, 1)
        found["head"] = top * (train * epoch + validation * predict)
    if study.head == "features":
        task, *parts = heads.prepared(bench, study)
        given = [task.values[name] for name in ("optimizer", "learning_rate", "dropout", "batch_size")]
        found["features"] = (train + validation) * predict
        found["head"] = top * bench.plain(plain.heads, *parts, *given, bench.pick(10, 2))
    return found


def here_seconds(bench: Bench, study: Study) -> dict[str, float]:
    """Return the seconds of each step."""
    train, _, test = study.images
    top, fine = study.epochs
    size = bench.pick(study.size, QUICK)
    work, taken = zip(*(scored(bench, study, one) for one in (SMALL, size)), strict=True)
    found = {}
    made, wanted = 1 + min(VIEWS, views(study)), 1 + views(study)
    rows = {
        "augment": (made * sum(SMALL), made * sum(size), wanted * sum(study.images)),
        "extract": (made * sum(SMALL), made * sum(size), wanted * sum(study.images)),
        "evaluate": (SMALL[2], size[2], test),
    }
    for name, (few, more, every) in rows.items():
        a_row = (work[1][name] - work[0][name]) / (more - few)
        found[name] = taken[1][name] + (every - more) * a_row
    found["evaluate"] *= 2
    task, *_ = heads.prepared(bench, study)
    with Worker() as alone:  # as the step is: before TensorFlow begins it says how many threads there are
        head = alone(here.training, task, bench.folder, bench.pick(10, 2))
    found["train_top"] = taken[1]["train_top"] + top * head.epoch
    _, own = fine_tuned(bench, study)
    epoch = median(one.epoch for one in own) * train / size[0]
    found["fine_tune"] = median(one.start for one in own) + fine * epoch
    return found


def scored(bench: Bench, study: Study, size: tuple[int, int, int]) -> tuple[dict[str, float], dict[str, float]]:
    """Evaluate a study's head; return what the steps say they worked for, and what they took, in seconds."""
    tasks, taken = prepared(bench, study, size)
    report = find_output(tasks, "report", "top")
    taken = {**taken, "evaluate": bench.here(here.seconds, report.task, bench.folder)}
    costs = here.costs_of(report, bench.folder)
    names = {"augment": "augmentation", "extract": "extraction", "evaluate": "evaluation"}
    return {name: costs[f"seconds_{work}"] for name, work in names.items()}, taken


def processes(bench: Bench, study: Study) -> int:
    """Return how many processes the steps start from the images' views to the reports on both models."""
    tasks, _ = prepared(bench, study, SMALL)
    before = {*tasks_to_make(find_output(tasks, "splits")), *tasks_to_make(find_output(tasks, "weights"))}
    wanted = {task for model in ("top", "fine_tuned") for task in tasks_to_make(find_output(tasks, "report", model))}
    return len(wanted - before)
