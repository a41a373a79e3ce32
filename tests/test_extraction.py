"""Extraction: what is stored is what the network makes, in order; storage is a budget; batches are read ahead."""

import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

from components import step
from components.data.artifacts import Augmented, Features, Tensors, Weights
from components.errors import UserError
from components.model import backbones, extraction
from components.model.cut import cut
from tests.conftest import PARAMETERS

GIVEN = PARAMETERS["extract"]


def extract(made: dict[str, Path], folder: Path, **changed: str | float) -> tuple[Features, Tensors]:
    at = {**made, "features": folder / "features", "tensors": folder / "tensors"}
    step.run("extract", at, {**GIVEN, **changed})
    return Features.read(at["features"]), Tensors.read(at["tensors"])


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_every_row_is_what_the_network_makes_of_its_view(batch_size, made, tmp_path):
    features, tensors = extract(made, tmp_path, batch_size=batch_size)
    views, weights = Augmented.read(made["augmented"]), Weights.read(made["weights"])
    entry = backbones.get(weights.facts["backbone"])
    network = entry.build(views.facts["image_size"], weights.file)
    prefix, _ = cut(network, features.facts["first_trainable"])
    for file, view in ((0, 0), (2, 1), (-1, -1)):
        image = entry.preprocessing()(views.array[None, file, view].astype(np.float32))
        np.testing.assert_allclose(tensors.array[file, view], prefix(image)[0], rtol=1e-4, atol=1e-5)
        pooled = keras.ops.mean(network(image), axis=(1, 2))[0]
        np.testing.assert_allclose(features.array[file, view], pooled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prefix", ["stored", "live"])
def test_both_artifacts_say_how_they_were_made(prefix, made, tmp_path):
    for artifact in extract(made, tmp_path, prefix=prefix):
        assert artifact.facts["prefix"] == prefix
        assert artifact.facts["first_trainable"] == "block5_conv1"
        assert artifact.work["extraction"]["images"] == 48 * 3


def test_a_live_prefix_stores_the_plain_images_and_the_same_features(made, tmp_path):
    features, tensors = extract(made, tmp_path, prefix="live")
    views = Augmented.read(made["augmented"])
    assert tensors.array.dtype == np.uint8
    np.testing.assert_array_equal(tensors.array, views.array[:, :1])
    np.testing.assert_array_equal(features.array, Features.read(made["features"]).array)
    assert tensors.table("files.csv").equals(views.table("files.csv"))


# 48 files of 32 pixels: 3 views of 2 x 2 x 128 float32 at the cut, or the image itself


@pytest.mark.parametrize(
    ("prefix", "views", "size", "ways_out"),
    [
        ("stored", 3, 2 * 2 * 128 * 4, r"fewer views, `augment: \{views: ..\}`, .* `extract: \{prefix: live\}`"),
        ("live", 1, 32 * 32 * 3, r"smaller images, `augment: \{image_size: ..\}`"),
    ],
)
def test_storage_is_a_budget(prefix, views, size, ways_out, made, tmp_path, capfd):
    """What it takes is said beforehand; a byte more than the limit is an error, and nothing is computed or written."""
    total = 48 * views * size
    extract(made, tmp_path, prefix=prefix, storage_limit=total / 1e9)
    assert total == (tmp_path / "tensors" / "tensors.npy").stat().st_size - 128  # the header
    said = f"the tensors take {total / 1e9:.3g} GB: files 48, views of each {views}, bytes a view {size:,}"
    assert f"extract: {said}\n" in capfd.readouterr().err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "graph", None)
        with pytest.raises(UserError, match=rf"extract: {said}; storage_limit is .* GB: take {ways_out}"):
            extract(made, tmp_path / "more", prefix=prefix, storage_limit=(total - 1) / 1e9)
    assert not any((tmp_path / "more").iterdir())


def test_the_next_batch_is_read_while_one_is_worked_on():
    """And no further one; the end, and what goes wrong, come in their turn."""
    begun = [threading.Event() for _ in range(3)]

    def items():
        for item, event in enumerate(begun):
            event.set()
            yield item
        raise OSError("gone")

    found = extraction.ahead(items())
    for item in range(3):
        assert next(found) == item
        assert all(event.wait(60) for event in begun[: item + 2])
        assert not any(event.is_set() for event in begun[item + 2 :])
    with pytest.raises(OSError, match="gone"):
        next(found)
    assert list(extraction.ahead(iter([1, 2]))) == [1, 2]
    assert list(extraction.ahead(iter([]))) == []


def test_views_that_are_damaged_are_one_line(made, tmp_path):
    shutil.copytree(made["augmented"], tmp_path / "augmented")
    (tmp_path / "augmented" / "views.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match="augmented is damaged"):
        extract({**made, "augmented": tmp_path / "augmented"}, tmp_path)
