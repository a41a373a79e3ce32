"""What goes over several steps: python -m pipeline COMMAND"""

import sys
import tempfile
import textwrap
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.machinery import lineage, running
from components.machinery.signature import load_step
from components.machinery.trainings import training_path
from components.system.errors import Parser, UserError, no_such, printable, told
from pipeline import recipes, recovery
from pipeline.places import ARTIFACTS, place

if TYPE_CHECKING:
    from pipeline.arranging import Task

WIDTH = 120  # characters of a table's lines


def check() -> None:
    """Check params.yaml: every name, every parameter of every recipe; mend what a kill left of DVC's notes."""
    for line in recovery.mend():
        print(line)
    arranged(recipes.read())


def arranged(content: Mapping[str, Any]) -> "dict[str, Task]":
    """Return the tasks of the recipes that are switched on, by their stages, once all of params.yaml is checked.

    Raises:
        UserError: What is wrong in it.
    """
    from pipeline import planning

    recipes.check(content)
    recipes.check_sources(content)
    return planning.active_tasks(content)


def arrange() -> None:
    """Write dvc.yaml and data/dvc.yaml: a stage for every task of the recipes that are switched on."""
    from pipeline import stages

    for line in recovery.mend():
        print(line)
    content = recipes.read()
    tasks = arranged(content)
    for file in stages.write(stages.render(content, tasks)):
        print(f"{file}: written anew; {', '.join(content['active']) or 'no recipe'} switched on, {len(tasks)} stages")


def plan() -> None:
    """Check params.yaml, and write the plan: for every stage its values and the digest of its code."""
    from pipeline import planning, stages

    content = recipes.read()
    tasks = arranged(content)
    stages.check(stages.render(content, tasks))
    planning.write(tasks)


def run(stage: str) -> None:
    """Run a stage as it is planned, by its name in DVC."""
    from pipeline import planning

    planning.run_entry(planning.read_entry(stage))


def show() -> None:
    """Print the comparison of every recipe that has been run, and say where to look next."""
    tables = sorted(ARTIFACTS.rglob("page/comparison.txt"))
    for table in tables:
        print(table.read_text(encoding="utf-8"))
    if not tables:
        raise UserError("no comparison yet: `make repro` makes one")
    print("`make ui` opens them in MLflow; the figures are under artifacts/RECIPE/; your own images: README.md")


def experiments() -> None:
    """Show what `dvc exp run` made: what differs, and the log loss of each model on validation, best first."""
    from pipeline import experiments as made

    table = made.table(made.read())
    print(table.fillna("").to_string(line_width=WIDTH, float_format="%.4f") if table.size else "no two are different")


def clean(remove: bool) -> None:
    """List what no recipe that is switched on needs, in artifacts/ and data/; remove it where that is asked for."""
    from pipeline import cleaning, planning

    content = recipes.read()
    recipes.check(content)
    unneeded = cleaning.unneeded(planning.active_tasks(content).values())
    for path, size in unneeded.items():
        print(f"{size / 1e6:10,.1f} MB  {path}")
    print(
        f"{sum(unneeded.values()) / 1e6:10,.1f} MB  in all{'' if remove or not unneeded else '; --remove removes it'}"
    )
    if remove and unneeded:
        cleaning.remove(unneeded)
        print("removed; DVC's cache has a copy of what was made by its stages, until `dvc gc --workspace`")


def log() -> None:
    """Write whatever the journal lacks, from artifacts and records alone; go on where something cannot be read."""
    from pipeline import journal

    if not journal.log(journal.Results()):
        raise SystemExit(2)


def ui(port: int) -> None:
    """Open the comparison in MLflow's UI; Ctrl-C ends it."""
    from components.results.tracking import ui as interface

    interface.serve(port)


