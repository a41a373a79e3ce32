"""Commands on recipes: checking params.yaml, writing the stages, running them, removing what is no longer needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.system.processes import run_supervised
from pipeline import recipes, recovery
from pipeline.collection import declarations

if TYPE_CHECKING:
    from pipeline.arranging import Task


def check(*, cost: bool = False) -> None:
    """Check all of params.yaml but `cluster:`; repair DVC's lock files that a kill left half written.

    Args:
        cost: Rehearse what has to run, on some images, and print seconds, disk and memory of each stage; takes minutes.
    """
    for line in recovery.mend():
        print(line)
    content = recipes.read()
    tasks = check_tasks(content)
    if cost:
        from pipeline import pricing, room, stages

        stages.check(stages.render(content, tasks))
        room.check_room(tasks)
        prices = pricing.price_tasks(tasks)
        print("\n".join([*pricing.price_lines(prices), *pricing.explanation(tasks, prices)]))
        pricing.check_fit(prices)


def check_tasks(content: Mapping[str, Any]) -> "dict[str, Task]":
    """Check params.yaml without `cluster:`, and sources; return the active recipes' tasks by the names of their stages.

    Raises:
        UserError: Something in it is wrong.
    """
    from pipeline import planning, sources

    recipes.check(content)
    sources.check_sources(content)
    return planning.active_tasks(content)


def networks() -> None:
    """List the networks that a recipe may name: the image sizes that they take, and the terms of their weights."""
    from components.model.backbones import BACKBONES

    declared_weights = declarations(recipes.read(), "weights")
    width = max(map(len, (*BACKBONES, *declared_weights)))
    for name, entry in BACKBONES.items():
        takes = "a family: the folder of its weights says which sizes" if entry.from_folder else entry.sizes_text()
        print(f"{name:{width}}  {takes}; {entry.license}")
    for name, lines in declared_weights.items():
        print(f"{name:{width}}  your own, {lines['backbone']} from {lines['source']}")


def arrange() -> None:
    """Write the stages of all active recipes into dvc.yaml and data/dvc.yaml."""
    from pipeline import stages

    for line in recovery.mend():
        print(line)
    content = recipes.read()
    tasks = check_tasks(content)
    for file in stages.write(stages.render(content, tasks)):
        print(f"{file}: written; {len(tasks)} stages in all for {', '.join(content['active']) or 'no active recipe'}")


def plan() -> None:
    """Check params.yaml, and write the plan: the values and the digest of the code of every stage.

    This is the first stage of `dvc repro`. What would find no room, on the disk or in memory, is refused.
    """
    from pipeline import planning, room, stages

    content = recipes.read()
    tasks = check_tasks(content)
    stages.check(stages.render(content, tasks))
    room.check_room(tasks)
    planning.write(tasks)


def run(stage: Annotated[str, "STAGE"]) -> None:
    """Run one stage of the plan, whether or not anything has changed.

    `dvc repro` calls this for each stage that is not up to date.

    Args:
        stage: Its name in dvc.yaml, such as split-digits.
    """
    from components.machinery.signature import load_step
    from pipeline import planning

    entry = planning.read_entry(stage)
    print(f"{entry.step}: {load_step(entry.step).summary}", flush=True)
    planning.run_entry(entry)


def list_source(stage: Annotated[str, "STAGE"]) -> None:
    """Write, beside what is fetched, a digest of its own source's listing: names, sizes and times of change.

    `dvc repro` calls this each time; the stage that fetches from there runs where the digest is another.

    Args:
        stage: Its name in data/dvc.yaml, such as list_source-flowers.
    """
    from pipeline import planning, sources, stages

    entry = planning.read_entry(stages.fetching_stage(stage))
    output = Path(entry.artifacts["images" if entry.step == "fetch" else "weights"][0])
    sources.write_listing(output.name, entry.values["source"], output, entry.values.get("labels", ""))


def step(*words: str) -> None:
    """Run one step on artifacts of your choice; `graft step` lists the steps."""
    from components import __main__ as steps
    from components.system.errors import run_cli

    run_supervised(lambda: run_cli(lambda _: steps.main([*words], "graft step")))


def clean(*, remove: bool = False) -> None:
    """List what is in artifacts/ and data/ that no active recipe needs, with its size.

    Args:
        remove: Remove it; DVC's cache keeps a copy of what its stages made, until `dvc gc --workspace`.
    """
    from pipeline import cleaning, planning

    content = recipes.read()
    recipes.check(content)
    unneeded = cleaning.unneeded_sizes(planning.active_tasks(content).values())
    for path, size in unneeded.items():
        print(f"{size / 1e6:10,.1f} MB  {path}")
    advice = "" if remove or not unneeded else "; --remove removes it"
    print(f"{sum(unneeded.values()) / 1e6:10,.1f} MB  in all{advice}")
    if remove and unneeded:
        cleaning.remove(unneeded)
        print("removed; DVC's cache has a copy of what was made by its stages, until `dvc gc --workspace`")
