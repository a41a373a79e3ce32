"""Successive halving of candidates under a clock: each rung costs more, and fewer candidates reach it.

Who goes on is decided by scores alone, so that the same images give the same choice; the clock only ends it.

Source: Jamieson and Talwalkar, arXiv 1502.07943.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from components.data.artifacts import Classifier, Images, Probe, Splits
from components.data.records import Record
from components.machinery import running as steps
from components.system.errors import UserError
from pipeline.arranging import RECORD, Output, Task, tasks_to_make
from pipeline.candidates import CUTS, Candidate, CandidateTasks, count_parts
from pipeline.places import path_of
from pipeline.running import artifact_paths, note_path, run_tasks

HEAD, FINE_TUNED = "head", "fine-tuned"
BEATEN, CLOCK = "beaten", "out of time"
SCORES = ("log_loss", "kappa", "accuracy")
BACKWARD = 3  # how many times as long as a prediction a step of training takes
OWN = ("embed", "probe", "augment", "extract", "train_top", "fine_tune")  # steps whose time is a candidate's
SAME_TIME = 0.1  # share by which measured times may differ that are called the same
HEAD_SECONDS = 10  # that a head takes, before one was trained


@dataclass
class Trial:
    """How far a candidate came.

    Args:
        network: The network.
        image_size: Pixels a side.
        course: Of each rung that it reached the `rung`, the training images, and the scores on validation.
        cut: What fine-tuning begins from, if it came so far.
        seconds: What all that took, as records say.
        seconds_per_image: Of its features, of one image, decoding included.
        parameters: Of the backbone.
        megabytes: Of memory that the backbone needs for one image.
        ended: Why it went no further: `beaten`, `out of time`, or an error; empty for who has gone through all rungs.
    """

    network: str
    image_size: int
    course: list[dict[str, Any]] = field(default_factory=list)
    cut: str = ""
    seconds: float = 0.0
    seconds_per_image: float = 0.0
    parameters: int = 0
    megabytes: float = 0.0
    ended: str = ""

    @property
    def candidate(self) -> Candidate:
        """The network and the image size that the trial is of, as a Candidate."""
        return Candidate(self.network, self.image_size)

    @property
    def standing(self) -> tuple[int, float]:
        """Key that sorts the best first: minus the number of rungs reached, and the log loss on the last, or 0.0."""
        return -len(self.course), self.course[-1]["log_loss"] if self.course else 0.0

    def is_dominated_by(self, other: "Trial") -> bool:
        """Return whether `other` is no worse in log loss, time, memory, weights, better in one; or self has no score.

        The log loss is that of the last rung that both reached; times an image within a tenth are the same. A candidate
        without a score dominates none that has one.
        """
        rungs = min(len(self.course), len(other.course))
        if not rungs:
            return not self.course
        gains = [
            self.course[rungs - 1]["log_loss"] - other.course[rungs - 1]["log_loss"],
            self.megabytes - other.megabytes,
            self.parameters - other.parameters,
            self.seconds_per_image - other.seconds_per_image,
        ]
        if abs(gains[-1]) <= SAME_TIME * self.seconds_per_image:
            gains[-1] = 0.0
        return min(gains) >= 0 and max(gains) > 0


class Clock:
    """A budget, and how estimates compare with what work took.

    Args:
        seconds: The budget, from now on.
    """

    def __init__(self, seconds: float):
        self.seconds, self.start = seconds, perf_counter()
        self.past: dict[str, list[tuple[float, float]]] = {}  # by kind of work, estimates and what it took

    @property
    def spent(self) -> float:
        """Seconds since the clock was made."""
        return perf_counter() - self.start

    def allows(self, kind: str, estimate: float) -> bool:
        """Return whether work would end within the budget, its estimated seconds corrected by past work of its kind."""
        return self.spent + self.correct(kind, estimate) < self.seconds

    def correct(self, kind: str, estimate: float) -> float:
        """Return an estimate in seconds, mended by past work of its kind: excess added or saving scaled, the most.

        What took longer than estimated had seconds more, such as to build a network; what took less was a share of it.
        """
        past = self.past.get(kind, [(1.0, 1.0)])
        return max(estimate + taken - old if taken >= old else estimate * taken / old for old, taken in past)

    def note(self, kind: str, estimate: float, seconds: float) -> None:
        """Keep an estimate of a kind of work and what it took, by which `correct` mends later ones of that kind."""
        self.past.setdefault(kind, []).append((estimate, seconds))


def half(trials: Sequence[Trial]) -> int:
    """Return how many are half of some candidates, rounded up."""
    return (len(trials) + 1) // 2


class Halving:
    """A search over candidates.

    Args:
        tasks: The tasks that try them.
        candidates: What is tried.
        finalists: How many are trained.
        hours: The budget.
        home: Folder in which `artifacts/` and `data/` lie.
    """

    def __init__(
        self, tasks: CandidateTasks, candidates: Sequence[Candidate], finalists: int, hours: float, home: Path = Path()
    ):
        self.tasks, self.finalists, self.home = tasks, finalists, home
        self.trials = [Trial(*candidate) for candidate in candidates]
        self.clock = Clock(3600 * hours)
        self.probing = 0.0  # seconds an image that scoring features took at most
        self.done: dict[Candidate, dict[str, Task]] = {one: {} for one in candidates}  # own tasks, by identity

    def run(self) -> list[Trial]:
        """Try the candidates and return all their Trials, the best first: furthest rung, then lowest log loss on it.

        Raises:
            UserError: The data set is refused.
        """
        shared = {key: self.tasks.output(self.trials[0].candidate, key) for key in ("images", "splits")}
        run_tasks(tasks_to_make(shared["splits"]), self.home)
        self.files = len(Images.read(self.home / path_of(shared["images"])).table("images.csv"))
        splits = Splits.read(self.home / path_of(shared["splits"]))
        self.train_images, self.parts = len(splits.part("train")), count_parts(splits)
        for network in dict.fromkeys(trial.network for trial in self.trials):
            self._fetch_weights([trial for trial in self.trials if trial.network == network])
        alive = self.trials
        for part in range(len(self.parts)):
            for trial in sorted(alive, key=lambda one: self._seconds_per_image(one) or one.image_size):
                self._probe(trial, part)
            is_last = part + 1 == len(self.parts)
            alive = self._best(alive, self.finalists if is_last else max(self.finalists, half(alive)))
        for trial in alive:
            self._train(trial, "top", HEAD, CUTS[:1])
        for trial in self._best(alive, half(alive)):
            self._train(trial, "fine_tuned", FINE_TUNED, CUTS)
        return sorted(self.trials, key=lambda one: one.standing)

    def _fetch_weights(self, trials: Sequence[Trial]) -> None:
        """Bring in the weights of the candidates of one network, or note in all of them why there are none."""
        for trial in trials[:1]:
            self._run(trial, "weights", 0.0, self.tasks.output(trial.candidate, "weights"))
        for trial in trials:
            trial.ended = trials[0].ended

    def _best(self, alive: Sequence[Trial], keep: int) -> list[Trial]:
        """Return the best of the trials with a score, `keep` at most, best first; mark other scored ones beaten."""
        ranked = sorted((one for one in alive if one.course), key=lambda one: one.standing)
        for trial in ranked[keep:]:
            trial.ended = trial.ended or BEATEN
        return ranked[:keep]

    def _probe(self, trial: Trial, part: int) -> None:
        """Score a candidate by its features of all parts up to `part`, or note in its trial why that failed."""
        task = self.tasks.probe(trial.candidate, part)
        if self._run(trial, "probed", self._seconds_per_image(trial), task.outputs["probe"]):
            probe = Probe.read(self.home / path_of(task.outputs["probe"]))
            rung = {"rung": probe.facts.method, "train_images": probe.facts.train_images}
            self._add_rung(trial, rung, vars(probe.facts))
            embedding = self._record(self.tasks.embed(trial.candidate, part)).work["embedding"]
            probing = self._record(task).work["probing"]
            self.probing = max(self.probing, probing["seconds"] / probing["images"])
            trial.seconds_per_image = embedding["seconds"] / embedding["images"]
            trial.parameters = probe.facts.network_parameters
            trial.megabytes = round(probe.facts.network_bytes / 1e6, 1)

    def _train(self, trial: Trial, model: str, rung: str, cuts: Sequence[str]) -> None:
        """Train a model of a candidate, by each of several cuts, as far as the clock allows it; the best one counts."""
        for cut in cuts:
            output = self.tasks.output(trial.candidate, "classifier", model, cut)
            if not self._run(trial, rung, self._seconds_per_image(trial), output):
                return
            facts = Classifier.read(self.home / path_of(output)).facts
            is_new = trial.course[-1]["rung"] != rung
            if is_new or facts.validation_log_loss < trial.course[-1]["log_loss"]:
                trial.course = [one for one in trial.course if one["rung"] != rung]
                self._add_rung(trial, {"rung": rung, "train_images": self.train_images}, vars(facts))
                trial.cut = cut if rung == FINE_TUNED else ""

    def _run(self, trial: Trial, kind: str, prediction: float, output: Output) -> bool:
        """Make what an output lacks and return True; or False if the trial has ended, or ends here by clock or error.

        Why it ended is noted in the trial.

        Args:
            trial: The candidate.
            kind: Of the work, for the clock.
            prediction: Seconds that the features of an image take.
            output: What is to be there.
        """
        if trial.ended:
            return False
        unfinished = self._unfinished(output.task)
        estimate = sum(self._estimate(task, prediction) for task in unfinished)
        if unfinished and not self.clock.allows(kind, estimate):
            trial.ended = CLOCK
            return False
        start = self.clock.spent
        try:
            run_tasks(tasks_to_make(output), self.home)
        except UserError as error:
            trial.ended = str(error)
            print(f"choose: {trial.candidate}: {error}")
            return False
        if unfinished:
            self.clock.note(kind, estimate, self.clock.spent - start)
        done = self.done[trial.candidate]
        done |= {task.identity: task for task in tasks_to_make(output) if task.step in OWN}
        trial.seconds = round(sum(map(self._seconds, done.values())), 1)
        return True

    def _add_rung(self, trial: Trial, rung: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Add a rung that a candidate has reached, with the scores on validation that facts have, and print it."""
        scores = {name: round(facts[f"validation_{name}"], 6) for name in SCORES}
        trial.course.append({**rung, **scores})
        print(
            f"choose: {trial.candidate}: {rung['rung']}, {rung['train_images']:,} training images: "
            f"log loss {scores['log_loss']:.3f}, accuracy {scores['accuracy']:.3f}"
        )

    def _unfinished(self, task: Task) -> list[Task]:
        """Return those tasks, of a task and all behind it, that are not up to date or go back to one that is not."""
        unfinished: list[Task] = []
        for one in tasks_to_make(next(iter(task.outputs.values()))):
            behind = {output.task for several in one.inputs.values() for output in several}
            if behind & {*unfinished} or not self._is_up_to_date(one):
                unfinished.append(one)
        return unfinished

    def _is_up_to_date(self, task: Task) -> bool:
        """Return whether a task's outputs are there, from the same inputs, values and code."""
        return steps.is_up_to_date(task.step, artifact_paths(task, self.home), task.values, note_path(task, self.home))

    def _record(self, task: Task) -> Record:
        """Return the record of a task's last run."""
        return Record.read(self.home / path_of(task.outputs[RECORD]))

    def _seconds(self, task: Task) -> float:
        """Return the sum of the seconds of the long computations of a task's last run, as its record says."""
        return sum(work["seconds"] for work in self._record(task).work.values())

    def _seconds_per_image(self, trial: Trial) -> float:
        """Return the seconds of an image's features: as measured, else by pixels from others; 0.0 if none was measured.

        The others are those of its network at another size, or else all; of several the slowest counts.
        """
        if trial.seconds_per_image:
            return trial.seconds_per_image
        known = [one for one in self.trials if one.seconds_per_image]
        alike = [one for one in known if one.network == trial.network] or known
        return max((one.seconds_per_image * (trial.image_size / one.image_size) ** 2 for one in alike), default=0.0)

    def _estimate(self, task: Task, prediction: float) -> float:
        """Return a task's estimated seconds, given those of an image's features; 10 for `train_top`, 0 for other steps.

        Others are those that compute no features, such as `split`.
        """
        if task.step == "embed":
            return self.parts[task.values["part"]] * prediction
        if task.step == "probe":
            return self.probing * sum(self.parts[: len(task.inputs["embeddings"])])
        if task.step in ("augment", "extract"):
            views = 1 + self.tasks.augment["views"]
            return self.files * prediction * (views if task.step == "extract" else 1)
        if task.step == "fine_tune":
            return task.values["epochs"] * self.train_images * BACKWARD * prediction
        return HEAD_SECONDS if task.step == "train_top" else 0.0
