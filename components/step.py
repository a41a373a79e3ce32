"""A step is one typed function: its signature and docstring are all that is known of it.

Artifacts are its positional arguments, typed `Input[Kind]` or `Output[Kind]`; parameters are keyword-only `str`, `int`
or `float`. The command line, the validation of recipes and the tests of `dvc.yaml` are derived from that.
"""

import ast
import hashlib
import importlib
import inspect
import json
import math
import shutil
import subprocess
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import docstring_parser

from components import STEPS
from components.data.artifacts import RECORD, Artifact
from components.errors import UserError, no_such

Kind = TypeVar("Kind", bound=Artifact)
Input = Annotated[Kind, "input"]
Output = Annotated[Kind, "output"]

ROOT = Path(__file__).parent.parent
NO_NUMBERS = {  # what a person looks at, what a digest vouches for, and the machinery around the steps
    "components/results/figures.py",
    "components/results/serving.py",
    "components/results/tracking.py",
    "components/results/view.py",
    "components/data/datasets.py",
    "components/errors.py",
    "components/progress.py",
    "components/quiet.py",
    "components/step.py",
}


REVISIONS: dict[str, list[str]] = {"git_revision": [], "dvc_revision": ["data/dvc.lock"]}


@dataclass(frozen=True)
class Step:
    """A step as read from its function.

    Args:
        name: Name of the step, of its module and of its function.
        function: The function itself.
        summary: First line of its docstring.
        descriptions: What the docstring says of each argument.
        inputs: Kind of each artifact that it takes.
        outputs: Kind of each artifact that it makes.
        parameters: Type of each parameter.
    """

    name: str
    function: Callable[..., None]
    summary: str
    descriptions: Mapping[str, str]
    inputs: Mapping[str, type[Artifact]]
    outputs: Mapping[str, type[Artifact]]
    parameters: Mapping[str, type]

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, each of its declared type.

        Raises:
            UserError: One is unknown, missing or not of its type.
        """
        for name in values:
            if name not in self.parameters:
                raise no_such(f"parameter of {self.name}", name, self.parameters)
        missing = [name for name in self.parameters if name not in values]
        if missing:
            raise UserError(
                f"{self.name} lacks {', '.join(missing)}: set it in the recipe or give --{missing[0]} VALUE"
            )
        return {name: converted(self.name, name, values[name], kind) for name, kind in self.parameters.items()}

    def uses(self, library: str) -> bool:
        """Return whether the step's code imports a library."""
        return any(f"import {library}" in (ROOT / file).read_text(encoding="utf-8") for file in self.code())

    def code(self) -> list[str]:
        """Return the project's files that determine the step's numbers, relative to the repository's root."""
        return sorted(modules_behind(f"components/{self.name}.py"))


def converted(step: str, name: str, value: Any, kind: type) -> Any:
    """Return a value as the parameter's type: text is read as a number, 1.0 passes as 1, nothing else changes."""
    try:
        if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
            raise ValueError
        number = kind(value)
        if kind is not str and (not math.isfinite(number) or number != float(value)):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        words = {int: "a whole number", float: "a number", str: "text"}[kind]
        raise UserError(f"{step}: {name} is {words}; received {value!r}") from None
    return number


@cache
def load(name: str) -> Step:
    """Read a step from its module.

    Raises:
        UserError: There is no step of that name.
    """
    if name not in STEPS:
        raise no_such("step", name, STEPS)
    function = getattr(importlib.import_module(f"components.{name}"), name)
    documentation = docstring_parser.parse(inspect.getdoc(function) or "", docstring_parser.DocstringStyle.GOOGLE)
    hints = get_type_hints(function, include_extras=True)
    artifacts: dict[str, dict[str, type[Artifact]]] = {"input": {}, "output": {}}
    parameters = {}
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is argument.KEYWORD_ONLY:
            parameters[argument.name] = hints[argument.name]
        else:
            kind, direction = get_args(hints[argument.name])
            artifacts[direction][argument.name] = kind
    return Step(
        name, function, documentation.short_description or "",
        {entry.arg_name: " ".join((entry.description or "").split()) for entry in documentation.params},
        artifacts["input"], artifacts["output"], parameters,
    )  # fmt: skip


