"""The pretraining of the built-in backbone: no digit among its glyphs, and weights as they were trained."""

import unicodedata

import keras
import numpy as np
import pytest

from components.model import backbones
from pretraining import glyphs


@pytest.fixture(scope="module")
def classes():
    return glyphs.glyph_classes()


def test_no_class_is_a_digit_or_another_number(classes):
    assert len(classes) > 100
    assert not set(classes) & set("0123456789")
    assert not any(unicodedata.category(character).startswith("N") for character in classes)
    assert all(len(fonts) >= glyphs.FEWEST_FONTS for fonts in classes.values())


def test_every_image_is_drawn_anew_and_the_same_for_the_same_seed(classes):
    (first, labels), (second, again) = (next(glyphs.batches(np.random.default_rng(1), classes)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(labels, again)
    assert first.shape == (glyphs.BATCH, 32, 32, 3)
    assert (first.min() >= 0, first.max() <= 255) == (True, True)
    assert all(image.std() > 3 for image in first)
    assert len(np.unique(first.reshape(len(first), -1), axis=0)) == len(first)
    assert labels.max() < len(classes)


def test_batch_normalisation_is_multiplied_into_the_weights(tmp_path):
    """The file, half precision and all, gives what the network with batch normalisation gives."""
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    network = backbones.get("vgg16_small").build(32)
    trunk = glyphs.add_normalisation(network)
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    images = random.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    expected = trunk.predict_on_batch(images)
    file = tmp_path / "vgg16_small.weights.h5"
    glyphs.save_half(glyphs.fold_normalisation(network, trunk), file)
    found = backbones.get("vgg16_small").build(32, file).predict_on_batch(images)
    assert keras.config.dtype_policy().name == "float32"
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)