def predict(model: str, images: Sequence[Path], csv: Path | None) -> None:
    """Tell what a model sees in images: the class and its probability, an image a line."""
    import pandas as pd

    from components.data.artifacts import PROBABILITY
    from components.model import predicting
    from components.results.delivered import open_model

    files = predicting.listed(images)
    opened, _ = open_model(model)
    names, rows, unread = [PROBABILITY + name for name in opened.classes], [], 0
    for file, found in predicting.predictions(opened, files):
        if isinstance(found, str):
            unread += 1
            print(f"{printable(str(file))} cannot be read ({found})", file=sys.stderr)
            continue
        own = dict(zip(names, map(float, found), strict=True))
        rows.append({"file": str(file), "predicted": opened.classes[found.argmax()], "probability": found.max(), **own})
    columns = ["file", "predicted", "probability"]
    table = pd.DataFrame(rows, columns=[*columns, *names])
    if csv:
        csv.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(csv, index=False)
    if rows:
        print(table[columns].assign(file=table["file"].map(printable)).to_string(index=False, float_format="%.4f"))
    if unread:
        raise SystemExit(2)


def export(model: str, to: str, file: Path, images: Sequence[Path]) -> None:
    """Write a model for ONNX Runtime or LiteRT, held to the same probabilities on real images."""
    from components.model import exporting, predicting
    from components.results.delivered import open_model

    opened, kept = open_model(model)
    if images:
        kept = predicting.stacked(predicting.listed(images), opened.size)
    difference = exporting.export(opened, to, file, kept)
    print(f"{file}: {len(kept)} images get the same probabilities, to {difference:.1g}")


def promote(recipe: str, force: str) -> None:
    """Register the model that a recipe's comparison chose, and make it the champion of its data set if it is better."""
    from components.data.artifacts import Comparison
    from components.results.tracking import registry
    from pipeline.journal import Results

    chosen = Comparison.read(ARTIFACTS / recipe / "comparison").read_values("verdict").get("chosen")
    if chosen is None:
        raise UserError(f"the comparison of {recipe} is of another version: `dvc repro` makes it anew")
    results = Results()
    if recipe in results.unread:
        raise results.unread[recipe]
    report = results.reports.get(chosen["fingerprint"])
    if report is None:
        raise UserError(f"{recipe} has no report any more on what its comparison chose: `dvc repro` compares anew")
    if report.facts["views"] != "plain":
        raise UserError(
            f"{chosen['model']} was chosen with averaged views, which no served model makes: compare without them"
        )
    classifier = results.classifier_of(report)
    champion, said = registry.promote(classifier, report, force)
    print("\n".join(said))
    if not champion:
        raise SystemExit(1)


def task_of(recipe: str, step: str, network: str) -> "Task":
    """Return the task of a step in a recipe that is switched on, with the recipe's own values.

    Args:
        recipe: The recipe.
        step: The step.
        network: Of which network; the recipe's first if empty.

    Raises:
        UserError: There is no such recipe or network.
    """
    from pipeline import planning

    content = recipes.read()
    recipes.one_of("active recipe", recipe, content["active"])
    networks = recipes.resolve(content, recipe).networks
    network = recipes.one_of(f"network of {recipe}", network or networks[0], networks)
    tasks = [task for task in planning.tasks_by_recipe(content, [recipe])[recipe] if task.step == step]
    return min(tasks, key=lambda task: (network not in task.words, len(task.words)))


def inputs_of(task: "Task") -> dict[str, Any]:
    """Return the artifacts that a task takes, opened, which belong together.

    Raises:
        UserError: One is not there, or they are of different runs.
    """
    wanted = load_step(task.step)
    paths = {key: training_path(place(several[0]), 0) for key, several in task.inputs.items()}
    inputs = running.read_inputs(wanted, paths)
    lineage.inherited(wanted, inputs)
    return inputs


