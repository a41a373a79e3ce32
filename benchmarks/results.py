"""What the five studies reach, each as it was published and as improved, on every network, by several trainings.

    python -m benchmarks.results [--only ROW ...]

A row is one study on one network, `STUDY/NETWORK`, or its network from scratch, `STUDY/scratch`. Data and weights are
those that params.yaml names, `own` or published. What was made before with the same inputs, parameters and code is not
made again. Each row, once it is there, takes its place in docs/results.csv, from which the tables are printed.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.artifacts import Comparison, Report
from components.data.records import Record
from components.results.costs import report_costs
from components.results.texts import with_interval
from components.results.trials import trials_by_model
from components.scores.registry import MAIN
from components.system.errors import Parser, run_cli, unknown_name
from pipeline import recipes
from pipeline.arranging import RECORD, tasks_to_make
from pipeline.places import path_of
from pipeline.planning import tasks_by_recipe
from pipeline.running import find_output, make

if TYPE_CHECKING:
    import pandas as pd

WORK, TABLE = Path("artifacts/results"), Path("docs/results.csv")
NETWORKS = ("mobilenet_025", "mobilenet_v2", "efficientnet_lite0", "efficientnet_lite2")
SCRATCH = "scratch"
KEYS = ["study", "network", "model"]
ENDS = ("", "_low", "_high")
SCORES = [f"{name}{end}" for name in MAIN for end in ENDS]
COLUMNS = [*KEYS, "trainings", "test_images", "validation_log_loss", *SCORES, "seconds"]
BLOCK = {"extract.unfreeze": "last_block"}  # of a network that has no layer of the study's name
ONCE = {"train_benchmark.repeats": 1}  # what a large network from scratch takes is hours
PEOPLE = {"split.method": "grouped", "split.train": 0.67, "split.validation": 0.165, "split.test": 0.165}


@dataclass(frozen=True)
class Study:
    """A recipe as it is measured.

    Args:
        recipe: Its name in params.yaml.
        changes: Values that it has otherwise, by `STEP.PARAMETER`.
        networks: Those that it is measured on, one after the other.
    """

    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[str, ...] = NETWORKS


STUDIES = {
    "digits": Study("digits", networks=("glyphs",)),
    "kth_animals": Study("kth_animals", ONCE),
    "kth_animals_improved": Study("kth_animals_improved", ONCE),
    "sign_language": Study("sign_language", ONCE),
    "sign_language_people": Study("sign_language", ONCE | PEOPLE),  # as published, on people whom it has not seen
    "sign_language_improved": Study("sign_language_improved", ONCE),
    "car_damage": Study("car_damage", ONCE | BLOCK),
    "car_damage_improved": Study("car_damage_improved", ONCE),
    "traffic_lights": Study("traffic_lights", ONCE | {"evaluate.never": [["red", "green"]]}),
    "traffic_lights_improved": Study("traffic_lights_improved", ONCE | {"evaluate.never": [["red", "green"]]}),
    "groceries": Study("groceries", ONCE | BLOCK),
    "groceries_improved": Study("groceries_improved", ONCE),
}
ROWS = [f"{name}/{network}" for name, study in STUDIES.items() for network in (*study.networks, SCRATCH)]


def measure_row(row: str) -> tuple["pd.DataFrame", list[str]]:
    """Run a row, `STUDY/NETWORK`, as far as it was not run before; return its ways as rows of COLUMNS, and the verdict.

    `seconds` are what it takes to make one such model, augmentation and extraction included, without evaluation.
    """
    import pandas as pd

    name, network = row.split("/")
    study = STUDIES[name]
    content = recipes.apply_changes(recipes.read(), study.recipe, study.changes)
    entries = recipes.entries_of(content, study.recipe)
    models = recipes.resolve(content, study.recipe).models
    if network == SCRATCH:
        entries |= {"models": ["benchmark"], "networks": [study.networks[0]]}  # which no benchmark takes
    else:
        entries |= {"models": [model for model in models if model != "benchmark"], "networks": [network]}
    title = f"{name}-{network}"
    content["recipes"][title] = entries
    tasks = tasks_by_recipe(content, [title])[title]
    comparison = Comparison.read(make(find_output(tasks, "comparison"), WORK))
    table = comparison.table("comparison.csv").set_index("model")
    outputs = [output for task in tasks for output in task.outputs.values() if output.kind is Report]
    seconds: dict[str, float] = {}
    for model, reports in trials_by_model(Report.read_all([WORK / path_of(one) for one in outputs])).items():
        behind = {task for one in outputs for task in tasks_to_make(one)}
        records = Record.read_all([WORK / path_of(task.outputs[RECORD]) for task in behind])
        costs = [report_costs(report, records).get("seconds_total") for report in reports]
        seconds[model] = sum(one for one in costs if one is not None) / len(costs)
    ways = table.assign(seconds=pd.Series(seconds)).reset_index()
    ways["model"] = [model.partition(",")[0] for model in ways["model"]]
    rows = ways.assign(study=name, network="" if network == SCRATCH else network)[COLUMNS]
    return rows, comparison.read_values("verdict")["verdict"]


def merge_rows(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Write rows into docs/results.csv, each in place of one with the same keys, and return the table."""
    import pandas as pd

    known = [pd.read_csv(TABLE, keep_default_na=False)] if TABLE.exists() else []
    table = pd.concat([*known, rows]).drop_duplicates(KEYS, keep="last")
    order = table["study"].map([*STUDIES].index) * 100 + table["network"].map(["", "glyphs", *NETWORKS].index)
    table = table.assign(order=order).sort_values(["order", "model"], ascending=[True, False]).drop(columns="order")
    table.round(6).to_csv(TABLE, index=False)
    return table


def markdown_table(rows: "pd.DataFrame") -> str:
    """Return rows of docs/results.csv as a table in Markdown: each main score with its 95 % interval, and seconds."""
    titles = [name.replace("_", " ") for name in MAIN]
    lines = [
        " | ".join(["| network | model | trainings", *titles, "log loss on validation | s |"]),
        "|---|---|" + "---:|" * (len(MAIN) + 3),
    ]
    for row in rows.to_dict("records"):
        scores = [with_interval(*(row[f"{name}{end}"] for end in ENDS)) for name in MAIN]
        cells = [
            row["network"], row["model"].replace("_", "-"), int(row["trainings"]), *scores,
            f"{row['validation_log_loss']:.3f}", f"{row['seconds']:,.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def run(only: Sequence[str]) -> None:
    """Measure rows, merge each into docs/results.csv as soon as it is there, and print the tables of their studies.

    Raises:
        UserError: There is no such row.
    """
    for row in only:
        if row not in ROWS:
            raise unknown_name("row", row, ROWS)
    for row in only or ROWS:
        rows, verdict = measure_row(row)
        table, study = merge_rows(rows), row.split("/")[0]
        print(row, markdown_table(table[table["study"] == study]), *verdict, sep="\n\n", end="\n\n", flush=True)


def main(arguments: list[str]) -> None:
    """Measure the rows that the arguments name, or all, without journal."""
    parser = Parser(prog="python -m benchmarks.results", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="ROW", nargs="+", default=[], help=f"such as {ROWS[1]}; else all")
    os.environ["MLFLOW_TRACKING_URI"] = "off"
    run(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    run_cli(main)
