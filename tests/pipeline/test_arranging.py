"""Arranging: every trial is whole, shares what lies before it, and takes nothing of another."""

from collections import Counter
from pathlib import Path

import pytest

from components import STEPS
from components.machinery.code import ROOT
from components.machinery.signature import load_step
from components.model.registry import MODELS
from components.system.errors import UserError
from pipeline import places, planning, recipes
from pipeline.arranging import ON_PAGE, RECORD, Task, arrange
from pipeline.recipes import PROBES
from tests.conftest import FITTING, NETWORK, PARAMETERS, recipe_of, tasks_of

TRAININGS = ("train_benchmark", "train_top", "fine_tune")
ALL = tuple(name for name, model in MODELS.items() if model.has_chance)
ONCE = {name: 1 for name in STEPS if name not in ("choose_classifier", "average", *PROBES, *FITTING)} | {"evaluate": 3}


def tasks(folds: int = 1, fold: int = 0, repeats: int = 1, apart: bool = False, **said) -> list[Task]:
    values = {**PARAMETERS, "split": {**PARAMETERS["split"], "folds": folds, "fold": fold}}
    values |= {name: {**PARAMETERS[name], "repeats": repeats} for name in TRAININGS}
    return tasks_of(recipe_of(values, **said), Path("edges"), apart=apart)


def counted(found: list[Task]) -> dict[str, int]:
    return dict(Counter(task.step for task in found))


def behind(task: Task) -> set[Task]:
    """Return all tasks that a task is made from, by way of artifacts."""
    direct = {made.task for several in task.inputs.values() for made in several if made.key != RECORD}
    return direct.union(*(behind(one) for one in direct)) if direct else set()


def test_a_recipe_that_varies_nothing_runs_every_step_once_and_evaluates_each_model():
    assert counted(tasks()) == ONCE
    for task in tasks():
        behind_network = any(one.step == "fetch_weights" for one in behind(task)) and task.step not in (
            "explore", "draw_exploration", "compare", "draw_comparison",
        )  # fmt: skip
        names = {"fetch": ["edges"], "fetch_weights": [NETWORK]}
        assert [*task.words] == names.get(task.step, [NETWORK] if behind_network else [])


def test_every_task_comes_after_what_it_takes_and_has_all_that_its_step_takes():
    arms = {"train_top": {"dropout": [0.1, 0.5]}}
    found = tasks(folds=2, networks=("a", "b"), models=ALL, vary=arms, repeats=2, apart=True)
    for number, task in enumerate(found):
        wanted = load_step(task.step)
        assert [*task.inputs] == [*wanted.inputs] and task.values == wanted.check_values(task.values)
        for key, several in task.inputs.items():
            assert all(issubclass(made.kind, wanted.inputs[key]) for made in several)
            assert all(made.task in found[:number] for made in several)
            assert len(several) == 1 or key in wanted.several


def test_only_what_the_named_models_need_is_run():
    benchmark = counted(tasks(models=("benchmark",)))
    assert set(benchmark) == set(ONCE) - {"choose_precision", "extract", "forecast", "train_top", "fine_tune"}
    fine_tuned = counted(tasks(models=("fine_tuned",)))
    assert fine_tuned["train_top"] == fine_tuned["evaluate"] == 1 and "train_benchmark" not in fine_tuned


def test_the_trainings_of_a_way_are_one_task_and_its_evaluation_another():
    found = tasks(repeats=3, models=ALL)
    assert counted(found) == ONCE | {"average": 1, "evaluate": 4}
    several = {task.step for task in found if task.trainings == 3}
    assert several == {*TRAININGS, "average", "evaluate"} and {task.trainings for task in found} == {1, 3}


def test_trainings_apart_share_everything_up_to_themselves():
    found = tasks(repeats=3, apart=True)
    assert {task.values["repeats"] for task in found if task.step in TRAININGS} == {1}
    assert counted(found) == ONCE | dict.fromkeys(TRAININGS, 3) | {"evaluate": 9}
    assert [task.values["seed"] for task in found if task.step == "train_top"] == [1, 2, 3]
    for task in found:
        if task.step == "fine_tune":
            assert task.values["seed"] == task.inputs["top"][0].task.values["seed"]