def find_head(recipe: str, sweep: Sequence[str], network: str) -> None:
    """Train heads with many settings at once on a recipe's stored features, and rank them on validation."""
    task = task_of(recipe, "train_top", network)
    swept: dict[str, list[str]] = {}
    for address, values in map(assigned, sweep):
        step, _, name = address.partition(".")
        if step != "train_top":
            raise UserError(f"--sweep takes train_top.PARAMETER=VALUE,... here; received {address}={values}")
        swept[name] = values.split(",")
    wanted = load_step("train_top")
    arms = [
        wanted.check_values({**task.values, **dict(zip(swept, values, strict=True))})
        for values in product(*swept.values())
    ]
    import pandas as pd

    from components.model import head_search

    inputs = inputs_of(task)
    found = head_search.search(inputs["features"], inputs["splits"], [*map(wanted.function_arguments, arms)])
    table = pd.concat([pd.DataFrame(arms)[[*swept]], found], axis=1).sort_values("validation_log_loss")
    file = inputs["features"].path.with_name("heads.csv")
    table.to_csv(file, index=False)
    print(table.to_string(index=False, float_format="%.4g"))
    best = ", ".join(f"{name}: {table[name].iloc[0]}" for name in swept)
    print(f"\nbest on validation, before the temperature: {best} (train_top of {recipe}); the table is {file}")


def find_rate(recipe: str, step: str, network: str) -> None:
    """Draw the training loss of a recipe's step over the learning rate, and suggest one, by the training part alone."""
    recipes.one_of("step that trains", step, recipes.TRAINING)
    task = task_of(recipe, step, network)
    from components.model import assembly, rate_finder, training
    from components.results import figures

    inputs, builder = inputs_of(task), assembly.BUILDERS[step]
    arguments = load_step(step).function_arguments(task.values)
    settings = arguments.pop("settings")
    training.seeded(settings.seed)
    untrained = builder(**inputs, **arguments)
    curve = rate_finder.sweep(untrained.model, untrained.parts[0], settings, untrained.head)
    rate = rate_finder.suggested(curve)
    picture = place(task.outputs["classifier"]).parent.with_name("rates") / f"{step}.png"
    picture.parent.mkdir(exist_ok=True)
    figures.draw_learning_rates(curve, rate, picture, f"{recipe}, {step}: the learning rate")
    print(f"learning_rate: {rate:.1e} ({task.values['learning_rate']:.1e} in the recipe); look at {picture}")


def compile(recipe: Sequence[str], set: Sequence[str], sweep: Sequence[str], out: Path, local: bool) -> None:
    """Write recipes, or all that are switched on, as Kubeflow pipelines."""
    for file in compiled(recipe, set, sweep, out, local).values():
        print(file)


def compiled(
    names: Sequence[str], changes: Sequence[str], sweeps: Sequence[str], folder: Path, local: bool = False
) -> dict[str, Path]:
    """Return the file of each recipe's pipeline, or of every recipe that is switched on."""
    content = recipes.read()
    recipes.check(content)
    changed = dict(map(assigned, changes))
    swept = {address: value.split(",") for address, value in map(assigned, sweeps)}
    from pipeline import cluster
    from pipeline.kubeflow import compiling

    there = cluster.read(content, local)
    return {name: compiling.write(content, there, name, folder, changed, swept) for name in names or content["active"]}


def assigned(text: str) -> tuple[str, str]:
    """Return both sides of STEP.PARAMETER=VALUE."""
    address, sign, value = text.partition("=")
    if not sign or "." not in address:
        raise UserError(f"STEP.PARAMETER=VALUE is needed, as in train_top.learning_rate=1e-4; received {text!r}")
    return address, value


def submit(
    recipe: Sequence[str], set: Sequence[str], sweep: Sequence[str],
    host: str, experiment: str, namespace: str, wait: bool,
) -> None:  # fmt: skip
    """Run recipes on a Kubeflow cluster; with --wait, end as they end."""
    with tempfile.TemporaryDirectory() as folder:
        files = compiled(recipe, set, sweep, Path(folder))
        from pipeline.kubeflow import submitting

        content = recipes.read()
        account = content["cluster"]["service_account"]
        client = submitting.connect(host, namespace)
        runs = {}
        for name, file in files.items():
            title = textwrap.shorten(" ".join([name, *set, *sweep]), 128, placeholder=" ...")
            data_set = recipes.resolve(content, name).data
            runs[name] = submitting.submit(client, file, file.stem, title, experiment or data_set, account)
            print(f"{name}: {runs[name].address}", flush=True)
    try:
        states = {name: submitting.wait(client, run.id) for name, run in runs.items()} if wait else {}
    except KeyboardInterrupt:
        print("stopped waiting: what has been submitted goes on", file=sys.stderr)
        raise SystemExit(130) from None
    for name, state in states.items():
        print(f"{name}: {state}")
    if any(state != "SUCCEEDED" for state in states.values()):
        raise SystemExit(1)


