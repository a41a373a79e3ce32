"""Commands that search for settings, on the stored features of a recipe that has been run."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

from components.machinery import lineage, running
from components.machinery.signature import load_step
from components.machinery.trainings import training_path
from components.model.registry import MODELS
from components.system.errors import UserError
from components.system.limits import Names, Range
from components.system.outputs import write_in_one_move
from pipeline import recipes
from pipeline.commands.words import Name, Recipe, Sweep, read_sweeps
from pipeline.places import path_of

if TYPE_CHECKING:
    from pipeline.arranging import Output, Task

Budget = Annotated[float, "HOURS", Range("more than 0", lambda value: value > 0)]
Finalists = Annotated[int, Range("1 or more", lambda value: value >= 1)]
Times = Annotated[float, "TIMES", Range("more than 1, at most 100", lambda value: 1 < value <= 100)]
TrainingStep = Annotated[str, "STEP", Names("step that trains", recipes.TRAINING)]

ON_FEATURES = ("train_top", "fit_logistic", "fit_neighbours")  # steps that take stored features and the split


def choose(
    source: Annotated[str, "RECIPE|SOURCE"], *, name: Name = "", hours: Budget = 1.0, networks: str = "",
    sizes: str = "", finalists: Finalists | None = None, anew: bool = False,
) -> None:  # fmt: skip
    """Choose networks and image sizes within a time, and write a recipe of the best into params.yaml.

    Features of a part of the images score every candidate; the weaker half ends there, the others go on to more images,
    heads of the finalists are trained, and the better half of these is fine-tuned. Test images are not scored. What was
    decided is kept in decisions/, and told until it is asked for anew; what was computed is not computed twice.

    Args:
        source: A recipe, whose data, split and training are taken; or labelled images, as `graft new` takes them.
        name: Of the recipe that is made of labelled images; that of the folder or archive if not given.
        hours: The budget; nothing is begun that would not end within it, as measured so far.
        networks: NAME,... or `all`: one's own weights and every network with published ones; the recipe's if not given.
        sizes: Image sizes, PIXELS,...; those that the recipe varies, or its one, if not given.
        finalists: How many have a head trained, and are written into the recipe; 2 if not given.
        anew: Decide again.
    """
    from pipeline import choosing

    choosing.choose(source, name, hours, split_words(networks), split_words(sizes), finalists, anew)


def split_words(text: str) -> list[str]:
    """Return the words between the commas of a text, stripped, in order, empty ones left out; [] if there are none."""
    return [word.strip() for word in text.split(",") if word.strip()]


def find_head(recipe: Recipe, *, sweep: Sequence[Sweep], network: Name = "") -> None:
    """Train many heads on a recipe's stored features; print and write them, ranked by validation log loss.

    The table is written beside the features, as heads.csv.

    Args:
        recipe: A recipe that has been run.
        sweep: Values of a parameter of train_top; given several times, all combinations are trained.
        network: One of the recipe's networks, if not the first.
    """
    task = find_task(recipe, ["train_top"], network)
    swept: dict[str, list[str]] = {}
    for address, values in read_sweeps(sweep).items():
        section, _, name = address.partition(".")
        if section != "train_top":
            raise UserError(f"--sweep takes train_top.PARAMETER=VALUE,... here; received {address}={','.join(values)}")
        swept[name] = values
    step = load_step("train_top")
    arms = [dict(zip(swept, values, strict=True)) for values in product(*swept.values())]
    heads = [step.check_values({**task.values, **arm}) for arm in arms]
    import pandas as pd

    from components.data.tables import write_table
    from components.model import head_search

    inputs = open_inputs(task)
    scores = head_search.train_heads(inputs["features"], inputs["splits"], [*map(step.function_arguments, heads)])
    table = pd.concat([pd.DataFrame(heads)[[*swept]], scores], axis=1).sort_values("validation_log_loss")
    file = inputs["features"].path.with_name("heads.csv")
    with write_in_one_move(file) as unfinished:
        write_table(unfinished, table)
    print(table.to_string(index=False, float_format="%.4g"))
    best = ", ".join(f"{name}: {table[name].iloc[0]}" for name in swept)
    print(f"\nbest on validation: {best} (train_top of {recipe}); the table is {file}")


def find_rate(recipe: Recipe, *, step: TrainingStep, network: Name = "") -> None:
    """Suggest a learning rate for a step, and draw the curve of the training loss from which it is read.

    Only training images are used.

    Args:
        recipe: A recipe that has been run.
        step: The step whose learning rate is to be found.
        network: One of the recipe's networks, if not the first.
    """
    task = find_task(recipe, [step], network)
    from components.model import assembly, rate_finder, runtime
    from components.results import figures

    inputs, arguments = open_inputs(task), load_step(step).function_arguments(task.values)
    settings = arguments.pop("settings")
    runtime.set_seed(settings.seed)
    if step == "fine_tune":
        arguments["lora"] = settings.lora
    untrained = assembly.ASSEMBLERS[step](**inputs, **arguments)
    curve = rate_finder.record_losses(untrained.model, untrained.split_rows[0], settings, untrained.head)
    rate = rate_finder.suggest_rate(curve)
    picture = path_of(task.outputs["classifier"]).parent.with_name("rates") / f"{step}.png"
    picture.parent.mkdir(exist_ok=True)
    figures.draw_learning_rates(curve, rate, picture, f"{recipe}, {step}: the learning rate")
    print(f"learning_rate: {rate:.1e} ({task.values['learning_rate']:.1e} in the recipe); look at {picture}")


def learning_curve(recipe: Recipe, *, network: Name = "", more: Times = 2.0) -> None:
    """Forecast what more images would bring, of all classes and of each, from a recipe's learning curve.

    The step `forecast` has fitted a regression on an eighth, a quarter, half and all of the training images' features,
    and scored it on validation; a power law goes on from there, which takes seconds. Test images are not scored. The
    table and its picture are written beside the forecast, as learning_curve.csv and .png.

    Args:
        recipe: A recipe that has been run.
        network: One of the recipe's networks, if not the first.
        more: How many times as many training images to forecast for.
    """
    path = path_of(find_task(recipe, ["forecast"], network).outputs["forecast"])
    from components.data.artifacts import Forecast
    from components.data.tables import write_table
    from components.model import learning_curve as curves
    from components.results import figures
    from components.results.forecasts import GAINING

    forecast = Forecast.read(path)
    curve, labels = curves.read_curve(forecast)
    target = round(more * curve.sizes[-1])
    table = curves.forecast_scores(curve, target, curves.SEED)
    classes = curves.forecast_recalls(curve, labels, forecast.facts.classes, target, curves.SEED)
    file = path.with_name("learning_curve.csv")
    with write_in_one_move(file) as unfinished:
        write_table(unfinished, table)
    picture = file.with_suffix(".png")
    figures.draw_forecast(table, picture, f"{recipe}: accuracy and log loss by the number of training images")
    print(table.to_string(index=False, float_format="%.3f"))
    print("\nthe last row is a forecast; the classes, by how many mistakes it takes away of the validation images:\n")
    print(classes.head(GAINING).to_string(index=False, float_format="%.3f"))
    print(f"\nlook at {picture}; the table is {file}")


def output_behind(task: "Task", key: str) -> "Output":
    """Return the first output of a key, such as `audit`, of the tasks behind a task, its own too."""
    from pipeline.arranging import RECORD, tasks_to_make
    from pipeline.running import find_output

    return find_output(tasks_to_make(task.outputs[RECORD]), key)


def find_task(recipe: str, steps: Sequence[str], network: str) -> "Task":
    """Return an active recipe's task of one of some steps for a network (the first if ""), with the recipe's values.

    Args:
        recipe: The recipe.
        steps: The steps, any of which will do.
        network: One of the recipe's networks; its first if empty.

    Raises:
        UserError: There is no such recipe or network, or the recipe has none of the steps.
    """
    from pipeline import planning
    from pipeline.arranging import steps_of

    content = recipes.read()
    recipes.require_name("active recipe", recipe, content["active"])
    networks = recipes.resolve(content, recipe).networks
    network = recipes.require_name(f"network of {recipe}", network or networks[0], networks)
    tasks = [task for task in planning.tasks_by_recipe(content, [recipe])[recipe] if task.step in steps]
    if not tasks:
        models = [name for name in MODELS if {*steps} & {*steps_of([name])}]
        raise UserError(f"{recipe} has no step {' or '.join(steps)}: put {' or '.join(models)} under its `models`")
    return min(tasks, key=lambda task: (network not in task.words, len(task.words)))


def open_inputs(task: "Task") -> dict[str, Any]:
    """Return the artifacts that a task takes, opened, by key: of several, and of several trainings, the first.

    Raises:
        UserError: One is not there, or they are of different runs.
    """
    step = load_step(task.step)
    paths = {key: training_path(path_of(several[0]), 0) for key, several in task.inputs.items()}
    inputs = running.read_inputs(step, paths)
    lineage.inherited_manifest(step, inputs)
    return inputs
