"""A study's transfer part, from its images to the scores of its models: its own script, or this project's steps.

Both are timed on some of the images and then reckoned for all of them and for all epochs, which are alike: what grows
with the images by its seconds an image, what grows with the epochs by its seconds an epoch; the rest is as it was.
"""

from collections.abc import Iterator
from statistics import median

from benchmarks import heads, here, plain
from benchmarks.fine_tuning import time_fine_tuning
from benchmarks.measuring import Aim, Bench, Line, Worker
from benchmarks.studies import QUICK, SMALL, VIEWS, Study, prepare, studies_to_measure, views
from pipeline.arranging import tasks_to_make
from pipeline.running import find_output


def measure(bench: Bench) -> Iterator[Line]:
    """Yield a line for each study: the seconds of the whole of it both ways, reckoned from its parts."""
    start = median(here.keras_start_seconds() for _ in range(3))
    for study in studies_to_measure(bench):
        peer, own = plain_seconds(bench, study), here_seconds(bench, study)
        own["processes"] = start * count_processes(bench, study)
        total, ours = sum(peer.values()), sum(own.values())
        train, validation, test = study.images
        case = f"{study.recipe}, {train:,} / {validation} / {test} images, {study.epochs[0]} + {study.epochs[1]} epochs"
        yield Line(
            "study", case, total, ours, "s, reckoned", f"{total / ours:.1f}x", total / ours, Aim(4, "times as fast"),
            {"plain_seconds": peer, "here_seconds": own},
        )  # fmt: skip


def plain_seconds(bench: Bench, study: Study) -> dict[str, float]:
    """Return the reckoned seconds of a study's script: `fine-tuning`, `test`, and `head` and `features` if it has them.

    Reading and augmenting images is left out.
    """
    train, validation, test = study.images
    top, fine = study.epochs
    peers, _ = time_fine_tuning(bench, study)
    predict = bench.plain(plain.prediction_seconds, study.application, 224, 32)
    seconds = {"fine-tuning": fine * (train * median(peers) + validation * predict), "test": test * predict}
    if study.head:
        seconds["test"] *= 2  # a model each
    if study.head == "network":
        batch = study.resolved.values["train_top"]["batch_size"]
        epoch = bench.plain(plain.fine_tuning_seconds, study.application, 224, "", study.classes, "adam", batch, 1)
        seconds["head"] = top * (train * epoch + validation * predict)
    if study.head == "features":
        task, *parts = heads.prepare(bench, study)
        arguments = [task.values[name] for name in ("optimizer", "learning_rate", "dropout", "batch_size")]
        seconds["features"] = (train + validation) * predict
        seconds["head"] = top * bench.plain(plain.head_seconds, *parts, *arguments, bench.pick(10, 2))
    return seconds


def here_seconds(bench: Bench, study: Study) -> dict[str, float]:
    """Return the reckoned seconds of `augment`, `extract`, `evaluate` (twice), `train_top` and `fine_tune`."""
    train, _, test = study.images
    top, fine = study.epochs
    size = bench.pick(study.size, QUICK)
    work, taken = zip(*(evaluation_seconds(bench, study, one) for one in (SMALL, size)), strict=True)
    seconds = {}
    quick_views, all_views = 1 + min(VIEWS, views(study)), 1 + views(study)
    rows = {
        "augment": (quick_views * sum(SMALL), quick_views * sum(size), all_views * sum(study.images)),
        "extract": (quick_views * sum(SMALL), quick_views * sum(size), all_views * sum(study.images)),
        "evaluate": (SMALL[2], size[2], test),
    }
    for name, (few, more, every) in rows.items():
        a_row = (work[1][name] - work[0][name]) / (more - few)
        seconds[name] = taken[1][name] + (every - more) * a_row
    seconds["evaluate"] *= 2
    task, *_ = heads.prepare(bench, study)
    with Worker() as alone:  # as the step is: before TensorFlow begins it says how many threads there are
        head = alone(here.time_training, task, bench.folder, bench.pick(10, 2))
    seconds["train_top"] = taken[1]["train_top"] + top * head.epoch
    _, own = time_fine_tuning(bench, study)
    epoch = median(one.epoch for one in own) * train / size[0]
    seconds["fine_tune"] = median(one.start for one in own) + fine * epoch
    return seconds


def evaluation_seconds(
    bench: Bench, study: Study, size: tuple[int, int, int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Run a study up to its head's report; return the seconds of computing by step, and all seconds by step.

    Those of computing are of augment, extract and evaluate alone.
    """
    tasks, taken = prepare(bench, study, size)
    report = find_output(tasks, "report", "top")
    taken = {**taken, "evaluate": bench.here(here.time_task, report.task, bench.folder)}
    costs = here.costs_of(report, bench.folder)
    names = {"augment": "augmentation", "extract": "extraction", "evaluate": "evaluation"}
    return {name: costs[f"seconds_{work}"] for name, work in names.items()}, taken


def count_processes(bench: Bench, study: Study) -> int:
    """Return how many tasks lie behind the reports on both models, without those up to the split and the weights.

    Each is a process.
    """
    tasks, _ = prepare(bench, study, SMALL)
    before = {*tasks_to_make(find_output(tasks, "splits")), *tasks_to_make(find_output(tasks, "weights"))}
    reports = [find_output(tasks, "report", model) for model in ("top", "fine_tuned")]
    return len({task for report in reports for task in tasks_to_make(report)} - before)