COMMANDS: dict[str, Callable[..., None]] = {
    command.__name__: command
    for command in (
        check, arrange, plan, run, show, experiments, clean, log, ui,
        find_head, find_rate, predict, export, promote, compile, submit,
    )
}  # fmt: skip


def add_options(command: Callable[..., None], parser: ArgumentParser) -> None:
    """Say what a command takes."""
    several: dict[str, Any] = {"action": "append", "default": []}
    if command is ui:
        parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1")
    if command in (predict, export):
        parser.add_argument(
            "--model", metavar="MODEL", required=True,
            help="the folder of a classifier, or what MLflow has: models:/NAME@champion, models:/ID, runs:/RUN/model",
        )  # fmt: skip
    if command is predict:
        parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="image files, or folders of them")
        parser.add_argument("--csv", metavar="FILE", type=Path, help="write the probabilities of all classes there")
    if command is export:
        parser.add_argument("--to", required=True, choices=("onnx", "litert"), help="the format")
        parser.add_argument("file", metavar="FILE", type=Path, help="the file to write")
        parser.add_argument(
            "--images", metavar="IMAGE", nargs="+", type=Path, default=[],
            help="images to hold it to, if not two of its test images",
        )  # fmt: skip
    if command is run:
        parser.add_argument("stage", metavar="STAGE", help="such as split-digits")
    if command is clean:
        parser.add_argument("--remove", action="store_true", help="remove it")
    if command is promote:
        parser.add_argument("recipe", metavar="RECIPE", help="a recipe that has been run")
        parser.add_argument(
            "--force", metavar="REASON", default="", help="whatever the comparison with the champion says"
        )
    if command in (find_head, find_rate):
        parser.add_argument("recipe", metavar="RECIPE", help="a recipe that has been run")
        parser.add_argument("--network", metavar="NAME", default="", help="the recipe's first if not given")
    if command is find_rate:
        parser.add_argument("--step", required=True, metavar="STEP", help=" | ".join(recipes.TRAINING))
    if command in (compile, submit):
        least, more = ("*", "; if none is given, all that are switched on") if command is compile else ("+", "")
        parser.add_argument("recipe", metavar="RECIPE", nargs=least, help=f"a recipe{more}")
        parser.add_argument("--set", metavar="STEP.PARAMETER=VALUE", **several, help="another value than the recipe's")
    if command in (find_head, compile, submit):
        parser.add_argument(
            "--sweep", metavar="STEP.PARAMETER=VALUE,...", **several, help="values to train with side by side",
            required=command is find_head,
        )  # fmt: skip
    if command is compile:
        parser.add_argument("--out", metavar="DIR", type=Path, default=Path("kubeflow"), help="where the files go")
        parser.add_argument("--local", action="store_true", help="for kfp.local: an image may be named by its tag")
    if command is submit:
        parser.add_argument("--host", metavar="URL", required=True, help="address of Kubeflow Pipelines")
        parser.add_argument(
            "--experiment", metavar="NAME", default="", help="in Kubeflow; the data set's name if not given"
        )
        parser.add_argument("--namespace", metavar="NAME", default="", help="of your profile, where there are profiles")
        parser.add_argument("--wait", action="store_true", help="until the runs end: exit status 1 if one failed")


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        add_options(command, one)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise no_such("command", arguments[0], COMMANDS)
    given = vars(parser.parse_args(arguments))
    COMMANDS[given.pop("command")](**given)


if __name__ == "__main__":
    told(main)
