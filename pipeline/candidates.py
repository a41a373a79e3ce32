"""Candidates, each a network at an image size: which there are, and the tasks that try one."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from components.data import nested_parts
from components.data.artifacts import Splits
from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from components.model.backbones.protocol import DEPTHS
from components.results.titles import folder_name
from pipeline import recipes
from pipeline.arranging import Output, Task
from pipeline.collection import declarations
from pipeline.planning import tasks_by_recipe
from pipeline.running import find_output

ALL_NETWORKS = "all"
CUTS = (*DEPTHS,)  # from where the finalists are fine-tuned
ENDING = "_chosen"  # after the name of a recipe, that of the recipe that is chosen
MODELS = ("top", "fine_tuned")  # the ways of reuse that are tried


class Candidate(NamedTuple):
    """A network at an image size, in pixels a side."""

    network: str
    image_size: int

    def __str__(self) -> str:
        return f"{self.network} at {self.image_size}"


def list_candidates(
    content: Mapping[str, Any], recipe: str, networks: Sequence[str], sizes: Sequence[str]
) -> list[Candidate]:
    """Return each network at each size, once, in the order given; `all` is every network; the recipe's for none.

    Args:
        content: All of params.yaml.
        recipe: The recipe, whose networks and sizes are taken where none are given.
        networks: Names; `all` for each of one's own weights and each of the registry.
        sizes: Image sizes; if empty, those that the recipe varies, or its one.

    Raises:
        UserError: A network is unknown, or a size is not what it may be.
    """
    resolved = recipes.resolve(content, recipe)
    if [*networks] == [ALL_NETWORKS]:
        published = [name for name, entry in BACKBONES.items() if not entry.from_folder]
        networks = [*declarations(content, "weights"), *published]
    names = recipes.require_names("network", networks or resolved.networks, recipes.usable_names(content, "weights"))
    varied = resolved.vary.get("augment", {}).get("image_size", [resolved.values["augment"]["image_size"]])
    parameter = load_step("augment").parameters["image_size"]
    read = [parameter.read("choose", "image_size", size) for size in sizes or varied]
    return [Candidate(name, size) for name in dict.fromkeys(names) for size in dict.fromkeys(read)]


def chosen_recipe(
    recipe: str, networks: Iterable[str], sizes: Iterable[int], cuts: Iterable[str] = CUTS
) -> dict[str, Any]:
    """Return a recipe's entries: `like` the given recipe, `networks`, and `vary` with sizes and cuts, each once.

    What is one value is varied too, so that its results lie where those of several do.
    """
    vary = {"augment": {"image_size": list(dict.fromkeys(sizes))}, "extract": {"unfreeze": list(dict.fromkeys(cuts))}}
    return {"like": recipe, "networks": list(dict.fromkeys(networks)), "vary": vary}


class CandidateTasks:
    """The tasks that try candidates of a recipe; their results lie under the name of the recipe that is chosen.

    Args:
        content: All of params.yaml.
        recipe: The recipe.
    """

    def __init__(self, content: Mapping[str, Any], recipe: str):
        self.content, self.recipe, self.name = content, recipe, recipe + ENDING
        self.augment = recipes.resolve(content, recipe).values["augment"]
        self.arranged = cache(self._arrange)

    def _arrange(self, candidate: Candidate, cut: str) -> list[Task]:
        """Return all tasks of a recipe of one candidate, fine-tuned from a cut, with one training of each model."""
        entries = recipes.entries_of(self.content, self.recipe)
        once = {step: {**entries.get(step, {}), "repeats": 1} for step in recipes.TRAINING}
        alone = chosen_recipe(self.recipe, [candidate.network], [candidate.image_size], [cut])
        written = {}  # as `editing.write_recipe` places it, so that it shares with the same recipes
        for name, lines in self.content["recipes"].items():
            written[name] = lines
            if name == self.recipe:
                written.setdefault(self.name, {})
        written[self.name] = {**alone, "models": [*MODELS], **once}
        return tasks_by_recipe({**self.content, "recipes": written}, [self.name])[self.name]

    def output(self, candidate: Candidate, key: str, model: str = "", cut: str = CUTS[0]) -> Output:
        """Return the output of a candidate's recipe, by key: such as `weights`, or with a model its `classifier`.

        Of several, of whatever else the recipe varies, it is the first.
        """
        return find_output(self.arranged(candidate, cut), key, model)

    def embed(self, candidate: Candidate, part: int) -> Task:
        """Return the task that computes a candidate's features of one part of the images."""
        step = load_step("embed")
        shared = {key: value for key, value in self.augment.items() if key in step.parameters and key != "seed"}
        values = step.check_values({**shared, "image_size": candidate.image_size, "part": part})
        inputs = {key: [self.output(candidate, key)] for key in step.inputs}
        return Task("embed", values, inputs, self.name, [*words_of(candidate), f"part={part}"])

    def probe(self, candidate: Candidate, part: int) -> Task:
        """Return the task that scores a candidate by its features of a part and of all before it."""
        embeddings = [self.embed(candidate, number).outputs["embeddings"] for number in range(part + 1)]
        inputs = {"embeddings": embeddings, "splits": [self.output(candidate, "splits")]}
        values = load_step("probe").check_values({})
        return Task("probe", values, inputs, self.name, [*words_of(candidate), f"parts={part + 1}"])


def words_of(candidate: Candidate) -> list[str]:
    """Return the names of two folders around a candidate's probes: the network's, and one such as `image_size=224`."""
    return [candidate.network, folder_name(f"image_size={candidate.image_size}")]


def count_parts(splits: Splits) -> list[int]:
    """Return how many images, of training and validation together, each part has that `embed` divides them into."""
    parameters = load_step("embed").parameters
    return [len(part) for part in nested_parts.divide(splits, parameters["first"].default, parameters["seed"].default)]
