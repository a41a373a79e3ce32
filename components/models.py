"""The registry of models: the step that makes each, in the order in which they are shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    step: str


MODELS = {
    "benchmark": Model("train_benchmark"),
    "top": Model("train_top"),
    "fine_tuned": Model("fine_tune"),
    "ensemble": Model("average"),
}
