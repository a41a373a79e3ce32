"""Extraction: the network's outputs are stored in order; storage is limited; batches are read ahead; precision."""

import re
import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

from components.data import augmentation
from components.data import images as image_files
from components.data.artifacts import Augmented, Classifier, Features, Precision, Tensors, Weights
from components.data.records import Record
from components.data.sources import open_source
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import backbones, extraction, precision_choice
from components.model.cut import cut
from components.model.precision import to_bfloat16
from components.system.errors import UserError
from pipeline import recipes
from pipeline.planning import tasks_by_recipe
from pipeline.running import find_output, make
from tests.conftest import PARAMETERS, TRAINED
from tests.data.test_data_sets import real

VALUES = PARAMETERS["extract"]


def extract(made: dict[str, Path], folder: Path, **changed: str | float) -> tuple[Features, Tensors]:
    at = {**made, "features": folder / "features", "tensors": folder / "tensors"}
    run_step("extract", at, {**VALUES, **changed})
    return Features.read(at["features"]), Tensors.read(at["tensors"])


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_every_row_is_what_the_network_makes_of_its_view(batch_size, made, tmp_path):
    features, tensors = extract(made, tmp_path, batch_size=batch_size)
    views, weights = Augmented.read(made["augmented"]), Weights.read(made["weights"])
    entry = backbones.entry_of(weights)
    network = entry.build(views.facts.image_size, weights.file)
    prefix, _ = cut(network, features.facts.first_trainable)
    for file, view in ((0, 0), (2, 1), (-1, -1)):
        image = entry.preprocessing()(augmentation.draw_views(views)[np.array([file])][:, view].astype(np.float32))
        np.testing.assert_allclose(tensors.array[file, view], prefix(image)[0], rtol=1e-4, atol=1e-5)
        pooled = keras.ops.mean(network(image), axis=(1, 2))[0]
        np.testing.assert_allclose(features.array[file, view], pooled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prefix", ["stored", "live"])
def test_both_artifacts_say_how_they_were_made(prefix, made, tmp_path):
    for artifact in extract(made, tmp_path, prefix=prefix):
        assert artifact.facts.prefix == prefix
        assert artifact.facts.first_trainable == "block5_conv1"
    record = Record.read(tmp_path / "features.record.json")
    assert record.work["extraction"]["images"] == 48 * 3


def test_a_live_prefix_stores_the_plain_images_and_the_same_features(made, tmp_path):
    features, tensors = extract(made, tmp_path, prefix="live")
    views = Augmented.read(made["augmented"])
    assert tensors.array.dtype == np.uint8
    np.testing.assert_array_equal(tensors.array, views.array)
    np.testing.assert_array_equal(features.array, Features.read(made["features"]).array)
    assert tensors.table("files.csv").equals(views.table("files.csv"))


def test_tensors_are_stored_in_half_the_bytes_and_train_to_nearly_the_same(made, tmp_path):
    """The features are the same; numbers that are too large are one line."""
    features, tensors = extract(made, tmp_path, storage="float16")
    whole = Tensors.read(made["tensors"]).array
    assert tensors.array.dtype == np.float16 and 2 * tensors.array.nbytes == whole.nbytes
    np.testing.assert_array_equal(tensors.array, whole.astype(np.float16))
    np.testing.assert_array_equal(features.array, Features.read(made["features"]).array)
    at = {**made, "features": features.path, "tensors": tensors.path, "top": tmp_path / "top"}
    run_step("train_top", {**at, "classifier": tmp_path / "of_top"}, PARAMETERS["train_top"])
    run_step("fine_tune", {**at, "classifier": tmp_path / "tuned"}, PARAMETERS["fine_tune"])
    half, exact = (Classifier.read(path).facts for path in (tmp_path / "tuned", made["classifiers/fine_tuned"]))
    assert half.validation_log_loss == pytest.approx(exact.validation_log_loss, rel=0.02)
    assert extraction.convert_to_stored(np.array([65504.0]), np.dtype(np.float16)) == [65504]
    with pytest.raises(UserError, match=r"the tensors reach 7e\+04, too much for float16: give `storage: float32`"):
        extraction.convert_to_stored(np.array([1.0, -7e4]), np.dtype(np.float16))


# 48 files of 32 pixels: 3 views of 2 x 2 x 128 float32 at the cut, or the image itself


@pytest.mark.parametrize(
    ("prefix", "views", "size", "ways_out"),
    [
        ("stored", 3, 2 * 2 * 128 * 4, r"fewer views, `augment: \{views: ..\}`, half .* `extract: \{prefix: live\}`"),
        ("live", 1, 32 * 32 * 3, r"smaller images, `augment: \{image_size: ..\}`"),
    ],
)
def test_storage_is_a_budget(prefix, views, size, ways_out, made, tmp_path, capfd):
    """What it takes is said beforehand; a byte more than the limit is an error, and nothing is computed or written."""
    total = 48 * views * size
    extract(made, tmp_path, prefix=prefix, storage_limit=total / 1e9)
    assert total == (tmp_path / "tensors" / "tensors.npy").stat().st_size - 128  # the header
    message = f"the tensors take {total / 1e9:.3g} GB (48 files, {views} views of each, {size:,} bytes a view)"
    assert f"extract: {message}\n" in capfd.readouterr().err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "extraction_graph", None)
        with pytest.raises(UserError, match=rf"extract: {re.escape(message)}; storage_limit is .* GB: take {ways_out}"):
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

    batches = extraction.read_ahead(items())
    for item in range(3):
        assert next(batches) == item
        assert all(event.wait(60) for event in begun[: item + 2])
        assert not any(event.is_set() for event in begun[item + 2 :])
    with pytest.raises(OSError, match="gone"):
        next(batches)
    assert list(extraction.read_ahead(iter([1, 2]))) == [1, 2]
    assert list(extraction.read_ahead(iter([]))) == []


