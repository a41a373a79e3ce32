"""Decisions among candidates: what was tried and what came of it, kept beside params.yaml, and told."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.data.artifacts import Probe, Splits
from components.data.json_files import FORMAT, read_json, write_json
from components.scores import pairs
from components.scores.estimates import sample_of
from components.scores.proportions import ALPHA
from components.system.errors import UserError, fold_words
from pipeline.candidates import Candidate, CandidateTasks
from pipeline.halving import BEATEN, CLOCK, HEAD, Trial
from pipeline.places import path_of

FOLDER = Path("decisions")
MOST_ROWS, LONGEST = 20, 80  # rows of a table, and characters of a reason, that are printed


@dataclass
class Decision:
    """What was tried of a recipe, and what came of it.

    Args:
        recipe: The recipe.
        finalists: How many of the candidates may be chosen.
        hours: The budget.
        seconds: What of it was spent.
        trials: The candidates, the best first.
        not_worse: Those of them that cannot be told from the best by their features.
    """

    recipe: str
    finalists: int
    hours: float
    seconds: float
    trials: list[Trial]
    not_worse: list[str]

    @property
    def chosen(self) -> list[Trial]:
        """The first `finalists` of the trials that have a score, the best first; [] if none has."""
        return [one for one in self.trials if one.course][: self.finalists]

    def is_of(self, candidates: Collection[Candidate] | None, finalists: int | None) -> bool:
        """Return whether it decides among exactly these candidates, and for so many finalists; None stands for any."""
        tried = {one.candidate for one in self.trials}
        return (candidates is None or {*candidates} == tried) and finalists in (None, self.finalists)

    def write(self) -> Path:
        """Write the decision to decisions/RECIPE.json, over an earlier one, and return that path."""
        FOLDER.mkdir(exist_ok=True)
        file = decision_file(self.recipe)
        write_json(file, {"format": FORMAT, **asdict(self)})
        return file


def decision_file(recipe: str) -> Path:
    """Return decisions/RECIPE.json, the path of the decision about a recipe, whether it is there or not."""
    return FOLDER / f"{recipe}.json"


def read_decision(recipe: str) -> Decision | None:
    """Return the decision about a recipe, read from its file; None if there is no file; raise if it is damaged.

    Raises:
        UserError: The file is damaged.
    """
    file = decision_file(recipe)
    if not file.is_file():
        return None
    content = {key: value for key, value in read_json(file).items() if key != "format"}
    try:
        return Decision(**{**content, "trials": [Trial(**one) for one in content["trials"]]})
    except (KeyError, TypeError) as error:
        raise UserError(f"{file} is no decision of `graft choose` ({error}): `--anew` writes it again") from error


def find_not_worse(tasks: CandidateTasks, trials: Sequence[Trial], home: Path = Path()) -> list[str]:
    """Return the candidates but the best, `NETWORK at SIZE`, whose log loss is not significantly worse than its.

    The first is the best with a score; candidates without one are left out. Compared are the probabilities of the last
    probe that both have, at the level 0.05, corrected for their number. Images of one group, such as a person, count as
    one unit.
    """
    best, *others = [one for one in trials if one.course]
    splits = Splits.read(home / path_of(tasks.output(best.candidate, "splits")))
    table = splits.part("validation").set_index("file")

    def sample(trial: Trial, part: int) -> Any:
        probe = Probe.read(home / path_of(tasks.probe(trial.candidate, part).outputs["probe"]))
        rows = table.loc[probe.table("files.csv")["file"]]
        units = np.where(rows["group"] == "", rows.index, rows["group"])
        arrays = probe.arrays("predictions")
        return sample_of(arrays["labels"], arrays["probabilities"], pd.factorize(units)[0], ["log_loss"])

    not_worse = []
    for other in others:
        part = min(count_probes(best), count_probes(other)) - 1
        difference = pairs.difference(sample(best, part), sample(other, part), "log_loss")
        if difference.value <= 0 or difference.p_value() * len(others) >= ALPHA:
            not_worse.append(str(other.candidate))
    return not_worse


def count_probes(trial: Trial) -> int:
    """Return how many of a candidate's rungs were probes."""
    rungs = [one["rung"] for one in trial.course]
    return rungs.index(HEAD) if HEAD in rungs else len(rungs)


def describe(decision: Decision) -> str:
    """Return a decision as text: a table of scored candidates, the verdict, what stopped others, and the time spent."""
    scored = [one for one in decision.trials if one.course]
    rows = scored[:MOST_ROWS]
    lines = [pd.DataFrame(map(partial(table_row, scored), rows)).to_string(index=False)] if rows else []
    if len(scored) > len(rows):
        lines.append(f"... and {len(scored) - len(rows)} more, in {decision_file(decision.recipe)}")
    if scored:
        lines.append("\n* front: none is as good in log loss, time (to a tenth), memory and size, and better in one")
        others = "each other is worse beyond chance, by its features"
        if len(scored) == 1:
            others = "no other was scored"
        elif decision.not_worse:
            others = f"not to be told from it, by their features: {fold_words(decision.not_worse)}"
        lines.append(f"best on validation: {scored[0].candidate}; {others}")
    reasons: dict[str, list[str]] = {}
    for one in decision.trials:
        if one.ended not in ("", BEATEN):
            reasons.setdefault(one.ended, []).append(str(one.candidate))
    for reason, several in [*reasons.items()][:MOST_ROWS]:
        lines.append(f"no further: {fold_words(several, 6)}: {reason[:LONGEST]}")
    lines.append(f"{decision.seconds:,.0f} s were spent, of {3600 * decision.hours:,.0f}")
    return "\n".join(lines)


def table_row(scored: Sequence[Trial], trial: Trial) -> dict[str, str]:
    """Return the row of a scored candidate, all texts, by column: `candidate`, a star or "", `came to`, ... `ended`.

    A star has who is dominated by none of those scored. The others are `images`, `log loss`, `accuracy`, `s`,
    `ms/image`, `MB/image` and `M weights`.
    """
    last = trial.course[-1]
    return {
        "candidate": str(trial.candidate),
        "": "" if any(trial.is_dominated_by(other) for other in scored) else "*",
        "came to": last["rung"],
        "images": f"{last['train_images']:,}",
        "log loss": f"{last['log_loss']:.3f}",
        "accuracy": f"{last['accuracy']:.3f}",
        "s": f"{trial.seconds:,.1f}",
        "ms/image": f"{1000 * trial.seconds_per_image:.3g}",
        "MB/image": f"{trial.megabytes:,.0f}",
        "M weights": f"{trial.parameters / 1e6:,.2f}",
        "ended": trial.ended if trial.ended in ("", BEATEN, CLOCK) else "error",
    }
