"""Model soups: one model whose weights are the mean of those of several runs from the same start."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from components.model import optimizers, runtime, training
from components.model.assembly import Untrained
from components.model.prediction import inference_graph
from components.model.settings import FineTuning
from components.model.training import LogEpoch, TrainingResult
from components.scores.selective import join_candidates


def train_soup(
    name: str,
    assemble: Callable[[], Untrained],
    settings: FineTuning,
    log_epoch: LogEpoch,
    resume: Path,
    strategy: tf.distribute.Strategy,
) -> tuple[Untrained, TrainingResult, int]:
    """Train runs from one start; return the mean of the best, a result with all their epochs, and how many it averages.

    The runs differ in their seeds. The best on validation is taken first; each other one, from the better to the worse,
    is averaged in if validation's score does not become worse by it.

    Args:
        name: What the progress bars are called.
        assemble: Returns the model as it is before each run.
        settings: How to train; the first run's seed is theirs, those of the others are made from it.
        log_epoch: As `training.train` takes it; the epochs of the runs are numbered on.
        resume: Folder for the states of the runs, which go on from there.
        strategy: On which devices; its scope is not to be open.

    Returns:
        The model with its layers and rows; what its training came to: the epochs of all runs, the best run's best
        epoch, the logits of the mean; and how many runs it is the mean of.

    Source: Wortsman et al., Model soups, arXiv 2203.05482, the greedy one.

    Raises:
        UserError: As of `training.train`.
    """
    results, weights, past = [], [], 0
    for number, seed in enumerate(seeds_of_runs(settings.seed, settings.soup)):

        def log_after(epoch: int, row: dict[str, float], past: int = past) -> None:
            log_epoch(past + epoch, row)

        changed, state = replace(settings, seed=seed), resume / f"run={number + 1}" if number else resume
        runtime.set_seed(seed)
        with strategy.scope():
            untrained = assemble()
            result = training.train(
                name, untrained.model, untrained.split_rows, changed, log_after, state, untrained.head
            )
        past += len(result.history)
        results.append(result)
        weights.append([variable.numpy() for variable in untrained.model.trainable_variables])
    column, sign = optimizers.MONITORS[settings.monitor]
    scores = [sign * result.history[column][result.best_epoch - 1] for result in results]
    first, *others = sorted(range(len(results)), key=lambda number: -scores[number])
    members, score, logits = [first], scores[first], results[first].logits
    validation = untrained.split_rows[1]
    infer = inference_graph(untrained.model, validation.array.shape[2:], validation.array.dtype)
    for number in others:
        assign_mean(untrained, [weights[member] for member in [*members, number]])
        row, mean_logits, _ = training.validate(untrained.model, infer, validation, past)
        if sign * row[column] >= score:
            members, score, logits = [*members, number], sign * row[column], mean_logits
    if others:
        assign_mean(untrained, [weights[member] for member in members])
        print(f"{name}: a soup of {len(members)} of {len(results)} runs, {column} {sign * score:.4f} against "
              f"{sign * scores[first]:.4f} of the best run alone")  # fmt: skip
    history = pd.concat([result.history for result in results], ignore_index=True)
    history["epoch"] = np.arange(1, len(history) + 1)
    best_epoch = sum(len(result.history) for result in results[:first]) + results[first].best_epoch
    seconds = sum(result.training_seconds for result in results)
    candidates = join_candidates([result.candidates for result in results])
    return untrained, TrainingResult(history, best_epoch, logits, seconds, candidates), len(members)


def seeds_of_runs(seed: int, runs: int) -> list[int]:
    """Return a list of seeds, one for each run: `seed` itself first, then others that are derived from it."""
    return [seed, *(int(np.random.SeedSequence((seed, run)).generate_state(1)[0]) for run in range(1, runs))]


def assign_mean(untrained: Untrained, weights: list[list[np.ndarray]]) -> None:
    """Set the trained weights of a model to the mean of those of several runs, each a list in the model's order."""
    for variable, values in zip(untrained.model.trainable_variables, zip(*weights, strict=True), strict=True):
        variable.assign(np.mean(values, axis=0))