def test_folds_have_splits_of_their_own_and_one_extraction():
    found = tasks(folds=3, fold=1)
    assert counted(found) == ONCE | dict.fromkeys(("split", *TRAININGS), 3) | {"evaluate": 9}
    assert [task.values["fold"] for task in found if task.step == "split"] == [1, 2, 0]  # the recipe's own first
    for task in found:
        if task.step == "evaluate":
            assert len({one for one in behind(task) if one.step == "split"}) == 1


def test_networks_share_the_data_and_the_benchmark_and_are_compared_together():
    found = tasks(networks=("mobilenet_v2", "vgg16"))
    per_network = ("fetch_weights", "choose_precision", "extract", "forecast", "train_top", "fine_tune")
    assert counted(found) == ONCE | dict.fromkeys(per_network, 2) | {"evaluate": 5}
    (compared,) = (task for task in found if task.step == "compare")
    names = [(one.task.model, *one.task.words) for one in compared.inputs["reports"]]
    networks = [("mobilenet_v2",), ("vgg16",)]
    assert names == [("benchmark",), *((model, *one) for model in ("top", "fine_tuned") for one in networks)]
    for task in found:
        assert task.step in ("explore", "compare", "draw_comparison", "draw_exploration") or (
            len([one for one in behind(task) if one.step == "fetch_weights"]) <= 1
        )


def test_a_network_that_is_added_leaves_the_places_of_the_others_as_they_are():
    one, two = ({places.stage_name(task) for task in tasks(networks=own)} for own in (("a",), ("b", "a")))
    assert one < two


def test_validation_chooses_among_the_values_of_a_parameter_and_only_the_chosen_are_evaluated():
    found = tasks(vary={"train_top": {"dropout": [0.1, 0.3]}, "fine_tune": {"epochs": [1, 2, 3]}})
    assert counted(found) == ONCE | {"train_top": 2, "fine_tune": 6, "choose_classifier": 2}
    chosen = [task for task in found if task.step == "choose_classifier"]
    assert [(task.model, len(task.inputs["arms"])) for task in chosen] == [("top", 2), ("fine_tuned", 6)]
    for task in found:
        if task.step == "evaluate" and task.model != "benchmark":
            assert task.inputs["classifier"][0].task in chosen


@pytest.mark.parametrize("name", [name for name in recipes.IN_RECIPES if load_step(name).parameters])
def test_every_parameter_can_be_varied(name):
    """Its arms are in the stages that use it; no two arms of one model are evaluated, but where they are the way."""
    for parameter, kind in load_step(name).parameters.items():
        if parameter == "repeats":  # which is a number of trainings
            continue
        own = PARAMETERS[name][parameter]
        words = (*getattr(kind.limits, "known", ()), 3, 0.4, 5, "block1_conv1", [], [["up/1.png", "exclude"]])
        offered = (tries(kind, word) for word in words)
        other = next(value for value in offered if value not in (own, None))
        with_decay = {"optimizer": "adamw"} if parameter == "weight_decay" else {}
        values = {**PARAMETERS, name: {**PARAMETERS[name], **with_decay}}
        found = tasks_of(recipe_of(values, vary={name: {parameter: [own, other]}}, models=tuple(MODELS)), Path("edges"))
        arms = [task for task in found if task.step == name]
        assert {task.values[parameter] for task in arms} == {own, other}
        stages = [places.stage_name(task) for task in found]
        assert len(stages) == len(set(stages))
        assert {places.stage_name(task) for task in tasks(models=ALL)} <= set(stages)  # the recipe's own stay
        several = parameter == "seed" or name in ("audit", "split", "evaluate")
        compared = [task for task in found if task.step == "compare"]
        for task in compared:
            judged = Counter((one.task.model, tuple(one.task.inputs["splits"])) for one in task.inputs["reports"])
            assert several or name == "explore" or set(judged.values()) == {1}
        assert len(compared) == (2 if name in ("audit", "split") and parameter not in ("seed", "fold") else 1)


def tries(kind, value):
    """Return a value as a parameter's, or nothing where it is none."""
    try:
        return kind.read("", "", value)
    except UserError:
        return None


def test_arms_whose_test_images_differ_have_comparisons_of_their_own():
    found = tasks(vary={"split": {"train": [24, 12]}})
    compared = [task for task in found if task.step == "compare"]
    assert [[*task.words] for task in compared] == [[], ["split.train=12"]]
    for task in compared:
        assert len({one.task.inputs["test_split"][0] for one in task.inputs["reports"]}) == 1
    assert counted(found)["augment"] == counted(found)["extract"] == 1