@cache
def modules_behind(file: str) -> frozenset[str]:
    """Return a module's file and, through its imports, every `components` module behind it that determines numbers."""
    found: set[str] = set()
    todo = [file]
    while todo:
        current = todo.pop()
        if current in found | NO_NUMBERS:
            continue
        found.add(current)
        for node in ast.walk(ast.parse((ROOT / current).read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            paths = (name.replace(".", "/") + ".py" for name in names if name.startswith("components"))
            todo += [path for path in paths if (ROOT / path).is_file()]
    return frozenset(found)


def run(name: str, artifacts: Mapping[str, Path | str], parameters: Mapping[str, Any], recipe: str = "") -> None:
    """Run a step: check what it is given, call it on fresh directories, move the finished ones into place.

    Args:
        name: The step.
        artifacts: Path of every input and output.
        parameters: Value of every parameter.
        recipe: Name under which the results are shown; it changes no number.

    Raises:
        UserError: A parameter or an input is not what the step needs, or the inputs do not belong together.
    """
    step = load(name)
    values = step.checked(parameters)
    inputs = {key: kind.read(artifacts[key]) for key, kind in step.inputs.items()}
    record = {**inherited(step, inputs), "recipe": recipe, "revisions": revisions()}
    record["parameters"][name] = values
    code = [(ROOT / file).read_text(encoding="utf-8") for file in step.code()]
    digest = sha256(name, values, {key: artifact.digest for key, artifact in inputs.items()}, code)
    record["lineage"][name] = digest
    outputs = {}
    for key, kind in step.outputs.items():
        target = Path(artifacts[key])
        if not target.name:
            raise UserError(f"{name}: {key} is a folder of its own, to be made; received {str(target)!r}")
        fresh = target.with_name(f".{target.name}.unfinished")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        outputs[key] = kind(fresh, {**deepcopy(record), "digest": sha256(digest, key)})
    step.function(*inputs.values(), *outputs.values(), **values)
    for output in outputs.values():
        output.write_record()
    for key, output in outputs.items():
        replace(output.path, Path(artifacts[key]))


def inherited(step: Step, inputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """Return what a step's outputs take over from the records of its inputs.

    Raises:
        UserError: Two inputs go back to different runs of one step, so that they do not belong together.
    """
    record: dict[str, Any] = {"facts": {}, "parameters": {}, "lineage": {}, "work": {}}
    for artifact in inputs.values():
        for ancestor, digest in artifact.record["lineage"].items():
            if record["lineage"].get(ancestor, digest) != digest and ancestor != "evaluate":
                raise UserError(f"{step.name}: its inputs go back to different runs of {ancestor}: make them from one")
        for part, own in record.items():
            own.update(artifact.record[part])
    return record


def revisions() -> dict[str, str]:
    """Return the git revision of the code and the one by which DVC knows the data; none outside git.

    The second is the last that changed `data/dvc.lock`, with `-dirty` where that file has changed since.
    """
    found = {name: git("log", "-1", "--format=%H", "--", *paths) for name, paths in REVISIONS.items()}
    if git("status", "--porcelain", "--", *REVISIONS["dvc_revision"]):
        found["dvc_revision"] = f"{found['dvc_revision'] or 'none'}-dirty"
    return {name: revision for name, revision in found.items() if revision}


def git(*arguments: str) -> str:
    """Return what git answers about the project; nothing where there is no git."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def sha256(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def replace(finished: Path, target: Path) -> None:
    """Put a finished directory where the target was; the old one goes only then.

    Raises:
        UserError: What is there is something else than such an artifact.
    """
    if target.exists() and not (target / RECORD).is_file():
        names, own = ({path.name for path in folder.glob("*")} for folder in (target, finished))
        if target.is_file() or names - own:
            raise UserError(f"{target} is no artifact, and is not replaced: give another path")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    shutil.rmtree(old, ignore_errors=True)
