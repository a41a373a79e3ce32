"""Chooses networks and image sizes for a recipe within a time, and writes the recipe of the best."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.data.sources import local_path
from components.system.errors import UserError, fold_words, unknown_name
from pipeline import decisions, drafting, editing, looking, recipes, sources
from pipeline.candidates import ALL_NETWORKS, CUTS, ENDING, Candidate, CandidateTasks, chosen_recipe, list_candidates
from pipeline.collection import declarations, local_source
from pipeline.decisions import Decision
from pipeline.halving import Halving
from pipeline.places import listing_path, path_of
from pipeline.running import note_path

FINALISTS = 2


def choose(
    source: str, name: str, hours: float, networks: Sequence[str], sizes: Sequence[str], finalists: int | None,
    anew: bool,
) -> None:  # fmt: skip
    """Decide, or take the decision kept, on networks and sizes; print it, write it, and its recipe into params.yaml.

    A decision that is kept stands for whatever is not given here.

    Args:
        source: A recipe, or labelled images, of which a recipe is made.
        name: Of the recipe that is made; if empty, it is made from the source.
        hours: The budget.
        networks: What is tried; the recipe's if empty, or all where a recipe is made.
        sizes: Image sizes; the recipe's if empty.
        finalists: How many may be chosen; 2 if not given.
        anew: Whether a decision that is kept does not count.

    Raises:
        UserError: The data set is refused, there is no such network, a decision is kept that is of other candidates, or
            no candidate could be scored in time.
    """
    recipe, is_own = find_or_draft_recipe(source, name)
    content, kept = recipes.read(), decisions.read_decision(recipe)
    candidates = list_candidates(content, recipe, networks or ([ALL_NETWORKS] if is_own else []), sizes)
    decision = None if anew else kept
    if decision and not decision.is_of(candidates if networks or sizes else None, finalists):
        raise UserError(
            f"{decisions.decision_file(recipe)} decides among {len(decision.trials)} other candidates or for "
            f"{decision.finalists} finalists: `--anew` decides again, and computes only what is new"
        )
    if recipe + ENDING in content["recipes"] and not kept:
        raise UserError(
            f"params.yaml has a recipe {recipe}{ENDING} that no decision in {decisions.FOLDER}/ came to: rename or "
            "remove it, for the recipe that is chosen gets its name"
        )
    if decision:
        print(f"choose: decided before, in {decisions.decision_file(recipe)}; `--anew` decides again\n")
    else:
        text_with_recipe(recipe, candidates)  # what is wrong with it is said before all work
        decision = decide(content, recipe, candidates, finalists or FINALISTS, hours)
    print(decisions.describe(decision))
    if not decision.chosen:
        raise UserError(f"no candidate of {recipe} has a score: see above why, and give more --hours or other networks")
    decision.write()
    write_chosen(decision, recipe if is_own else "")


def find_or_draft_recipe(source: str, name: str) -> tuple[str, bool]:
    """Return (source, False) if it is a recipe; else (recipe, True) of the images there, added to params.yaml if new.

    Args:
        source: The recipe, or labelled images, as `graft new` takes them.
        name: Of the recipe that is drafted; if empty, it is made from the source.

    Raises:
        UserError: The data set is refused, or there is neither such a recipe nor such a folder.
    """
    content = recipes.read()
    if source in content["recipes"]:
        return source, False
    folder, assignments = looking.read_source_word(source, {})
    for data_set, entry in declarations(content, "data").items():
        if entry["source"] == folder and data_set in content["recipes"]:
            return data_set, True
    if re.fullmatch(r"[\w-]+", source) and not local_path(source).exists():
        raise unknown_name("recipe, and no folder,", source, content["recipes"])
    draft = drafting.draft_recipe(recipes.read_text(), folder, name, [], assignments)
    recipes.write_text(draft.text)
    print(f"choose: params.yaml has the data set and the recipe {draft.name}")
    return draft.name, True


def decide(
    content: Mapping[str, Any], recipe: str, candidates: Sequence[Candidate], finalists: int, hours: float
) -> Decision:
    """Try candidates within the hours, print how they do, and return the new Decision; it is not written yet."""
    tasks = CandidateTasks(content, recipe)
    refresh_listing(content, tasks, candidates[0])
    print(f"choose: {len(candidates)} candidates for {recipe}, {hours:g} hours at most")
    halving = Halving(tasks, candidates, finalists, hours)
    trials = halving.run()
    not_worse = decisions.find_not_worse(tasks, trials) if any(one.course for one in trials) else []
    return Decision(recipe, finalists, hours, round(halving.clock.spent, 1), trials, not_worse)


def refresh_listing(content: Mapping[str, Any], tasks: CandidateTasks, candidate: Candidate) -> None:
    """Write the listing of one's own images; if it is not as before, delete the note by which they count as fetched.

    A listing has names, sizes and times of change. Where images are downloaded, nothing is done.
    """
    output = tasks.output(candidate, "images")
    (name,) = output.task.words
    if source := local_source(content, "data", name):
        file = listing_path(path_of(output))
        before = file.read_bytes() if file.is_file() else b""
        sources.write_listing(name, source, path_of(output), output.task.values.get("labels", ""))
        if file.read_bytes() != before:
            note_path(output.task, Path()).unlink(missing_ok=True)


def write_chosen(decision: Decision, instead_of: str) -> None:
    """Write the recipe of the chosen candidates into params.yaml, switched on, and print them, as NETWORK at SIZE.

    Args:
        decision: The decision.
        instead_of: A recipe in whose place it is switched on.
    """
    chosen = [one.candidate for one in decision.chosen]
    cuts = [one.cut for one in decision.chosen if one.cut]
    written = text_with_recipe(decision.recipe, chosen, cuts or CUTS, instead_of)
    if written != recipes.read_text():
        recipes.write_text(written)
    print(
        f"choose: params.yaml has the recipe {decision.recipe}{ENDING} of {fold_words(map(str, chosen))}; `make repro` "
        "trains and tests it"
    )


def text_with_recipe(
    recipe: str, candidates: Sequence[Candidate], cuts: Iterable[str] = CUTS, instead_of: str = ""
) -> str:
    """Return params.yaml's text with a recipe RECIPE_chosen of candidates' networks and sizes, checked, not written.

    Raises:
        UserError: It cannot be a recipe, or a comment would be lost.
    """
    networks, sizes = zip(*candidates, strict=True)
    entries = chosen_recipe(recipe, networks, sizes, cuts)
    text = editing.write_recipe(recipes.read_text(), recipe + ENDING, entries, instead_of)
    recipes.check(yaml.safe_load(text))
    return text
