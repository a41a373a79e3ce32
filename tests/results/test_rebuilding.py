"""What it takes to make a comparison again: the recipe as it ran, and what is said where it was not committed."""

import copy

import yaml

from components.data.artifacts import Report
from components.data.records import Record
from components.results.rebuilding import is_changed, rebuild_commands, recipe_text


def trained(report: Report, seed: int, **changed: object) -> Report:
    """Return a report as of another training, with another seed and other values of `train_top`."""
    manifest = copy.deepcopy(report.manifest)
    manifest["parameters"]["train_top"] |= {"seed": seed, **changed}
    return Report("", manifest)


def test_a_recipe_has_its_repeats_and_what_it_varies_and_no_seed_of_a_further_training(made):
    top = Report.read(made["top"])
    ways = {rate: [trained(top, seed, learning_rate=rate) for seed in (1, 2, 3)] for rate in (0.01, 0.1)}
    (content,) = yaml.safe_load(recipe_text("edges", {f"top learning_rate={rate}": ways[rate] for rate in ways}))[
        "recipes"
    ].values()
    assert content["vary"] == {"train_top": {"learning_rate": [0.01, 0.1]}}
    assert (content["train_top"]["repeats"], content["train_top"]["seed"]) == (3, 1)
    assert (content["models"], content["networks"]) == (["top"], ["vgg16_small"])


def test_a_recipe_that_was_not_committed_is_said_to_be_needed():
    committed, changed = (
        Record(revisions={"git_revision": "1a", "recipe_revision": one}) for one in ("2b", "2b-dirty")
    )
    assert (is_changed([committed]), is_changed([changed]), is_changed([])) == (False, True, False)
    texts = [" ".join(map(" ".join, rebuild_commands("edges", [one]))) for one in (committed, changed)]
    assert ["graft arrange after the recipe below" in text for text in texts] == [False, True]
    assert texts[1].index("make setup") < texts[1].index("graft arrange") < texts[1].index("dvc repro")
    assert ["the code, the recipe and" in text for text in texts] == [True, False]
