"""Training a head on stored features: Keras's `fit` on arrays in memory, or `train_top`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import here, plain, synthetic
from benchmarks.measuring import Aim, Bench, Line, Worker
from benchmarks.studies import STUDIES, Study, split_into
from pipeline.arranging import Task, tasks_to_make
from pipeline.collection import RANDOM
from pipeline.running import artifact_paths, find_output, run_tasks

if TYPE_CHECKING:
    import numpy as np

    Part = tuple[np.ndarray, np.ndarray]

EPOCHS = 200
SIZES = {"kth_animals": (1460, 138, 140), "groceries": (4947, 500, 25)}  # images that train, validate, test
UNMOVED = 1e-30  # a learning rate so low that weights stay as they were drawn


def measure(bench: Bench) -> Iterator[Line]:
    """Yield two lines a study: the seconds of 200 epochs of a head both ways, and how far apart losses are at most.

    The distance of the losses is relative to this project's, epoch by epoch.
    """
    for study in [replace(one, images=SIZES[one.recipe]) for one in STUDIES if one.recipe in SIZES]:
        task, train, validation = prepare(bench, study)
        arguments = [task.values[name] for name in ("optimizer", "learning_rate", "dropout", "batch_size")]
        epochs = bench.pick(40, 5)
        peers, own = [], []
        with Worker() as alone:  # as the step is: before TensorFlow begins it says how many threads there are
            for _ in range(bench.pick(3, 1)):
                peers.append(bench.plain(plain.head_seconds, train, validation, *arguments, epochs))
                own.append(alone(here.time_training, task, bench.folder, bench.pick(EPOCHS, 5)))
        peer, ours = (EPOCHS * median(side) for side in (peers, [one.epoch for one in own]))
        losses = losses_of(bench, task, train, bench.pick(20, 3))
        apart = max(abs(one - other) / other for one, other in zip(*losses, strict=True))
        case = f"{len(train[0]):,} x {train[0].shape[1]:,}, {study.classes} classes, {study.recipe}"
        details = {"ratio": peer / ours, "plain_seconds_an_epoch": peers, "here": [asdict(one) for one in own]}
        yield Line(
            "heads", case, peer, ours, "s", f"{peer / ours:.1f}x", peer / ours, Aim(10, "times as fast"), details
        )
        yield Line(
            "heads", f"{case}: loss of epoch {len(losses[0])}, no dropout", losses[0][-1], losses[1][-1], "",
            f"{apart:.1e} apart in any epoch", apart, Aim(1e-3, "apart, relative", most=True), {"losses": losses},
        )  # fmt: skip


@cache
def prepare(bench: Bench, study: Study) -> "tuple[Task, Part, Part]":
    """Make a study's features; return the task of a head on them, and (features, labels) of training and validation.

    They are made by the steps, from small images that cost no time, and then filled with what trained networks give.
    """
    source = bench.folder / "sources" / f"{study.recipe}-heads-{sum(study.images)}"
    synthetic.photographs(source, sum(study.images), 32, study.classes)
    entries = {"split": split_into(study.images), "augment": {"image_size": 32, "views": 0}}
    tasks = here.tasks_of(study.recipe, source, RANDOM + study.backbone, entries)
    head = find_output(tasks, "top")
    bench.here(run_tasks, tasks_to_make(head)[:-1], bench.folder)
    train, validation = bench.here(fill, artifact_paths(head.task, bench.folder))
    return head.task, train, validation


def fill(at: Mapping[str, Path]) -> "tuple[Part, Part]":
    """Overwrite stored features with made-up ones; return (features, class numbers) of training and of validation."""
    import numpy as np

    from components.data.artifacts import Features, Splits
    from components.model import assembly

    features, splits = Features.read(at["features"]), Splits.read(at["splits"])
    split_rows = assembly.rows_of_splits(features, splits)
    array = np.load(features.path / features.array_name, mmap_mode="r+")
    for rows in split_rows:
        array[rows.rows, 0] = synthetic.features(rows.labels, array.shape[-1]).astype(array.dtype)
    array.flush()
    features.write_manifest()
    train, validation = ((array[rows.rows, 0].astype(np.float32), rows.labels) for rows in split_rows)
    return train, validation


def losses_of(bench: Bench, task: Task, train: "Part", epochs: int) -> tuple[list[float], list[float]]:
    """Return the training loss of each epoch, of the plain way and of ours, from the same weights, without dropout."""
    bare = here.with_values(task, dropout=0.0, patience=epochs)
    weights, orders, losses = bench.here(train_losses, bare, bench.folder, epochs)
    arguments = [task.values[name] for name in ("optimizer", "learning_rate", "batch_size")]
    return bench.plain(plain.head_losses, train, orders, weights, *arguments), losses


def train_losses(task: Task, home: Path, epochs: int) -> "tuple[list[np.ndarray], list[np.ndarray], list[float]]":
    """Train a head; return its weights before, the order of the rows in each epoch, and each epoch's training loss."""
    from components.data.artifacts import Classifier, Features, Splits, Top
    from components.model import assembly

    at = artifact_paths(task, home)
    here.time_task(here.with_values(task, epochs=1, learning_rate=UNMOVED), home)
    weights = Top.read(at["top"]).load(Features.read(at["features"]).array.shape[2:]).get_weights()
    here.time_task(here.with_values(task, epochs=epochs), home)
    rows, _ = assembly.rows_of_splits(Features.read(at["features"]), Splits.read(at["splits"]))
    orders = [rows.epoch_order(task.values["seed"], epoch)[0] for epoch in range(epochs)]
    return weights, orders, Classifier.read(at["classifier"]).table("history.csv")["loss"].tolist()
