"""Chooses networks and image sizes for a recipe within a time, and writes the recipe of the best."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.system.errors import UserError
from pipeline import decisions, drafting, editing, looking, recipes, sources
from pipeline.candidates import ALL, ENDING, Candidate, CandidateTasks, chosen_recipe, list_candidates
from pipeline.collection import declarations, local_source
from pipeline.decisions import Decision
from pipeline.halving import Halving
from pipeline.places import listing_path, path_of
from pipeline.running import note_path


def choose(
    source: str, hours: float, networks: Sequence[str], sizes: Sequence[str], finalists: int, anew: bool
) -> None:
    """Print the decision about a recipe, made anew or kept, and write the recipe that it comes to.

    Args:
        source: A recipe, or labelled images, of which a recipe is made.
        hours: The budget.
        networks: What is tried; the recipe's if empty, or all where a recipe is made.
        sizes: Image sizes; the recipe's if empty.
        finalists: How many may be chosen.
        anew: Whether a decision that is kept does not count.

    Raises:
        UserError: The data set is refused, there is no such network, a decision is kept that is of other candidates, or
            no candidate could be scored in time.
    """
    recipe, is_own = find_or_draft_recipe(source)
    content = recipes.read()
    candidates = list_candidates(content, recipe, networks or ([ALL] if is_own else []), sizes)
    decision = None if anew else decisions.read_decision(recipe)
    if decision and not decision.is_of(candidates, finalists):
        raise UserError(
            f"{decisions.decision_file(recipe)} decides among {len(decision.trials)} other candidates or for "
            f"{decision.finalists} finalists: `--anew` decides again, and computes only what is new"
        )
    if decision:
        print(f"choose: decided before, in {decisions.decision_file(recipe)}; `--anew` decides again\n")
    else:
        decision = decide(content, recipe, candidates, finalists, hours)
    print(decisions.describe(decision))
    if not decision.chosen:
        raise UserError(f"no candidate of {recipe} has a score: see above why, and give more --hours or other networks")
    decision.write()
    write_chosen(decision, recipe if is_own else "")


def find_or_draft_recipe(source: str) -> tuple[str, bool]:
    """Return the name of a recipe, and whether it is one of these images of one's own, which may be drafted here.

    Args:
        source: The recipe, or labelled images, as `graft new` takes them.

    Raises:
        UserError: The data set is refused.
    """
    content = recipes.read()
    if source in content["recipes"]:
        return source, False
    folder, given = looking.read_source_word(source, {})
    for name, declared in declarations(content, "data").items():
        if declared["source"] == folder and name in content["recipes"]:
            return name, True
    draft = drafting.draft_recipe(recipes.read_text(), folder, "", [], given)
    recipes.write_text(draft.text)
    print(f"choose: params.yaml has the data set and the recipe {draft.name}")
    return draft.name, True


def decide(
    content: Mapping[str, Any], recipe: str, candidates: Sequence[Candidate], finalists: int, hours: float
) -> Decision:
    """Return a new decision among candidates."""
    tasks = CandidateTasks(content, recipe)
    fetch_what_changed(content, tasks, candidates[0])
    print(f"choose: {len(candidates)} candidates for {recipe}, {hours:g} hours at most")
    halving = Halving(tasks, candidates, finalists, hours)
    trials = halving.run()
    not_told = decisions.find_not_told(tasks, trials) if any(one.course for one in trials) else []
    return Decision(recipe, finalists, hours, round(halving.clock.spent, 1), trials, not_told)


def fetch_what_changed(content: Mapping[str, Any], tasks: CandidateTasks, candidate: Candidate) -> None:
    """List images of one's own, and have them fetched again where names, sizes or times of change are others."""
    output = tasks.output(candidate, "images")
    (name,) = output.task.words
    if source := local_source(content, "data", name):
        file = listing_path(path_of(output))
        before = file.read_bytes() if file.is_file() else b""
        sources.write_listing(name, source, path_of(output), output.task.values.get("labels", ""))
        if file.read_bytes() != before:
            note_path(output.task, Path()).unlink(missing_ok=True)


def write_chosen(decision: Decision, instead_of: str) -> None:
    """Write the recipe of the chosen into params.yaml, switched on, and print what it has.

    Args:
        decision: The decision.
        instead_of: A recipe that is switched off for it.
    """
    name, chosen = decision.recipe + ENDING, decision.chosen
    cuts = [one.cut for one in chosen if one.cut]
    entries = chosen_recipe(
        decision.recipe, [one.network for one in chosen], [one.image_size for one in chosen], *([cuts] if cuts else [])
    )
    text = recipes.read_text()
    written = editing.write_recipe(text, name, entries, instead_of)
    recipes.check(yaml.safe_load(written))
    if written != text:
        recipes.write_text(written)
    networks, sizes = ", ".join(entries["networks"]), ", ".join(map(str, entries["vary"]["augment"]["image_size"]))
    print(f"choose: params.yaml has the recipe {name}: {networks} at {sizes} pixels; `make repro` trains and tests it")
