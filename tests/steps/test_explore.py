"""What an exploration shows of a data set."""

from components.data.artifacts import Exploration, Splits
from components.machinery.running import run_step
from tests.conftest import PARAMETERS


def test_as_many_different_samples_are_chosen_as_are_asked_for(made, tmp_path):
    """Of a class that has no more, all; the choice is by the seed."""
    train = Splits.read(made["splits"]).part("train")
    sizes = train.groupby("label").size()
    chosen = {}
    for name, samples, seed in (("few", 5, 1), ("same", 5, 1), ("other", 5, 2), ("all", 99, 1)):
        at = {**made, "exploration": tmp_path / name}
        run_step("explore", at, {**PARAMETERS["explore"], "samples": samples, "seed": seed})
        table = Exploration.read(tmp_path / name).table("samples.csv")
        assert table["file"].is_unique and set(table["file"]) <= set(train["file"])
        assert table.groupby("label").size().tolist() == sizes.clip(upper=samples).tolist()
        chosen[name] = table["file"].tolist()
    assert sizes.min() > 5
    assert chosen["few"] == chosen["same"] != chosen["other"]
