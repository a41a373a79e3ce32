"""Edits of params.yaml that leave every line as it is but those that they add."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import SingleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from components.system.errors import UserError, shorten

BYTE_ORDER_MARK = "\ufeff"


def round_trip_yaml() -> YAML:
    """Return a reader and writer of YAML that keeps comments, quotes and order, in the style of params.yaml."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 1000
    editor.indent(mapping=2, sequence=4, offset=2)
    return editor


def on_one_line(value: Mapping[str, Any] | Sequence[Any]) -> CommentedMap | CommentedSeq:
    """Return a mapping or a list as one that is written on one line."""
    collection = CommentedMap(value) if isinstance(value, Mapping) else CommentedSeq(value)
    collection.fa.set_flow_style()
    return collection


def quote_text(value: Any) -> Any:
    """Return a value with every text in it in quotes where YAML would read it as something else without them."""
    if isinstance(value, Mapping):
        return {quote_text(key): quote_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [quote_text(inner) for inner in value]
    is_plain = not isinstance(value, str) or (re.fullmatch(r"[\w./~-]+", value) and yaml.safe_load(value) == value)
    return value if is_plain else SingleQuotedScalarString(value)


def insert_recipe(text: str, name: str, source: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """Return the text of params.yaml with a data set of one's own, and a recipe of the same name that is switched on.

    The recipe becomes the first of `recipes:` and of `active:`, the data set the last of `data: own:`.

    Args:
        text: That of a valid params.yaml, without the name.
        name: Of the data set and of the recipe.
        source: What `own:` says of the data set.
        recipe: The recipe's entries, beside `data`.

    Raises:
        UserError: The text is written so that a comment would be lost.
    """
    name, source, recipe = quote_text(name), quote_text(source), quote_text({"data": name, **recipe})
    editor = round_trip_yaml()
    content = editor.load(text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n"))
    if not content["data"].get("own"):
        content["data"]["own"] = CommentedMap()
    content["data"]["own"][name] = on_one_line(source)
    if not content["active"]:
        content["active"] = CommentedSeq()
    content["active"].insert(0, name)
    if content["recipes"]:
        bind_comment_to_first_key(content, "recipes")
    else:
        content["recipes"] = CommentedMap()
    entries = {key: value if isinstance(value, str) else on_one_line(value) for key, value in recipe.items()}
    content["recipes"].insert(0, name, CommentedMap(entries))
    written = io.StringIO()
    editor.dump(content, written)
    if lost := [line for line in comments(text) if line not in comments(written.getvalue())]:
        raise UserError(
            f"params.yaml: the comment {shorten(lost[0])} would be lost, where brackets go over several lines: write "
            f"these with one entry a line, or write the recipe {name} by hand"
        )
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    return mark + written.getvalue().replace("\n", "\r\n" if "\r\n" in text else "\n")


def comments(text: str) -> list[str]:
    """Return the comments in a YAML file, as far as a `#` behind a blank or at a line's begin tells them."""
    return [line.strip() for line in re.findall(r"(?:^|[ \t])#(.*)", text, re.MULTILINE)]


def bind_comment_to_first_key(parent: CommentedMap, key: str) -> None:
    """Bind the comment above the first key of an inner mapping to that key, below an empty line.

    Else what is inserted before the first key would come between the two.

    Args:
        parent: The mapping around it.
        key: The key of the inner mapping.
    """
    inner, slots = parent[key], parent.ca.items.get(key, [None] * 4)
    lines = [CommentToken("\n", CommentMark(0)), *(slots[3] or (inner.ca.comment or [None] * 2)[1] or [])]
    slots[3] = inner.ca.comment = None
    inner.ca.items.setdefault(next(iter(inner)), [None] * 4)[1] = lines