def test_images_that_are_damaged_are_one_line(made, tmp_path):
    shutil.copytree(made["augmented"], tmp_path / "augmented")
    (tmp_path / "augmented" / "images.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"augmented/images\.npy is damaged"):
        extract({**made, "augmented": tmp_path / "augmented"}, tmp_path)


# Precision

SMALL = 64  # pixels
REAL = {"mobilenet_025": "mobilenet_2_5_224_tf_no_top.h5", "mobilenet_v2": "mobilenet_v2_1.0_224_notop.weights.h5"}


def relative_difference(outputs: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(outputs - expected) / np.linalg.norm(expected))


def outputs_by_precision(entry: backbones.Backbone, network: keras.Model, images: np.ndarray) -> list[list[np.ndarray]]:
    """Return the features and the tensors at the cut, in float32 and in bfloat16."""
    first, names = entry.first_trainable_layer("last_block", network), ("float32", "bfloat16")
    networks = [
        extraction.frozen_network(entry, network, first, "average", at_cut=True, precision=name) for name in names
    ]
    return [extraction.extraction_graph(one)(images) for one in networks]


@pytest.mark.parametrize("name", TRAINED)
def test_bfloat16_is_computed_where_sums_are_long_and_changes_the_features_little(name):
    keras.utils.set_random_seed(0)
    entry = backbones.get(name)
    network = entry.build(SMALL)
    for layer in network.layers:
        if "layer_scale" in layer.name:  # ConvNeXt's begins at 1e-6, so that its blocks would count for nothing
            layer.set_weights([np.ones_like(one) for one in layer.get_weights()])
    copy = to_bfloat16(network, entry.min_products)
    short = [layer for layer in copy.layers if layer.compute_dtype == "bfloat16"]
    assert short and all(layer.kernel[..., 0].numpy().size >= entry.min_products for layer in short)
    assert short[0].output.dtype == "bfloat16"
    assert {weight.dtype for weight in copy.weights} == {weight.dtype for weight in network.weights}
    for one, other in zip(network.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    images = np.random.default_rng(0).integers(0, 256, (8, SMALL, SMALL, 3), dtype=np.uint8)
    (plain, plain_at_cut), (rounded, rounded_at_cut) = outputs_by_precision(entry, network, images)
    assert 1e-4 < relative_difference(rounded, plain) < 1e-2
    assert relative_difference(rounded_at_cut, plain_at_cut) < 1e-2
    assert rounded.dtype == rounded_at_cut.dtype == np.float32


@pytest.mark.parametrize(("name", "file"), REAL.items())
def test_bfloat16_changes_the_features_of_photographs_little(name, file, tmp_path):
    weights = real("kth_animals.tar").parent.parent / "weights" / file
    with open_source(str(real("kth_animals.tar")), tmp_path) as folder:
        files = sorted(folder.rglob("*.jpg"))[::110]
        images = np.stack([image_files.read_pixels(one, 224) for one in files])
    (plain, _), (rounded, _) = outputs_by_precision(
        backbones.get(name), backbones.get(name).build(224, weights), images
    )
    assert relative_difference(rounded, plain) < 1e-2


@pytest.mark.slow  # the built-in recipe, twice
def test_a_head_learns_the_same_from_bfloat16(tmp_path, monkeypatch):
    """On the built-in recipe's images and weights."""
    monkeypatch.chdir(ROOT)
    content, precisions = recipes.read(), ("float32", "bfloat16")
    changes = {
        "like": "digits",
        "augment": {"views": 0},
        "train_top": {"learning_rate": 0.001, "epochs": 60, "repeats": 1},
    }
    content["recipes"] |= {name: {**changes, "choose_precision": {"precision": name}} for name in precisions}
    losses, features = [], []
    for tasks in tasks_by_recipe(content, precisions).values():
        losses.append(
            Classifier.read(make(find_output(tasks, "classifier", "top"), tmp_path)).facts.validation_log_loss
        )
        features.append(np.array(Features.read(make(find_output(tasks, "features"), tmp_path)).array))
    assert 0 < relative_difference(*features) < 1e-2
    assert losses[0] < np.log(10) / 2 and abs(losses[0] - losses[1]) < 0.01


@pytest.mark.parametrize(
    ("seconds", "value", "better"),
    [(1.0, 1.001, "bfloat16"), (1.8, 1.001, "float32"), (1.0, 1.02, "float32"), (3.0, 1.0, "float32")],
    ids=["faster", "hardly faster", "faster and other features", "slower"],
)
def test_auto_takes_bfloat16_where_it_pays(seconds, value, better, made, monkeypatch, capsys):
    now = [0.0]

    def run_at(seconds: float, value: float) -> extraction.BatchFunction:
        def run(images: np.ndarray) -> list[np.ndarray]:
            now[0] += seconds
            return [np.full((len(images), 2), value)]

        return run

    runs = {"float32": run_at(2.0, 1.0), "bfloat16": run_at(seconds, value)}
    monkeypatch.setattr(precision_choice, "perf_counter", lambda: now[0])
    monkeypatch.setattr(precision_choice, "frozen_network", lambda *arguments: arguments[-1])
    monkeypatch.setattr(precision_choice, "extraction_graph", runs.get)
    table = precision_choice.measure_precisions(Augmented.read(made["augmented"]), Weights.read(made["weights"]))
    assert precision_choice.better_precision(table) == better
    speeds = f"float32 4.0 views/s, bfloat16 {8 / seconds:.1f} views/s"
    message = f"choose_precision: {better} is chosen ({speeds}; features differ by {value - 1:.1e})\n"
    assert capsys.readouterr().err == message


def test_what_a_clock_decides_is_kept_and_an_input_from_then_on(made, tmp_path):
    at = {**made, **{name: tmp_path / name for name in ("chosen_precision", "features", "tensors")}}
    run_step("choose_precision", at, {"precision": "auto"})
    chosen = Precision.read(at["chosen_precision"])
    speeds = chosen.table("speeds.csv")
    assert speeds["precision"].tolist() == ["float32", "bfloat16"] and (speeds["views_per_second"] > 0).all()
    assert speeds["difference"].tolist()[0] == 0 < speeds["difference"].tolist()[1]
    run_step("extract", at, VALUES)
    assert Features.read(at["features"]).facts.precision == chosen.facts.precision
    assert Features.read(at["features"]).manifest["lineage"]["choose_precision"] == chosen.digest


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_not_measured(precision, made, tmp_path):
    run_step("choose_precision", {**made, "chosen_precision": tmp_path / "chosen"}, {"precision": precision})
    chosen = Precision.read(tmp_path / "chosen")
    assert chosen.facts.precision == precision and chosen.table("speeds.csv").empty
