"""What goes over several steps: python -m pipeline check | show | log | ui"""

from collections.abc import Callable
from pathlib import Path

from components import quiet
from components.errors import Parser, UserError, no_such, told
from pipeline import recipes, recovery

ARTIFACTS = Path("artifacts")


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


COMMANDS: dict[str, Callable[..., None]] = {"check": check, "show": show, "log": log, "ui": ui}


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        if command is ui:
            one.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1")
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise no_such("command", arguments[0], COMMANDS)
    given = vars(parser.parse_args(arguments))
    COMMANDS[given.pop("command")](**given)


if __name__ == "__main__":
    told(main)
