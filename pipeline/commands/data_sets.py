"""Commands on labelled images of one's own: looking at them, and taking them into params.yaml with a recipe."""

from collections.abc import Sequence
from typing import Annotated

from components.data.splitting import METHODS
from components.system.errors import fold_words
from components.system.limits import Links, Names, Range
from pipeline import recipes
from pipeline.commands.words import Name

Source = Annotated[str, "SOURCE", Range("a folder, an archive or an address", str.strip)]
Method = Annotated[str, "METHOD", Names("split method", METHODS)]


def look(source: Source, *, method: Method | None = None, links: Links = "inside") -> None:
    """Print what labelled images hold: classes, parts, duplicates, what a test can tell; write nothing.

    Args:
        source: A folder, an archive (tar, tar.gz, zip) or its http(s) address.
        method: How the images are split; by what is published, or by groups, where there are any, if not given.
        links: Where links to files may lead that are in a folder: `inside` it, or also out of it, to a `store`.
    """
    from pipeline import looking

    looking.look_at(recipes.read(), {"source": source, "links": links}, method)


def new(
    source: Source,
    *,
    name: Name = "",
    network: Sequence[Name] = (),
    method: Method | None = None,
    links: Links = "inside",
) -> None:
    """Look at labelled images; write them into params.yaml, with a recipe of one or more networks.

    Where something about them is refused, nothing is written.

    Args:
        source: A folder, an archive (tar, tar.gz, zip) or its http(s) address.
        name: Of the data set and the recipe; that of the folder or archive if not given.
        network: A pretrained network; mobilenet_v2 if none is given.
        method: How the images are split; by what is published, or by groups, where there are any, if not given.
        links: Where links to files may lead that are in a folder: `inside` it, or also out of it, to a `store`.
    """
    from pipeline import drafting

    draft = drafting.draft_recipe(recipes.read_text(), {"source": source, "links": links}, name, network, method)
    recipes.write_text(draft.text)
    print(f"new: params.yaml has the data set and the recipe {draft.name}, with {fold_words(draft.networks)}")
    others = f" and {fold_words(draft.others)}, as `active:` in params.yaml says" if draft.others else ""
    print(f"new: `make repro` runs {draft.name}{others}")
