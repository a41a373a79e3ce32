"""Images without labels that are watched: unlike those of the model's validation, or not to be told from them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.system.errors import UserError
from pipeline.__main__ import main
from tests.conftest import write_images

WORDS = {
    "classifiers/fine_tuned": "128 features that it decides by", "classifiers/benchmark": "16 features",
    "file": "the logarithms of its probabilities",
}  # fmt: skip


@pytest.fixture(scope="module")
def unlike(tmp_path_factory) -> Path:
    """Images of noise, with no bright edge."""
    folder, random = tmp_path_factory.mktemp("unlike"), np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("model", WORDS)
def test_images_unlike_those_of_validation_end_the_command_with_status_1(model, made, unlike, tmp_path, capsys):
    address = str(made.get(model, tmp_path / "file"))
    if model == "file":
        main(["export", address, "--model", str(made["classifiers/fine_tuned"]), "--to", "litert"])
    alike = write_images(tmp_path / "alike", 8, size=13)
    against = ["--against", str(made["images"] / "images")] if model == "file" else []
    main(["predict", str(alike), "--model", address, "--watch", *against])
    said = capsys.readouterr().out
    known = "48, those of --against" if against else "12, the validation images"
    assert f"watch: 24 images against {known}" in said and f"watch: {WORDS[model]}" in said
    assert "watch: nothing tells them from those, at p < 0.05" in said
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(unlike), "--model", address, "--watch", *against])
    assert ended.value.code == 1
    assert "watch: they are unlike those, at p < 0.05 corrected for both tests" in capsys.readouterr().out


def test_what_cannot_be_watched_is_one_line(made, source, tmp_path):
    command = ["predict", str(source / "up" / "00.png"), "--model", str(made["classifiers/top"])]
    with pytest.raises(UserError, match=r"compares 8 images or more with as many; received 1, and 12 \(the validation"):
        main([*command, "--watch"])
    with pytest.raises(UserError, match="--against goes with --watch: give both"):
        main([*command, "--against", str(source)])