def test_folds_times_repeats_are_trials_and_each_has_its_ensemble_of_what_was_chosen():
    arms = {"fine_tune": {"learning_rate": [1e-3, 1e-4]}}
    found = tasks(folds=2, repeats=2, apart=True, models=ALL, vary=arms)
    assert counted(found)["average"] == 4 and counted(found)["evaluate"] == 4 * 4
    for task in found:
        if task.step == "average":
            members = [one.task for one in task.inputs["classifiers"]]
            assert [member.model for member in members] == ["benchmark", "top", "fine_tuned"]
            splits = {one for member in members for one in behind(member) if one.step == "split"}
            assert splits == {task.inputs["splits"][0].task}
            trained = {one for member in members for one in (member, *behind(member)) if one.step in TRAININGS}
            assert len({one.values["seed"] for one in trained}) == 1
    (last,) = (task for task in found if task.step == "compare")
    assert len(last.inputs["reports"]) == 16


def test_averaged_views_are_evaluated_beside_the_plain_ones():
    found = tasks(vary={"evaluate": {"views": ["plain", "averaged"]}}, models=ALL)
    assert counted(found) == ONCE | {"average": 1, "evaluate": 8}


def test_an_evaluation_takes_the_images_of_every_arm_from_which_its_classifier_is_chosen():
    found = tasks(vary={"augment": {"views": [2, 3]}}, models=ALL)
    for task in found:
        if task.step == "evaluate":
            assert [one.task.values["views"] for one in task.inputs["augmented"]] == [2, 3]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"folds": 2, "repeats": 2, "models": ALL},
        {"folds": 2, "repeats": 2, "apart": True, "models": ALL},
        {"networks": ("a", "b"), "vary": {"extract": {"unfreeze": ["last_block", "none"]}}},
        {"models": ("benchmark",)},
    ],
)
def test_a_page_takes_the_reports_that_are_compared_and_the_records_of_what_it_shows(said):
    found = tasks(**said)
    (compared,), (drawn,) = ([task for task in found if task.step == name] for name in ("compare", "draw_comparison"))
    assert drawn.inputs["comparison"] == [compared.outputs["comparison"]]
    assert drawn.inputs["reports"] == compared.inputs["reports"]
    assert {one.task for one in drawn.inputs["drawings"]} == {task for task in found if task.step == "draw_exploration"}
    assert [one.task for one in drawn.inputs["records"]] == [task for task in found if task.step in ON_PAGE]
    assert {one.key for one in drawn.inputs["records"]} == {RECORD}
    assert [one.task for one in drawn.inputs["forecasts"]] == [task for task in found if task.step == "forecast"]


def test_a_data_set_is_explored_once_for_each_way_in_which_views_are_made():
    found = tasks(
        folds=2, repeats=2, apart=True, networks=("a", "b"), vary={"augment": {"flip": ["none", "horizontal"]}}
    )
    for name in ("explore", "draw_exploration"):
        assert [[*task.words] for task in found if task.step == name] == [[], ["augment.flip=horizontal"]]
    assert counted(found)["choose_precision"] == counted(found)["extract"] == 4
    for task in found:
        if task.step == "extract":
            (chosen,), (augmented,) = task.inputs["chosen_precision"], task.inputs["augmented"]
            assert chosen.task.inputs["augmented"] == [augmented]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"folds": 3, "repeats": 2, "apart": True, "models": ALL}, [[NETWORK]]),
        ({"networks": ("a", "b"), "vary": {"fine_tune": {"epochs": [1, 2]}}}, [["a"], ["b"]]),
        ({"vary": {"extract": {"pooling": ["auto", "both"]}}}, [[NETWORK], [NETWORK, "extract.pooling=both"]]),
        ({"vary": {"split": {"train": [24, 12]}}}, [[NETWORK], [NETWORK, "split.train=12"]]),
        ({"models": ("benchmark",)}, []),
        ({"models": ("logistic",)}, [[NETWORK]]),
    ],
)
def test_there_is_a_forecast_for_the_features_of_each_network_whatever_is_trained_on_them(said, words):
    found = tasks(**said)
    assert [[*task.words] for task in found if task.step == "forecast"] == words
    for task in found:
        if task.step == "draw_comparison":
            splits = {one.task.inputs["splits"][0] for one in task.inputs["reports"]}
            assert {one.task.inputs["splits"][0] for one in task.inputs["forecasts"]} <= splits


