"""A step is one typed function: its signature and docstring are all that is known of it.

Artifacts are its positional arguments, typed `Input[Kind]`, `Input[list[Kind]]` for one or more, or `Output[Kind]`;
parameters are keyword-only `str`, `int` or `float`, or a dataclass of such, which steps may share: its fields are
parameters like the others. The command line, the validation of recipes and the tests of `dvc.yaml` are derived from
that.
"""

import dataclasses
import fcntl
import importlib
import inspect
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import docstring_parser

from components import STEPS, code
from components.data.artifacts import MANIFEST, Artifact
from components.data.content import read_json, sha256
from components.data.records import Record, record_beside, write_records
from components.errors import UserError, no_such
from components.machine import machine_said, machine_type
from components.parameters import Parameter, arguments_of, keyword_types, parameters_of
from components.trainings import count_trainings, make_room, note_beside, nth_training, training_paths

Kind = TypeVar("Kind", bound=Artifact)
Given = TypeVar("Given", bound=Artifact | Sequence[Artifact] | Sequence[Record])
Input = Annotated[Given, "input"]
Output = Annotated[Kind, "output"]
Run = tuple[Mapping[str, Any], Mapping[str, Any]]  # where every input and output lies, and the checked values

ROOT = Path(__file__).parent.parent
REVISIONS = {  # outside git in which variable, and in git of which files
    "git_revision": ("GRAFT_REVISION",),
    "dvc_revision": ("GRAFT_DVC_REVISION", "data/dvc.lock"),
}


@dataclass(frozen=True)
class Step:
    """A step as read from its function.

    Args:
        name: Name of the step, of its module and of its function.
        function: The function itself.
        summary: First line of its docstring.
        descriptions: What the docstring says of each artifact and parameter.
        inputs: Kind of each artifact that it takes.
        several: Inputs that are one artifact or more.
        outputs: Kind of each artifact that it makes.
        parameters: What each parameter may be.
    """

    name: str
    function: Callable[..., None]
    summary: str
    descriptions: Mapping[str, str]
    inputs: Mapping[str, Any]
    several: frozenset[str]
    outputs: Mapping[str, type[Artifact]]
    parameters: Mapping[str, Parameter]

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, each as its declared type.

        Raises:
            UserError: One is unknown, missing, or not what it may be, or two do not go together.
        """
        for name in values:
            if name not in self.parameters:
                raise no_such(f"parameter of {self.name}", name, self.parameters)
        missing = [name for name in self.parameters if name not in values]
        if missing:
            raise UserError(
                f"{self.name} lacks {', '.join(missing)}: set it in the recipe or give --{missing[0]} VALUE"
            )
        read = {name: kind.read(self.name, name, values[name]) for name, kind in self.parameters.items()}
        self.arguments(read)
        return read

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, each as its declared type, as the function takes them.

        Raises:
            UserError: Two do not go together.
        """
        try:
            return arguments_of(self.function, values)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def described(self, name: str) -> str:
        """Return what the docstring says of an argument, and of a parameter what it may be."""
        limits = self.parameters[name].limits if name in self.parameters else None
        return " ".join((self.descriptions[name], *([f"({limits})"] if limits else [])))

    def uses(self, library: str) -> bool:
        """Return whether the step's code imports a library; artifacts, which all steps know, do so to read a model."""
        return library in code.packages(self.name)


@cache
def load(name: str) -> Step:
    """Read a step from its module.

    Raises:
        UserError: There is no step of that name.
    """
    if name not in STEPS:
        raise no_such("step", name, STEPS)
    function = getattr(importlib.import_module(f"components.{name}"), name)
    hints = get_type_hints(function, include_extras=True)
    artifacts: dict[str, dict[str, type[Artifact]]] = {"input": {}, "output": {}}
    several = set()
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is not argument.KEYWORD_ONLY:
            kind, direction = get_args(hints[argument.name])
            if get_origin(kind) is list:
                (kind,) = get_args(kind)
                several.add(argument.name)
            artifacts[direction][argument.name] = kind
    return Step(
        name, function, documentation(function).short_description or "", descriptions_of(function),
        artifacts["input"], frozenset(several), artifacts["output"], parameters_of(function),
    )  # fmt: skip


