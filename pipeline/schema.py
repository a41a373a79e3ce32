"""What params.yaml may hold, `cluster:` aside: its parts, one's own data sets and weights, and a recipe's entries.

The values of steps are checked by the steps.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model, model_validator

from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from components.model.backbones.keras_file import ENDING
from components.system.errors import unknown_name
from pipeline.checking import Lines, Section, complaint, list_of, matches, one_of, rule
from pipeline.collection import RANDOM
from pipeline.kubernetes_values import pipeline_name
from pipeline.recipes import IN_RECIPES, SHARED

FOLDER_NAMES = {key for name in IN_RECIPES for key in load_step(name).outputs} | {"classifiers", "reports", "chosen"}
LONGEST_NAME = 243  # bytes: a file name has 255, of which `..unfinished` takes 12


def check_pipelines(recipes: dict[str, Any]) -> dict[str, Any]:
    """Return the recipes unchanged if no two have one name on Kubernetes, that of their pipelines; else raise."""
    first_of: dict[str, str] = {}
    for name in recipes:
        other = first_of.setdefault(pipeline_name(name), name)
        if other != name:
            raise complaint(
                f"{other} and {name} are one name to Kubernetes, which has no _, no -- and no capitals: rename one"
            )
    return recipes


def known_backbone(name: str) -> str:
    """Return a known backbone's name, or any that ends in `.keras`, a file there or not, unchanged; else raise."""
    if name not in BACKBONES and not name.endswith(ENDING):
        raise complaint(unknown_name("backbone", name, [*BACKBONES, f"the path of a {ENDING} file"]))
    return name


SHORT = rule(f"one of at most {LONGEST_NAME} characters, to be a folder's", lambda name: len(name) <= LONGEST_NAME)
FREE = rule("one that is not taken", lambda name: not name.startswith(RANDOM) and name not in FOLDER_NAMES)
UNIQUE = rule("a list without repetitions", lambda names: len({*names}) == len(names))
Name = Annotated[str, matches("letters, digits, _ and -", r"\w[\w-]*"), SHORT]
Source = Annotated[str, matches("the path of a folder or file", r"[^\x00-\x1f]+")]
Backbone = Annotated[str, AfterValidator(known_backbone)]
Names = Annotated[list[str], list_of("names", 1), UNIQUE]
Settings = Lines[str, Any]  # of a step, which checks them
Arms = Lines[Annotated[str, one_of("step to vary", IN_RECIPES)], Lines[str, Annotated[list[Any], list_of("values", 1)]]]


class DataSet(Section, extra="allow"):
    """One's own data set; what else it says are parameters of `fetch`."""

    source: Source


class WeightsFile(Section, extra="allow"):
    """One's own weights; what else it says are parameters of `fetch_weights`.

    Of a network of one's own, whose `backbone` is the path of a `.keras` file, that is the source.
    """

    source: Source = ""
    backbone: Backbone

    @model_validator(mode="after")
    def check_source(self) -> "WeightsFile":
        """Return self if it has a `source`, or its `backbone` is a `.keras` file, which is the source; else raise."""
        if not self.source and not self.backbone.endswith(ENDING):
            raise complaint("lines are missing: source")
        return self


class Data(Section):
    """The section `data:`."""

    own: Lines[Name, DataSet] = Field({})
    max_quarantined: Any = None  # a parameter of `fetch`, which checks it


class Weights(Section):
    """The section `weights:`."""

    own: Lines[Annotated[Name, FREE], WeightsFile] = Field({})
    stock: Any = None  # a parameter of `fetch_weights`, which checks it


class Steps(Section):
    """A section with a section for each step."""

    noun = "step"


_settings: dict[str, Any] = dict.fromkeys([*IN_RECIPES, SHARED], (Settings, {}))
Defaults = create_model("Defaults", __base__=Steps, models=(Names, []), **_settings)
Entries = create_model(
    "Entries", __base__=Steps, like=(str, ""), data=(str, ""), networks=(Names, []), models=(Names, []),
    vary=(Arms, {}), **_settings,
)  # fmt: skip


class Params(Section, extra="ignore"):
    """The parts of params.yaml; what a recipe says is checked as it is resolved."""

    active: Annotated[list[str], list_of("recipes"), UNIQUE]
    data: Data
    weights: Weights
    defaults: Defaults  # type: ignore[valid-type]
    recipes: Annotated[dict[Name, Any], AfterValidator(check_pipelines)]
