"""Whether `graft choose` comes to what training every candidate comes to, and in which share of the time.

    python -m benchmarks.choosing RECIPE [--networks NAME ...] [--sizes SIZE ...] [--set STEP.PARAMETER=VALUE ...]

Every candidate, a network at an image size, is trained from both cuts, once each; then `graft choose` decides anew, in
a folder that has the images, the split and the weights alone, on which neither is timed. Prints a row a seed of the
split, and the machine, and writes artifacts/choosing.json.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import machine
from components.data.artifacts import Classifier, Report
from components.data.json_files import write_json
from components.machinery.signature import load_step
from components.system.errors import Parser, run_cli
from pipeline import recipes
from pipeline.arranging import Output, tasks_to_make
from pipeline.candidates import CUTS, Candidate, CandidateTasks, list_candidates
from pipeline.choosing import FINALISTS
from pipeline.commands.words import read_assignments
from pipeline.halving import Halving
from pipeline.places import path_of
from pipeline.running import artifact_paths, make, run_task

WORK, RESULTS = Path("artifacts/choosing"), Path("artifacts/choosing.json")
UNTIMED = ("fetch", "audit", "split", "fetch_weights")
HOURS = 100  # more than any case takes, so that the clock ends nothing
REPEATS = 5  # trainings of each way, where a recipe does not say


def measure_case(
    content: Mapping[str, Any], recipe: str, candidates: Sequence[Candidate], home: Path
) -> dict[str, Any]:
    """Return what training all candidates and what choosing among them came to, and the seconds of both.

    Args:
        content: All of params.yaml.
        recipe: The recipe.
        candidates: What is tried.
        home: An empty folder.

    Returns:
        By name: the `best` way of all by log loss on validation and the `chosen` one, in words; by how many points of
        accuracy the chosen one is behind, on `validation` and on the `test` images; and `seconds` of choosing, of
        training `all` ways once, and `five` times each, which is reckoned from that.
    """
    tasks = CandidateTasks(content, recipe)
    ways = {(one, cut): tasks.output(one, "classifier", "fine_tuned", cut) for one in candidates for cut in CUTS}
    seconds = time_tasks(list(ways.values()), home / "all")
    losses = {way: validation_scores(output, home / "all")["log_loss"] for way, output in ways.items()}
    best = min(losses, key=losses.__getitem__)

    chosen_home = home / "chosen"
    time_tasks([tasks.output(one, key) for one in candidates for key in ("splits", "weights")], chosen_home)
    halving = Halving(tasks, candidates, FINALISTS, HOURS, chosen_home)
    trial = halving.run()[0]
    chosen = (trial.candidate, trial.cut)

    trained = sum(taken for step, taken in seconds if step in recipes.TRAINING)
    every = sum(taken for step, taken in seconds if step not in UNTIMED)
    accuracies = [
        (validation_scores(ways[way], home / "all")["accuracy"], test_accuracy(tasks, *way, home / "all"))
        for way in (best, chosen)
    ]
    behind = [round(100 * (first - second), 2) for first, second in zip(*accuracies, strict=True)]
    return {
        "best": "{} from {}".format(*best), "chosen": "{} from {}".format(*chosen), "candidates": len(candidates),
        "validation": behind[0], "test": behind[1],
        "seconds": round(halving.clock.spent, 1), "all": round(every, 1),
        "five": round(every + (REPEATS - 1) * trained, 1),
    }  # fmt: skip


def time_tasks(outputs: Sequence[Output], home: Path) -> list[tuple[str, float]]:
    """Run the tasks behind some outputs, each once, and return the step and the seconds of each."""
    taken = []
    for task in dict.fromkeys(task for output in outputs for task in tasks_to_make(output)):
        if not all(Path(artifact_paths(task, home)[key]).exists() for key in load_step(task.step).outputs):
            start = perf_counter()
            run_task(task, home)
            taken.append((task.step, perf_counter() - start))
    return taken


def validation_scores(output: Output, home: Path) -> dict[str, float]:
    """Return the scores on validation of a classifier that was made: kappa, log loss and accuracy."""
    return Classifier.read(home / path_of(output)).read_values("validation")


def test_accuracy(tasks: CandidateTasks, candidate: Candidate, cut: str, home: Path) -> float:
    """Return the accuracy on the test images of a candidate that is fine-tuned from a cut."""
    return Report.read(make(tasks.output(candidate, "report", "fine_tuned", cut), home)).metrics["accuracy"]


def main(arguments: list[str]) -> None:
    """Measure a recipe by each seed as the arguments say, without journal, and print and write what came of it."""
    parser = Parser(prog="python -m benchmarks.choosing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--networks", metavar="NAME", nargs="+", default=[], help="other networks than the recipe's")
    parser.add_argument("--sizes", metavar="SIZE", nargs="+", default=[], help="other image sizes than the recipe's")
    parser.add_argument("--set", dest="changes", metavar="STEP.PARAMETER=VALUE", nargs="+", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the split")
    options = parser.parse_args(arguments)
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    rows = []
    for seed in options.seeds:
        changes = read_assignments([*options.changes, f"split.seed={seed}"])
        content = recipes.apply_changes(recipes.read(), options.recipe, changes)
        candidates = list_candidates(content, options.recipe, options.networks, options.sizes)
        home = WORK / options.recipe / f"seed={seed}"
        shutil.rmtree(home, ignore_errors=True)
        rows.append({"recipe": options.recipe, "seed": seed, **measure_case(content, options.recipe, candidates, home)})
        print(rows[-1], flush=True)
        write_json(RESULTS, {"machine": machine.describe_machine(), "rows": rows})
    print(f"{machine.caption(machine.describe_machine())}.")


if __name__ == "__main__":
    run_cli(main)
