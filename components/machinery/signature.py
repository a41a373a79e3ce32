"""Reads a step from its function: the signature and the docstring say everything about it.

Artifacts are its positional arguments, typed `Input[Kind]`, `Input[list[Kind]]` for one or more,
`OptionalInput[list[Kind]]` for any number, none too, or `Output[Kind]`; parameters are keyword-only `str`, `int` or
`float`, or a dataclass of such, which steps may share: its fields are parameters like the others. The command line, the
validation of recipes and the tests of `dvc.yaml` are derived from that.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import docstring_parser

from components import STEPS
from components.data.artifact import Artifact
from components.data.records import Record
from components.machinery import code
from components.machinery.parameters import Parameter, arguments_of, keyword_types, parameters_of
from components.system.errors import UserError, unknown_name

Kind = TypeVar("Kind", bound=Artifact)
Taken = TypeVar("Taken", bound=Artifact | Sequence[Artifact] | Sequence[Record])
Input = Annotated[Taken, "input"]
OptionalInput = Annotated[Taken, "optional input"]
Output = Annotated[Kind, "output"]


@dataclass(frozen=True)
class Step:
    """A step, as its function declares it.

    Args:
        name: Name of the step, of its module and of its function.
        function: The function itself.
        summary: First line of its docstring.
        descriptions: What the docstring says of each artifact and parameter.
        inputs: Kind of each artifact that it takes.
        several: Inputs that are one artifact or more.
        optional: Those of them that may be none.
        outputs: Kind of each artifact that it makes.
        parameters: What each parameter may be.
    """

    name: str
    function: Callable[..., None]
    summary: str
    descriptions: Mapping[str, str]
    inputs: Mapping[str, Any]
    several: frozenset[str]
    optional: frozenset[str]
    outputs: Mapping[str, type[Artifact]]
    parameters: Mapping[str, Parameter]

    def check_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values, each converted to its declared type, and the defaults of those that are not there.

        Raises:
            UserError: A parameter is unknown, missing or outside its limits, or two contradict each other.
        """
        for name in values:
            if name not in self.parameters:
                raise unknown_name(f"parameter of {self.name}", name, self.parameters)
        values = {name: kind.default for name, kind in self.parameters.items() if kind.default is not None} | {**values}
        missing = [name for name in self.parameters if name not in values]
        if missing:
            raise UserError(
                f"{self.name} lacks {', '.join(missing)}: set it in the recipe or give --{missing[0]} VALUE"
            )
        checked = {name: kind.read(self.name, name, values[name]) for name, kind in self.parameters.items()}
        self.function_arguments(checked)
        return checked

    def function_arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return checked parameters as the keyword arguments of the function, settings gathered in their dataclass.

        Raises:
            UserError: Two contradict each other.
        """
        try:
            return arguments_of(self.function, values)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def describe(self, name: str) -> str:
        """Return the docstring's description of an argument, followed in brackets by a parameter's limits, if any."""
        limits = self.parameters[name].limits if name in self.parameters else None
        return " ".join((self.descriptions[name], *([f"({limits})"] if limits else [])))

    def uses(self, library: str) -> bool:
        """Return whether the step computes with a package, such as `scikit-learn`; to read artifacts does not count."""
        return library in code.computing_packages(self.name)


@cache
def load_step(name: str) -> Step:
    """Return the step of a name, read from the signature and the docstring of its function; its module is imported.

    Raises:
        UserError: There is no step of that name.
    """
    if name not in STEPS:
        raise unknown_name("step", name, STEPS)
    function = getattr(importlib.import_module(f"components.{name}"), name)
    hints = get_type_hints(function, include_extras=True)
    artifacts: dict[str, dict[str, type[Artifact]]] = {"input": {}, "output": {}}
    several = set()
    optional = set()
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is not argument.KEYWORD_ONLY:
            kind, direction = get_args(hints[argument.name])
            if get_origin(kind) is list:
                (kind,) = get_args(kind)
                several.add(argument.name)
            if direction == "optional input":
                optional.add(argument.name)
            artifacts["output" if direction == "output" else "input"][argument.name] = kind
    return Step(
        name, function, parse_docstring(function).short_description or "", argument_descriptions(function),
        artifacts["input"], frozenset(several), frozenset(optional), artifacts["output"], parameters_of(function),
    )  # fmt: skip


def parse_docstring(documented: Any) -> docstring_parser.Docstring:
    """Return the parsed docstring of a function or a class; an empty one where it has none."""
    return docstring_parser.parse(inspect.getdoc(documented) or "", docstring_parser.DocstringStyle.GOOGLE)


def argument_descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """Return each argument's description in one line, by name; of one that is a dataclass those of its fields."""
    types, descriptions = keyword_types(function), dict[str, str]()
    for one in reversed(getattr(function, "__mro__", (function,))):
        for entry in parse_docstring(one).params:
            name, text = entry.arg_name, " ".join((entry.description or "").split())
            fields = dataclasses.is_dataclass(types.get(name))
            descriptions |= argument_descriptions(types[name]) if fields else {name: text}
    return descriptions