def documentation(one: Any) -> docstring_parser.Docstring:
    """Return what the docstring of a function or of a class says."""
    return docstring_parser.parse(inspect.getdoc(one) or "", docstring_parser.DocstringStyle.GOOGLE)


def descriptions_of(function: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring says of each argument; of a dataclass, what its own and those of its bases say."""
    types, found = keyword_types(function), dict[str, str]()
    for one in reversed(getattr(function, "__mro__", (function,))):
        for entry in documentation(one).params:
            name, text = entry.arg_name, " ".join((entry.description or "").split())
            found |= descriptions_of(types[name]) if dataclasses.is_dataclass(types.get(name)) else {name: text}
    return found


def run(
    name: str, artifacts: Mapping[str, Any], parameters: Mapping[str, Any], recipe: str = "", record: Path | None = None
) -> None:
    """Run a step: check what it is given, call it on fresh directories, move the finished ones into place.

    One that trains several times, or is given several trainings of a way, is called for each, in this process; a
    training that is there, made from the same, is not made again.

    Args:
        name: The step.
        artifacts: Path of every input and output; a list of paths where an input may be several.
        parameters: Value of every parameter.
        recipe: Name under which the results are shown; it changes no number.
        record: File for the record of the run; beside the first output if not given.

    Raises:
        UserError: A parameter or an input is not what the step needs, or the inputs do not belong together.
    """
    step = load(name)
    values = step.checked(parameters)
    for key in step.outputs:
        unfinished(key, Path(artifacts[key]))  # which refuses a place without a name
    targets = {Path(artifacts[key]).absolute() for key in step.outputs}
    if len(targets) < len(step.outputs):
        raise UserError(f"{step.name}: {' and '.join(step.outputs)} are at one place: give each a folder of its own")
    first = Path(artifacts[next(iter(step.outputs))])
    file = record or record_beside(first)
    known = {one.digest: one for one in (Record.read_all([file]) if file.is_file() else ())}
    runs = runs_of(step, artifacts, values)
    for target in targets:
        make_room(target, len(runs))
    records = []
    for number, one in enumerate(runs):
        note = note_beside(first, number)
        there = known.get(made_of(step, one)) if len(runs) > 1 and is_made(step.name, *one, note) else None
        if there:
            print(f"{step.name}: training {number + 1} of {len(runs)} is there already", flush=True)
        records.append(there or run_once(step, *one, recipe))
        write_records(records, file)
        if "repeats" in values:
            write_note(step.name, *one, note)


def runs_of(step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> list[Run]:
    """Return the paths and the values of each run of a step: one for every training that it makes or is given.

    A step that makes what is of a training, such as a classifier or a report, takes the first training of all that it
    is given for its first, and so on; one that trains several times takes a seed more each time.
    """
    if not any(kind.of_training for kind in step.outputs.values()):
        return [(artifacts, values)]
    given = {key: kind for key, kind in step.inputs.items() if getattr(kind, "of_training", False)}
    paths = {key: [Path(path) for path in listed(artifacts[key])] for key in given}
    trainings = values.get("repeats") or max((count_trainings(one) for own in paths.values() for one in own), default=1)
    runs: list[Run] = []
    for number in range(trainings):
        own: dict[str, Any] = {**artifacts}
        for key, several in paths.items():
            taken = [nth_training(path, number) for path in several]
            own[key] = taken if key in step.several else taken[0]
        for key in step.outputs:
            own[key] = training_paths(Path(artifacts[key]), trainings)[number]
        seeded = {"seed": values["seed"] + number, "repeats": 1} if "repeats" in values else {}
        runs.append((own, {**values, **seeded}))
    return runs


def listed(paths: Any) -> Sequence[Any]:
    return [paths] if isinstance(paths, str | Path) else paths


def made_of(step: Step, run: Run) -> str:
    """Return the digest of what a step has made in a run, as the lineage of its outputs has it; empty if nothing."""
    path = Path(run[0][next(iter(step.outputs))]) / MANIFEST
    return read_json(path)["lineage"].get(step.name, "") if path.is_file() else ""


def run_once(step: Step, artifacts: Mapping[str, Any], values: Mapping[str, Any], recipe: str) -> Record:
    """Run a step for one training; return the record of it. Arguments are as `run` takes them, the values checked.

    Raises:
        UserError: An input is not what the step needs, or the inputs do not belong together.
    """
    inputs = read_inputs(step, artifacts)
    manifest = inherited(step, inputs)
    manifest["parameters"][step.name] = values
    digest = inputs_digest(step, inputs, values)
    versions = {"python": platform.python_version(), **installed(code.packages(step.name))}
    account = Record(step.name, "", recipe, {}, versions, revisions())
    first = Path(artifacts[next(iter(step.outputs))])
    with machine_said(step.name, first), ExitStack() as stack:
        outputs = {}
        for key, kind in step.outputs.items():
            output = kind(unfinished(key, Path(artifacts[key])), deepcopy(manifest), sha256(digest, key), account)
            stack.enter_context(claimed(output))
            outputs[key] = output
        step.function(*inputs.values(), *outputs.values(), **step.arguments(values))
        for output in outputs.values():
            shutil.rmtree(output.resume, ignore_errors=True)
        made = finish(step, outputs)
        for key, output in outputs.items():
            replace(output.path, Path(artifacts[key]))
        return dataclasses.replace(account, digest=made, machine=machine_type())


def read_inputs(step: Step, artifacts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artifacts and records that a step takes, opened; a list where it takes several."""
    return {
        key: kind.read_all(artifacts[key]) if key in step.several else kind.read(artifacts[key])
        for key, kind in step.inputs.items()
    }


def inputs_digest(step: Step, inputs: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return the digest of all that a step makes its outputs from: inputs, parameters, code, versions of packages."""
    digests = {
        key: [one.digest for one in given] if isinstance(given, list) else given.digest for key, given in inputs.items()
    }
    return sha256(step.name, values, digests, code.digest(step.name), code.versions(step.name))


def is_made(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> bool:
    """Return whether a step's outputs are there, made from these inputs, values and code, as a note says.

    Args:
        name: The step.
        artifacts: Path of every input and output.
        values: Its parameters.
        note: The file that `write_note` wrote.
    """
    step = load(name)
    outputs = (Path(own[key]) for own, _ in runs_of(step, artifacts, step.checked(values)) for key in step.outputs)
    there = all((output / MANIFEST).is_file() for output in outputs)
    return there and note.is_file() and note.read_text(encoding="utf-8") == note_of(name, artifacts, values)


def write_note(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any], note: Path) -> None:
    """Note from what a step's outputs were made, in one move; arguments as `is_made` takes them."""
    unfinished = note.with_name(f".{note.name}")
    unfinished.write_text(note_of(name, artifacts, values), encoding="utf-8")
    unfinished.replace(note)


def note_of(name: str, artifacts: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return the digest of all that a step would make its outputs from."""
    step = load(name)
    runs = runs_of(step, artifacts, step.checked(values))
    digests = [inputs_digest(step, read_inputs(step, own), read) for own, read in runs]
    return digests[0] if len(digests) == 1 else sha256(digests)


def finish(step: Step, outputs: Mapping[str, Artifact]) -> str:
    """Write the manifests of a step's outputs, with their digests; return the step's digest in their lineage.

    That is the digest of its output, or of all where there are several, so that they are known to belong together.
    """
    for output in outputs.values():
        output.manifest["digest"] = output.digest or output.content_digest()
    digests = {key: output.digest for key, output in outputs.items()}
    made = sha256(digests) if len(digests) > 1 else next(iter(digests.values()))
    for output in outputs.values():
        output.manifest["lineage"][step.name] = made
        output.write_manifest()
    return made


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each package that is installed."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def unfinished(key: str, target: Path) -> Path:
    """Return where an artifact is made before it is moved to its target.

    Raises:
        UserError: The target is no folder with a name of its own.
    """
    if not target.name:
        raise UserError(f"{key} is a folder of its own, to be made; received {str(target)!r}")
    return target.with_name(f".{target.name}.unfinished")


@contextmanager
def claimed(output: Artifact) -> Iterator[None]:
    """Hold the folder in which an artifact is made, so that no second run makes it at the same time; that one waits.

    The folder begins empty, but for what a run with the same inputs, parameters and code left to go on from; that alone
    stays where the run breaks off.
    """
    folder = output.path
    handle = held(folder)
    try:
        clear(folder, output.resume)
        yield
    finally:
        if folder.exists():
            clear(folder, output.resume)
            if not any(folder.iterdir()):
                folder.rmdir()
        os.close(handle)


def held(folder: Path) -> int:
    """Lock a folder, made where it is missing, and return its open handle; the lock ends with the process."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            made = folder.with_name(folder.name[1:].removesuffix(".unfinished"))
            print(f"waiting for another run, which is making {made}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)  # the other run has moved it into place


def clear(folder: Path, kept: Path) -> None:
    """Empty a folder but for one path in it."""
    for path in folder.iterdir():
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def inherited(step: Step, inputs: Mapping[str, Artifact | list[Artifact]]) -> dict[str, Any]:
    """Return what a step's outputs take over from the manifests of its inputs.

    The artifacts of one list are alternatives: they have their kind's common ground, and what else they differ in is
    left out.

    Raises:
        UserError: Two inputs go back to different runs of one step, so that they do not belong together.
    """
    manifest: dict[str, Any] = {"facts": {}, "parameters": {}, "lineage": {}}
    for given in inputs.values():
        artifacts = given if isinstance(given, list) else [given]
        if not artifacts or isinstance(artifacts[0], Record):
            continue
        manifests, ground = [artifact.manifest for artifact in artifacts], type(artifacts[0]).common_ground
        common = {part: alike([one[part] for one in manifests]) for part in manifest}
        for ancestor in dict.fromkeys(ancestor for one in manifests for ancestor in one["lineage"]):
            digest = common["lineage"].get(ancestor)
            if ancestor in ground if digest is None else manifest["lineage"].get(ancestor, digest) != digest:
                raise UserError(f"{step.name}: its inputs go back to different runs of {ancestor}: make them from one")
        for part, own in manifest.items():
            own.update(common[part])
    return manifest


def alike(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what one of the mappings says and none of the others contradicts."""
    return {
        key: value
        for one in mappings
        for key, value in one.items()
        if all(other.get(key, value) == value for other in mappings)
    }


def revisions() -> dict[str, str]:
    """Return the git revision of the code and the one by which DVC knows the data; none where nobody knows.

    The second is the last commit that changed `data/dvc.lock`, with `-dirty` where that file has changed since. Outside
    git, as in an image, they are GRAFT_REVISION and GRAFT_DVC_REVISION.
    """
    known = {name: git("log", "-1", "--format=%H", "--", *paths) for name, (_, *paths) in REVISIONS.items()}
    if git("status", "--porcelain", "--", "data/dvc.lock"):
        known["dvc_revision"] = f"{known['dvc_revision'] or 'none'}-dirty"
    known = {name: known[name] or os.environ.get(variable, "") for name, (variable, *_) in REVISIONS.items()}
    return {name: revision for name, revision in known.items() if revision}


def git(*arguments: str) -> str:
    """Return what git answers about the project; nothing where there is no git."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def replace(finished: Path, target: Path) -> None:
    """Put a finished directory where the target was; the old one goes only then.

    Raises:
        UserError: What is there is something else than such an artifact.
    """
    if target.exists() and not (target / MANIFEST).is_file():
        names, own = ({path.name for path in folder.glob("*")} for folder in (target, finished))
        if target.is_file() or names - own:
            raise UserError(f"{target} is no artifact, and is not replaced: give another path")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    shutil.rmtree(old, ignore_errors=True)
