"""Commands on labelled images of one's own: looking at them, and taking them into params.yaml with a recipe."""

from collections.abc import Sequence
from typing import Annotated

import yaml

from components.system.errors import fold_words
from components.system.limits import Range
from pipeline import recipes
from pipeline.commands.words import Assignment, Name, read_assignments

Source = Annotated[str, "SOURCE", Range("a folder, an archive or an address", str.strip)]


def look(source: Source, *, set: Sequence[Assignment] = ()) -> None:
    """Print what labelled images hold: classes, parts, duplicates, what a test can tell; write nothing.

    Where a recipe has been run on them, what more images would bring to it is printed, too.

    Args:
        source: A folder, an archive (tar, tar.gz, zip) or its http(s) address; or a table of labels in such a folder.
        set: What is not the default, as in fetch.labels=names, split.method=random or audit.near=off.
    """
    from pipeline import looking

    content = recipes.read()
    source, assignments = looking.read_source_word(source, read_assignments(set))
    looking.look_at(content, source, assignments)
    looking.print_lines(*looking.forecast_lines(content, source, looking.sections(assignments).get("fetch", {})))


def new(source: Source, *, name: Name = "", network: Sequence[Name] = (), set: Sequence[Assignment] = ()) -> None:
    """Look at labelled images; write them into params.yaml, with a recipe of one or more networks.

    What the recipe will take on the disk is printed, from shapes. Where something is refused, nothing is written.

    Args:
        source: A folder, an archive (tar, tar.gz, zip) or its http(s) address; or a table of labels in such a folder.
        name: Of the data set and the recipe; that of the folder or archive if not given.
        network: A pretrained network; mobilenet_v2 if none is given.
        set: What is not the default, as in fetch.labels=names, split.method=random or augment.flip=horizontal.
    """
    from pipeline import drafting, looking, planning, room

    source, assignments = looking.read_source_word(source, read_assignments(set))
    draft = drafting.draft_recipe(recipes.read_text(), source, name, network, assignments)
    tasks = planning.tasks_by_recipe(yaml.safe_load(draft.text), [draft.name])[draft.name]
    disk = room.disk_text(tasks, draft.images)
    recipes.write_text(draft.text)
    print(f"new: params.yaml has the data set and the recipe {draft.name}, with {fold_words(draft.networks)}")
    others = f" and {fold_words(draft.others)}, as `active:` in params.yaml says" if draft.others else ""
    print(f"new: {disk}; `graft check --cost` says seconds and memory, once they are fetched")
    print(f"new: `make repro` runs {draft.name}{others}")
