"""Sources on this machine: whether they are there, and the listings by which DVC knows whether they have changed.

No folder of a person's own is a dependency of DVC, which would stop, or wait for ever, at what `fetch` leaves out.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.data.content import sha256
from components.data.listing import list_source
from components.data.sources import local_path
from components.system.errors import UserError, shorten
from components.system.project import project_root
from pipeline import recipes
from pipeline.collection import is_dependency, local_source, weights_kind
from pipeline.places import COLLECTIONS, listing_path

FOLDERS = {"data": COLLECTIONS["images"], "weights": COLLECTIONS["weights"]}


def check_sources(content: Mapping[str, Any]) -> None:
    """Check that the paths declared for data sets and weights that recipes switched on use exist; addresses pass.

    Raises:
        UserError: One does not.
    """
    for name in content["active"]:
        recipe = recipes.resolve(content, name)
        check_source(content, "data", recipe.data)
        for network in recipe.networks:
            check_source(content, "weights", network)


def check_source(content: Mapping[str, Any], noun: str, name: str) -> None:
    """Check that a declared path leads to data, or to the file or folder that weights need, or was listed before.

    What is not declared, or has an address, passes.

    Raises:
        UserError: It is not, and nothing was listed from there before.
    """
    source = local_source(content, noun, name)
    if not source:
        return
    missing = "nothing" if noun == "data" else f"no {weights_kind(content, name)}"
    if is_there(noun, source, missing) or was_listed(listing_path(FOLDERS[noun] / name), source):
        return
    advice = f"correct the source; a path that is not absolute begins at {shorten(str(project_root()))}"
    if is_dependency(noun, source) and local_path(source).exists():
        advice = "`git add` or `dvc add` it, for this copy of the project has only what is tracked"
    raise UserError(f"{noun}: own: {name}: {missing} is at {shorten(source)}: {advice}")


def is_there(noun: str, source: str, missing: str) -> bool:
    """Return whether a file, a folder or either is at a path, as `missing` is `no file`, `no folder` or `nothing`."""
    path = Path(source) if is_dependency(noun, source) else local_path(source)
    try:
        return {"no file": path.is_file, "no folder": path.is_dir, "nothing": path.exists}[missing]()
    except OSError:  # a name too long, or a folder that this user may not look into
        return False


def was_listed(file: Path, source: str) -> bool:
    """Return whether a listing file, kept beside what was fetched and brought by `dvc pull`, is of this source."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))["source"] == source
    except (OSError, ValueError, LookupError, TypeError):
        return False


def write_listing(name: str, source: str, output: Path, beside: str = "") -> None:
    """Write the digest of a source's listing beside what is fetched from it, and print how much there is.

    Where the source is not on this machine, what was listed before stays, so that nothing is fetched; it is said.

    Args:
        name: Of the data set or the weights.
        source: The path, as declared.
        output: The path of what is fetched.
        beside: A file beside the source that is listed as well, where there is one, such as a table of labels.

    Raises:
        UserError: Nothing is there, and nothing was listed before.
    """
    path, file = local_path(source), listing_path(output)
    if not path.exists():
        if not was_listed(file, source):
            raise UserError(f"{name}: nothing is at {source}: correct the source in params.yaml")
        print(f"{name}: nothing is at {source} on this machine: what was fetched from there before is taken")
        return
    lines = list_source(path)
    if beside and local_path(beside).is_file():
        lines += list_source(local_path(beside))
    files = sum(b"\0" in line for line in lines)  # the line of a folder is its path alone
    content = {"source": source, "files": files, "digest": sha256([line.hex() for line in lines])}
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(file)
    print(f"{name}: {files:,} {'file is' if files == 1 else 'files are'} at {source}")
