"""Edits of params.yaml that leave every line as it is but those that they add."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
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
    """Return a copy of a mapping or a list that YAML writes on one line, such as `{a: 1}` or `[a, b]`."""
    collection = CommentedMap(value) if isinstance(value, Mapping) else CommentedSeq(value)
    collection.fa.set_flow_style()
    return collection


def quote_text(value: Any) -> Any:
    """Return a value with each text, keys too, in single quotes, save for words and paths that YAML reads as is."""
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
    name, source = quote_text(name), quote_text(source)

    def edit(content: CommentedMap) -> None:
        if not content["data"].get("own"):
            content["data"]["own"] = CommentedMap()
        content["data"]["own"][name] = on_one_line(source)
        switch_on(content, name)
        if content["recipes"]:
            bind_comment_to_first_key(content, "recipes")
        else:
            content["recipes"] = CommentedMap()
        content["recipes"].insert(0, name, recipe_block({"data": name, **recipe}))

    return edit_text(text, name, edit)


def write_recipe(text: str, name: str, recipe: Mapping[str, Any], instead_of: str = "") -> str:
    """Return params.yaml's text with a recipe, switched on: in its old place, else behind the one that it is like.

    Nothing is written to the file.

    Args:
        text: That of a valid params.yaml.
        name: The recipe's.
        recipe: Its entries, `like` among them.
        instead_of: A recipe in whose place it is switched on, if that one is and it is not yet.

    Raises:
        UserError: The text is written so that a comment would be lost.
    """

    def edit(content: CommentedMap) -> None:
        if name in content["recipes"]:
            comment = take_comment_behind(content["recipes"][name])
            content["recipes"][name] = block = recipe_block(recipe)
        else:
            place = [*content["recipes"]].index(recipe["like"]) + 1
            comment = take_comment_behind(content["recipes"][recipe["like"]], "\n\n")
            content["recipes"].insert(place, quote_text(name), block := recipe_block(recipe))
        if comment:
            block.ca.items[[*block][-1]] = [None, None, CommentToken(comment, CommentMark(0)), None]
        active = content["active"] or CommentedSeq()
        if instead_of in active and name not in active:
            active[active.index(instead_of)] = quote_text(name)
        else:
            switch_on(content, quote_text(name))

    return edit_text(text, name, edit)


def recipe_block(recipe: Mapping[str, Any]) -> CommentedMap:
    """Return a recipe's entries as a mapping that YAML writes with each entry on a line, texts in quotes if needed."""
    entries = quote_text(recipe).items()
    return CommentedMap({key: value if isinstance(value, str) else on_one_line(value) for key, value in entries})


def switch_on(content: CommentedMap, name: str) -> None:
    """Put a recipe's name first in the content's `active`, unless it is there already."""
    if not content["active"]:
        content["active"] = CommentedSeq()
    if name not in content["active"]:
        content["active"].insert(0, name)


def edit_text(text: str, name: str, edit: Callable[[CommentedMap], None]) -> str:
    """Return the text of params.yaml after an edit of its content, with its line ends and its byte order mark.

    Args:
        text: That of a valid params.yaml.
        name: The recipe that is added, for the error's line.
        edit: Changes the content that it is given.

    Raises:
        UserError: A comment would be lost.
    """
    editor = round_trip_yaml()
    content = editor.load(text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n"))
    edit(content)
    written = io.StringIO()
    editor.dump(content, written)
    if lost := [line for line in comments(text) if line not in comments(written.getvalue())]:
        raise UserError(
            f"params.yaml: the comment {shorten(lost[0])} would be lost, where brackets go over several lines: write "
            f"these with one entry a line, or write the recipe {name} by hand"
        )
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    return mark + written.getvalue().replace("\n", "\r\n" if "\r\n" in text else "\n")


def take_comment_behind(value: Any, left: str = "") -> str:
    """Cut out and return the comment and blank lines behind a mapping or list, a line end first; "" if there are none.

    ruamel.yaml keeps them with the last entry, behind that line's own comment, which stays.

    Args:
        value: The mapping or list.
        left: What is left there: line ends.
    """
    key = [*value][-1] if isinstance(value, CommentedMap) else len(value) - 1
    if isinstance(inner := value[key], CommentedMap | CommentedSeq) and inner and not inner.fa.flow_style():
        return take_comment_behind(inner, left)
    slots = value.ca.items.setdefault(key, [None] * 4)
    number = next((number for number, slot in enumerate(slots) if isinstance(slot, CommentToken)), 2)
    line_comment, _, behind = slots[number].value.partition("\n") if slots[number] else ("", "", "")
    slots[number] = CommentToken(line_comment + left, CommentMark(0)) if line_comment + left else None
    return f"\n{behind}" if behind else ""


def comments(text: str) -> list[str]:
    """Return in order, stripped, the rest of each line behind a `#` that begins it or has a blank or tab before it."""
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
