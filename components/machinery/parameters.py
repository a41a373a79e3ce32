"""Reads the parameters of a step: their types and limits from its signature, their values from text and YAML."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import yaml

from components.system.errors import UserError, shorten, unknown_name
from components.system.limits import ListText, Names, Range

TYPES = {int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """The type of a parameter, its limits within that type, and its default, None where a value has to be given."""

    kind: type
    limits: Range | Names | ListText | None = None
    default: Any = None

    @classmethod
    def of(cls, hint: Any, default: Any = None) -> "Parameter":
        """Return the parameter that a type hint describes: a type, or `Annotated[type, limits]`."""
        kind, limits = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
        return cls(kind, limits, default)

    def read(self, where: str, name: str, value: Any) -> Any:
        """Return a value, checked, in its type: text to a number, 1.0 to 1, a list to text, a bool to `on` or `off`.

        Nothing else is converted.

        Raises:
            UserError: The value has another type, such as a boolean where no names are `on` and `off`, is not
                finite, or is outside the limits.
        """
        if isinstance(self.limits, ListText):
            try:
                return self.limits.text(value)
            except ValueError:
                raise UserError(f"{where}: {name} is {self.limits}; received {shorten(value)}") from None
        if isinstance(value, bool) and isinstance(self.limits, Names) and {"on", "off"} <= {*self.limits.known}:
            value = "on" if value else "off"  # as YAML reads them without quotes
        try:
            if isinstance(value, bool) or (self.kind is str and not isinstance(value, str)):
                raise ValueError
            read = self.kind(value)
            if self.kind is not str and (not math.isfinite(read) or read != float(value)):
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise UserError(f"{where}: {name} is {TYPES[self.kind]}; received {shorten(value)}") from None
        if isinstance(self.limits, Names) and not self.limits.admits(read):
            raise UserError(f"{where}: {unknown_name(self.limits.noun, read, self.limits.known)}")
        if isinstance(self.limits, Range) and not self.limits.holds(read):
            raise UserError(f"{where}: {name} is {self.limits.words}; received {shorten(read)}")
        return read


def keyword_types(function: Callable[..., Any]) -> dict[str, type]:
    """Return the annotation, limits included, of each keyword-only argument of a function or a dataclass, by name."""
    hints = get_type_hints(function, include_extras=True)
    return {name: hints[name] for name in inspect.getfullargspec(function).kwonlyargs}


def parameters_of(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Return each parameter of a function, by name: its keyword-only arguments, a dataclass replaced by its fields."""
    parameters: dict[str, Parameter] = {}
    defaults = inspect.getfullargspec(function).kwonlydefaults or {}
    for name, kind in keyword_types(function).items():
        parameters |= parameters_of(kind) if is_dataclass(kind) else {name: Parameter.of(kind, defaults.get(name))}
    return parameters


def arguments_of(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's keyword arguments, picked from values; one that is a dataclass is made from its fields."""
    return {
        name: kind(**arguments_of(kind, values)) if is_dataclass(kind) else values[name]
        for name, kind in keyword_types(function).items()
    }


def read_yaml(file: Path) -> Any:
    """Return what a YAML file holds, of whatever type; None where it is empty.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {file} here: run this in the repository's root") from None
    except RecursionError:
        raise UserError(f"cannot read {file}: it is nested too deeply") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {file}: {' '.join(str(error).split())}") from error
