"""Checks sections of a YAML file against pydantic models; the first error becomes one line."""

import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from components.machinery.parameters import TYPES, Parameter
from components.system.errors import LONGEST, UserError, redact, shorten, unknown_name

WORDS = {
    "int_type": TYPES[int],
    "dict_type": "`name: value` lines",
    "string_type": TYPES[str],
    "string_unicode": TYPES[str],
    "invalid_key": TYPES[str],
}  # by pydantic's types of errors
K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A section with fixed names: every one that has no default is there, and no other; no value changes its type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    noun: ClassVar[str] = "setting"  # what a name in the section names

    @model_validator(mode="before")
    @classmethod
    def check_names(cls, lines: Any) -> Any:
        """Return the section unchanged if it is a mapping with every required name and no unknown one; else raise.

        A model with `extra` takes unknown names as well.
        """
        if not isinstance(lines, dict):
            raise ValueError(f"`name: value` lines with {', '.join(cls.model_fields)}")
        for name in lines:
            if name not in cls.model_fields and cls.model_config["extra"] == "forbid":
                raise complaint(unknown_name(cls.noun, name, cls.model_fields))
        missing = [name for name, field in cls.model_fields.items() if field.is_required() and name not in lines]
        if missing:
            raise complaint(f"lines are missing: {', '.join(missing)}")
        return lines

    def written_values(self) -> dict[str, Any]:
        """Return the checked values that the section itself gives, by name; a name left to its default is left out."""
        return {name: getattr(self, name) for name in self.__pydantic_fields_set__}


Lines = Annotated[dict[K, V], BeforeValidator(lambda lines: {} if lines is None else lines)]  # names are free


def parse(model: type[S], content: Any, where: str, **context: Any) -> S:
    """Return a section as an instance of its pydantic model, checked; the first error becomes a UserError of one line.

    Args:
        model: What the section has to be.
        content: The section as YAML reads it.
        where: What a message calls the section.
        context: What the model's validators know besides.

    Raises:
        UserError: Something in the section is missing, unknown, or not what it may be.
    """
    try:
        return model.model_validate(content, context=context)
    except ValidationError as error:
        raise UserError(error_line(error.errors(include_url=False)[0], where)) from None


def error_line(error: ErrorDetails, where: str) -> str:
    """Return a pydantic error as a line, `PLACE is WHAT BELONGS THERE; received VALUE`; a complaint as `PLACE: ...`.

    The value is shortened, and shows no password of an address. A complaint's own message follows its place.
    """
    path = [str(part)[:LONGEST] for part in error["loc"]]
    is_name = path[-1:] == ["[key]"]
    where = ": ".join([where, *(path[:-2] if is_name else path)])
    if error["type"] == "complaint":
        return f"{where}: {error['msg']}"
    words = error["ctx"]["error"] if error["type"] == "value_error" else WORDS.get(error["type"], error["msg"])
    quotes = "; put it in quotes" if words == TYPES[str] and isinstance(error["input"], bool | int | float) else ""
    return f"{where}{': a name' if is_name else ''} is {words}; received {redact(shorten(error['input']))}{quotes}"


def complaint(message: object) -> PydanticCustomError:
    """Return an error for a validator to raise, its message shown as it is; a ValueError says what belongs there."""
    return PydanticCustomError("complaint", "{message}", {"message": str(message)})


def rule(words: str, holds: Callable[[Any], object], before: bool = False) -> AfterValidator | BeforeValidator:
    """Return a validator that gives back a value for which a condition holds, and else raises a ValueError of `words`.

    Args:
        words: What a value is for which the condition holds.
        holds: The condition.
        before: Whether it is about the value as received, of whatever type.
    """

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(words)
        return value

    return BeforeValidator(check) if before else AfterValidator(check)


def matches(words: str, pattern: str) -> AfterValidator | BeforeValidator:
    """Return a validator that a text as a whole matches a regular expression; `words` say what such a text is."""
    return rule(words, lambda text: re.fullmatch(pattern, text, re.ASCII))


def list_of(noun: str, least: int = 0) -> AfterValidator | BeforeValidator:
    """Return a validator that a value is a list of `least` entries or more, in words `a list of NOUN[, one or more]`.

    Where `least` is not 0, `, one or more` follows. The entries themselves are not checked.
    """
    words = f"a list of {noun}{', one or more' if least else ''}"
    return rule(words, lambda entries: isinstance(entries, list) and len(entries) >= least, before=True)


def one_of(noun: str, names: Collection[str]) -> AfterValidator:
    """Return a validator that a name is one of several; its message suggests the nearest and lists all, or a dozen."""

    def check(name: str) -> str:
        if name not in names:
            raise complaint(unknown_name(noun, name, names))
        return name

    return AfterValidator(check)


def like_parameter(hint: Any) -> PlainValidator:
    """Return a validator that converts a value, and limits it, as a step's parameter with this annotation does."""
    parameter = Parameter.of(hint)

    def read(value: Any) -> Any:
        try:
            return parameter.read("", "", value)
        except UserError:
            raise ValueError(f"{TYPES[parameter.kind]}, {parameter.limits}") from None

    return PlainValidator(read)
