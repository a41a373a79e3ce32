"""A function as a command: its signature says what the command line takes, its docstring what each of that is for.

Parameters before `*` are given by position, those after it as `--the-name VALUE`; what has a default may be left out. A
`bool` is a flag. A `Sequence` is one value or more: an option of paths takes all that follow it, as a shell writes out
`*.jpg`; an option of other values is given once for each. `Annotated` adds what a value may be, a `Range` or `Names`,
and the word that stands for it in the help. `*words` takes all words as they are.
"""

import argparse
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from components.machinery.parameters import Parameter
from components.machinery.signature import argument_descriptions, parse_docstring
from components.system.errors import Parser
from components.system.limits import Names, Range

REQUIRED = inspect.Parameter.empty
OMITTED = argparse.SUPPRESS  # a default: what is left out is not among the parsed arguments
Group = argparse.ArgumentParser | argparse._ArgumentGroup


@dataclass(frozen=True)
class CommandArgument:
    """One argument of a command.

    Args:
        name: Name of the function's parameter.
        kind: Type of one value: `str`, `int`, `float`, `Path`, or `bool` for a flag.
        description: What it is for.
        word: What stands for a value in the help.
        default: The parameter's value where the argument is left out; `REQUIRED` if it may not be.
        several: Whether it takes more than one value.
        by_position: Whether it is given without its name.
        limits: What a value may be, besides its type.
        dashed: Whether dashes stand for underscores in what is typed; a step's parameter is typed as it is called.
    """

    name: str
    kind: type
    description: str
    word: str
    default: Any = REQUIRED
    several: bool = False
    by_position: bool = False
    limits: Range | Names | None = None
    dashed: bool = False

    @classmethod
    def of(cls, parameter: inspect.Parameter, hint: Any, description: str) -> "CommandArgument":
        """Return the argument that a parameter with a type hint describes; `X | None` is as `X`."""
        if NoneType in get_args(hint):
            (hint,) = {*get_args(hint)} - {NoneType}
        if several := get_origin(hint) is Sequence:
            (hint,) = get_args(hint)
        kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        word = next((note for note in notes if isinstance(note, str)), parameter.name.upper())
        limits = next((note for note in notes if isinstance(note, Range | Names)), None)
        by_position = parameter.kind is not parameter.KEYWORD_ONLY
        return cls(parameter.name, kind, description, word, parameter.default, several, by_position, limits, True)

    @property
    def help(self) -> str:
        """Its description, then in brackets its limits and a default that is a number or path; a `%` is doubled."""
        notes = [str(self.limits)] if self.limits else []
        if isinstance(self.default, int | float | Path) and self.kind is not bool:
            notes.append(f"{self.default} if not given")
        text = f"{self.description.removesuffix('.')} ({'; '.join(notes)})" if notes else self.description
        return text.replace("%", "%%")

    @property
    def option(self) -> str:
        """What is typed for it where it is not given by position, such as `--at-least`, or `--batch_size` of a step."""
        return f"--{self.name.replace('_', '-') if self.dashed else self.name}"

    def add_to(self, parser: Group, command: str) -> None:
        """Add the argument to a command's parser, or to a group in it: as a flag, by position or as an option.

        Args:
            parser: The parser or group.
            command: Name of the command, for the errors of values.
        """
        if self.kind is bool:
            parser.add_argument(self.option, action="store_true", help=self.help)
            return
        settings: dict[str, Any] = {"metavar": self.word, "help": self.help, "type": self.reader(command)}
        if self.default is not REQUIRED:
            settings["default"] = [*self.default] if self.several else self.default
        if self.by_position:
            number = ("+" if self.several else None, "*" if self.several else "?")[self.default is not REQUIRED]
            parser.add_argument(self.name, nargs=number, **settings)
            return
        if self.several:
            settings |= {"action": "extend", "nargs": "+"} if self.kind is Path else {"action": "append"}
        parser.add_argument(self.option, required=self.default is REQUIRED, **settings)

    def reader(self, command: str) -> Callable[[str], Any]:
        """Return what converts a word to a value: `Path`, or else a function, which raises a UserError on a bad one."""
        if self.kind is Path:
            return Path
        parameter = Parameter(self.kind, self.limits)
        return lambda text: parameter.read(command, self.name, text)


def read_arguments(function: Callable[..., None]) -> list[CommandArgument]:
    """Return the arguments of a command, in the order of its function's signature, as its docstring describes them."""
    hints, descriptions = get_type_hints(function, include_extras=True), argument_descriptions(function)
    parameters = inspect.signature(function).parameters
    return [CommandArgument.of(one, hints[name], descriptions[name]) for name, one in parameters.items()]


def command_parser(function: Callable[..., None], command: str) -> Parser:
    """Return the parser of a command's arguments, derived from the signature and the docstring of its function.

    Args:
        function: The command.
        command: What is typed to call it, such as `graft predict`.
    """
    parser = Parser(prog=command, description=parse_docstring(function).description, allow_abbrev=False)
    for argument in read_arguments(function):
        argument.add_to(parser, function.__name__)
    return parser


def run_command(function: Callable[..., None], command: str, words: Sequence[str]) -> None:
    """Call a command's function with what the words after its name say; where they ask for help, print it and exit.

    A function of `*words` gets the words as they are.

    Args:
        function: The command.
        command: What is typed to call it, such as `graft predict`.
        words: What is typed after that.

    Raises:
        UserError: An argument is unknown, missing, or not what it may be.
    """
    if inspect.getfullargspec(function).varargs:
        function(*words)
    else:
        function(**vars(command_parser(function, command).parse_args(words)))