def test_every_task_makes_a_record_last():
    for task in tasks(models=ALL):
        assert [*task.outputs] == [*load_step(task.step).outputs, RECORD]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"folds": 2, "vary": {"split": {"fold": [0, 1]}}}, "each of several folds is tried already"),
        (
            {"repeats": 2, "vary": {"train_top": {"seed": [1, 2]}}},
            "train_top.seed is varied, and its repeats have seeds",
        ),
        ({"vary": {"train_top": {"weight_decay": [0, 0.1]}}}, "recipe edges: train_top: adam has no weight decay"),
    ],
)
def test_what_is_tried_already_is_not_varied_too(said, line):
    with pytest.raises(UserError, match=line):
        tasks(**said)


# What recipes have in common


def both(**changes) -> tuple[list[Task], list[Task]]:
    """Return the tasks of a recipe, and of another that differs in the values of some steps."""
    first = recipe_of()
    values = {name: {**own, **changes.get(name, {})} for name, own in PARAMETERS.items()}
    second = recipe_of(values, "other")
    sources = {
        "fetch": {"edges": {**PARAMETERS["fetch"], "source": "x"}},
        "fetch_weights": {NETWORK: PARAMETERS["fetch_weights"]},
    }
    arranged = arrange([first, second], sources)
    return arranged["edges"], arranged["other"]


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({"evaluate": {"slices": 0}}, {"evaluate"}),
        ({"fine_tune": {"epochs": 9}}, {"fine_tune"}),
        ({"split": {"seed": 2}}, {"split", "explore", *TRAININGS}),
        ({"augment": {"views": 1}}, {"augment", "explore", "choose_precision", "extract", *TRAININGS}),
    ],
)
def test_work_that_recipes_have_in_common_is_one_task_of_the_first(changes, own):
    first, second = both(**changes)
    shared = {task.step for task in second if task in first}
    own = own | {"draw_exploration", "compare", "draw_comparison"}
    changed = {task.step for task in second if task not in first}
    assert own <= changed and all(task.recipe == "other" for task in second if task not in first)
    assert shared == {"fetch", "fetch_weights", "audit"} | (set(ONCE) - changed) | ({"evaluate"} & shared)


def test_the_same_recipe_under_another_name_has_pages_of_its_own_alone():
    first, second = both()
    assert {task.step for task in second if task not in first} == {"draw_exploration", "compare", "draw_comparison"}


def test_where_a_task_lies_does_not_depend_on_what_is_switched_on():
    content = recipes.read(ROOT / "params.yaml")
    for name in content["recipes"]:
        alone = planning.active_tasks({**content, "active": [name]})
        together = planning.active_tasks({**content, "active": [*content["recipes"]]})
        assert set(alone) <= set(together)


def test_two_artifacts_never_lie_in_one_place():
    content = recipes.read(ROOT / "params.yaml")
    content["recipes"]["digits"] |= {
        "networks": ["glyphs", "random_vgg16_small"], "models": [*ALL], "training": {"repeats": 2},
        "vary": {"augment": {"zoom": [0.1, 0.25]}, "train_top": {"dropout": [0.2, 0.3]}},
    }  # fmt: skip
    content["recipes"]["digits"]["split"] |= {"folds": 2}
    found = planning.active_tasks({**content, "active": [*content["recipes"]]})
    lying = [places.path_of(made) for task in found.values() for made in task.outputs.values()]
    assert len(lying) == len(set(lying))
    inside = [path for path in lying for other in path.parents if other in set(lying)]
    assert inside == []


def test_names_that_would_be_one_stage_are_refused():
    content = recipes.read(ROOT / "params.yaml")
    content["weights"]["own"]["b-glyphs"] = content["weights"]["own"]["glyphs"]
    content["recipes"] |= {
        "a": {"like": "digits", "networks": ["b-glyphs"]},
        "a-b": {"like": "digits", "split": {"seed": 4}},
    }
    with pytest.raises(UserError, match=r"two tasks would be one stage, .*: give a recipe or own weights another name"):
        planning.active_tasks({**content, "active": ["digits", "a", "a-b"]})
