"""What goes over several steps: python -m pipeline check | show | log | ui | find_rate"""

from collections.abc import Callable
from inspect import signature
from pathlib import Path

from components import quiet
from components import step as steps
from components.errors import Parser, UserError, no_such, told
from pipeline import recipes, recovery

ARTIFACTS = Path("artifacts")
TRAINING = ("train_benchmark", "train_top", "fine_tune")


def check() -> None:
    """Check params.yaml: every name, every parameter of every recipe; mend what a kill left of DVC's notes."""
    recipes.check(recipes.read())
    for line in recovery.mend():
        print(line)


def show() -> None:
    """Print the comparison of every recipe that has been run, and say where to look next."""
    tables = sorted(ARTIFACTS.glob("*/comparison/comparison.txt"))
    for table in tables:
        print(table.read_text(encoding="utf-8"))
    if not tables:
        raise UserError("no comparison yet: `make repro` makes one")
    print("`make ui` opens them in MLflow; the figures are under artifacts/RECIPE/; your own images: README.md")


def log() -> None:
    """Write whatever the journal lacks, from the artifacts alone."""
    from components.data.artifacts import Classifier, Report
    from components.results import tracking

    quiet.load_keras()
    for record in sorted(ARTIFACTS.glob("*/reports/*/artifact.json")):
        classifier = Classifier.read(record.parents[2] / "classifiers" / record.parent.name)
        written = tracking.complete(classifier, Report.read(record.parent))
        print(f"{record.parents[2].name}, {record.parent.name}: {'written' if written else 'was there'}")


def ui(port: int) -> None:
    """Open the comparison in MLflow's UI; Ctrl-C ends it."""
    from components.results import serving

    serving.serve(port)


def find_rate(recipe: str, step: str) -> None:
    """Draw the training loss of a recipe's step over the learning rate, and suggest one, by the training part alone."""
    content = recipes.read()
    parameters = recipes.completed(content, recipe)
    for noun, name, known in (("active recipe", recipe, content["active"]), ("step that trains", step, TRAINING)):
        if name not in known:
            raise no_such(noun, name, known)
    quiet.load_keras()
    from components.model import assembly, rate_finder, training
    from components.results import figures

    wanted, builder = steps.load(step), assembly.BUILDERS[step]
    paths = {key: ARTIFACTS / recipe / key for key in wanted.inputs}
    paths["weights"] = Path("data/weights", content["active"][recipe]["weights"])
    inputs = {key: kind.read(paths[key]) for key, kind in wanted.inputs.items()}
    steps.inherited(wanted, inputs)  # which says if they do not belong together
    given = {**inputs, **parameters[step]}
    settings = training.Settings(
        **{name: given[name] for name in signature(training.Settings).parameters if name in given}
    )
    training.seeded(settings.seed)
    untrained = builder(**{name: given[name] for name in signature(builder).parameters})
    curve = rate_finder.sweep(untrained.model, untrained.parts[0], settings, untrained.head)
    rate = rate_finder.suggested(curve)
    picture = ARTIFACTS / recipe / "rates" / f"{step}.png"
    picture.parent.mkdir(exist_ok=True)
    figures.learning_rates(curve, rate, picture, f"{recipe}, {step}: the learning rate")
    print(f"learning_rate: {rate:.1e} ({parameters[step]['learning_rate']:.1e} in the recipe); look at {picture}")


COMMANDS: dict[str, Callable[..., None]] = {"check": check, "show": show, "log": log, "ui": ui, "find_rate": find_rate}


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        if command is ui:
            one.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1")
        if command is find_rate:
            one.add_argument("recipe", metavar="RECIPE", help="a recipe that has been run")
            one.add_argument("--step", required=True, metavar="STEP", help=" | ".join(TRAINING))
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise no_such("command", arguments[0], COMMANDS)
    given = vars(parser.parse_args(arguments))
    COMMANDS[given.pop("command")](**given)


if __name__ == "__main__":
    told(main)
