"""One epoch of fine-tuning with frozen first layers: the whole network's forward pass, or stored tensors."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from statistics import median

from benchmarks import here, plain
from benchmarks.measuring import Aim, Bench, Line
from benchmarks.studies import QUICK, Study, prepare, studies_to_measure
from pipeline.running import find_output


def measure(bench: Bench) -> Iterator[Line]:
    """Yield a line for each study: images a second of fine-tuning both ways, and their ratio divided by the floor's."""
    for study in studies_to_measure(bench):
        floor = bench.plain(floor_of, study)
        size = bench.pick(study.size, QUICK)
        peers, own = time_fine_tuning(bench, study)
        peer, ours = 1 / median(peers), size[0] / median(one.training for one in own)
        ratio = ours / peer
        yield Line(
            "fine_tuning", f"{study.application} from {study.first}, {study.recipe}", peer, ours, "images/s",
            f"{ratio:.1f}x, {ratio / floor:.2f} of the {floor:.1f}x that multiply-adds allow",
            ratio / floor, Aim(0.8, "of the floor"),
            {"ratio": ratio, "floor": floor, "plain_seconds_an_image": peers, "here": [asdict(one) for one in own]},
        )  # fmt: skip


@cache
def time_fine_tuning(bench: Bench, study: Study) -> tuple[list[float], list[here.Training]]:
    """Fine-tune a study both ways in turns; return lists by turn: the plain way's seconds an image, our `Training`."""
    size = bench.pick(study.size, QUICK)
    tasks, _ = prepare(bench, study, size)
    task = find_output(tasks, "classifier", "fine_tuned").task
    optimizer, batch = task.values["optimizer"], task.values["batch_size"]
    arguments = (study.application, 224, study.first, study.classes, optimizer, batch)
    peers, own = [], []
    for _ in range(bench.pick(2, 1)):
        peers.append(bench.plain(plain.fine_tuning_seconds, *arguments, bench.pick(max(1, 32 // batch), 1)))
        own.append(bench.here(here.time_training, task, bench.folder, bench.pick(4, 2)))
    return peers, own


def floor_of(study: Study) -> float:
    """Return how many times more multiply-adds a training step has on the whole network than on stored tensors."""
    import keras

    from benchmarks.multiply_adds import floor

    network = getattr(keras.applications, study.application)
    return floor(network(weights=None, include_top=False, input_shape=(224, 224, 3)), study.first)
