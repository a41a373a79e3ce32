"""The plain Keras code for the same work, as a competent person writes it by hand: the peers of the benchmark.

Each function is a short script of its own, in memory and float32, as the studies are. What is done once is left out of
its time: importing, building, and Keras's tracing of the graph, for which a first call is made.
"""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np


def network(
    application: str, image_size: int, first_trainable: str, classes: int, optimizer: str, learning_rate: float
) -> "keras.Model":
    """Return a whole network with random weights and a new head, compiled, its layers before `first_trainable` frozen.

    Without such a one all of the backbone is frozen. Batch normalisation stays frozen, in inference mode.
    """
    import keras

    backbone = getattr(keras.applications, application)(
        weights=None, include_top=False, input_shape=(image_size, image_size, 3), pooling="avg"
    )
    trainable = False
    for layer in backbone.layers:
        trainable = trainable or layer.name == first_trainable
        layer.trainable = trainable and not isinstance(layer, keras.layers.BatchNormalization)
    outputs = keras.layers.Dense(classes, activation="softmax")(backbone.output)
    model = keras.Model(backbone.input, outputs)
    return compile_model(model, optimizer, learning_rate)


def compile_model(model: "keras.Model", optimizer: str, learning_rate: float) -> "keras.Model":
    """Compile a classifier in place for training by cross-entropy, with accuracy as its metric, and return it."""
    import keras

    rate = {"class_name": optimizer, "config": {"learning_rate": learning_rate}}
    model.compile(keras.optimizers.get(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fine_tuning_seconds(
    application: str, image_size: int, first_trainable: str, classes: int, optimizer: str, batch_size: int, batches: int
) -> float:
    """Train a whole network for an epoch, its first layers frozen, on images in memory; return its seconds an image."""
    import numpy as np

    random = np.random.default_rng(0)
    images = random.uniform(-120, 130, (batch_size * batches, image_size, image_size, 3)).astype(np.float32)
    labels = random.integers(classes, size=len(images))
    model = network(application, image_size, first_trainable, classes, optimizer, 1e-6)
    model.fit(images[:batch_size], labels[:batch_size], batch_size=batch_size, verbose=0)
    start = perf_counter()
    model.fit(images, labels, batch_size=batch_size, verbose=0)
    return (perf_counter() - start) / len(images)


def prediction_seconds(application: str, image_size: int, images: int) -> float:
    """Predict images in memory, in batches of 32; return the seconds divided by the number of images."""
    import numpy as np

    model = network(application, image_size, "", 2, "adam", 1e-6)
    arrays = np.random.default_rng(0).uniform(-120, 130, (images, image_size, image_size, 3)).astype(np.float32)
    model.predict(arrays[:32], batch_size=32, verbose=0)
    start = perf_counter()
    model.predict(arrays, batch_size=32, verbose=0)
    return (perf_counter() - start) / images


def head_seconds(
    train: "tuple[np.ndarray, np.ndarray]",
    validation: "tuple[np.ndarray, np.ndarray]",
    optimizer: str,
    learning_rate: float,
    dropout: float,
    batch_size: int,
    epochs: int,
) -> float:
    """Train a head on features in memory, scored on validation after each epoch; return the seconds an epoch.

    A first epoch is not timed.
    """
    model = head(train, optimizer, learning_rate, dropout)
    model.fit(*train, batch_size=batch_size, epochs=1, validation_data=validation, verbose=0)
    start = perf_counter()
    model.fit(*train, batch_size=batch_size, epochs=epochs, validation_data=validation, verbose=0)
    return (perf_counter() - start) / epochs


def head_losses(
    train: "tuple[np.ndarray, np.ndarray]",
    orders: "Sequence[np.ndarray]",
    weights: "Sequence[np.ndarray]",
    optimizer: str,
    learning_rate: float,
    batch_size: int,
) -> list[float]:
    """Train a head without dropout from given weights, each epoch in a given order; return each epoch's loss."""
    model = head(train, optimizer, learning_rate, 0.0)
    model.set_weights(list(weights))
    given = {"batch_size": batch_size, "shuffle": False, "verbose": 0}
    return [model.fit(train[0][order], train[1][order], **given).history["loss"][0] for order in orders]


def head(train: "tuple[np.ndarray, np.ndarray]", optimizer: str, learning_rate: float, dropout: float) -> "keras.Model":
    """Return a new head, compiled: dropout and a dense softmax layer, for the width and the classes of these rows."""
    import keras

    classes = int(train[1].max()) + 1
    layers = [keras.Input(train[0].shape[1:]), keras.layers.Dropout(dropout)]
    model = keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])
    return compile_model(model, optimizer, learning_rate)


def extraction_rate(application: str, folder: Path, image_size: int) -> float:
    """Read images from files and predict their features with an untrained backbone; return images a second."""
    import keras

    module, backbone, options = APPLICATIONS[application]
    preprocess = getattr(keras.applications, module).preprocess_input
    model = getattr(keras.applications, backbone)(
        weights=None, include_top=False, input_shape=(image_size, image_size, 3), pooling="avg", **options
    )
    images = keras.utils.image_dataset_from_directory(
        folder, label_mode=None, image_size=(image_size, image_size), batch_size=32, shuffle=False, verbose=False
    )
    batches = images.map(preprocess).prefetch(1)
    model.predict(batches.take(1), verbose=0)
    start = perf_counter()
    features = model.predict(batches, verbose=0)
    return len(features) / (perf_counter() - start)


APPLICATIONS: dict[str, tuple[str, str, dict[str, float]]] = {  # preprocessing's module, the network, its options
    "vgg16": ("vgg16", "VGG16", {}),
    "vgg19": ("vgg19", "VGG19", {}),
    "resnet50": ("resnet", "ResNet50", {}),
    "mobilenet_v2": ("mobilenet_v2", "MobileNetV2", {}),
    "mobilenet_025": ("mobilenet", "MobileNet", {"alpha": 0.25}),
    "efficientnet_v2_b0": ("efficientnet_v2", "EfficientNetV2B0", {}),
    "convnext_tiny": ("convnext", "ConvNeXtTiny", {}),
}


def augmentation_rate(folder: Path, image_size: int, rotation: float, shear: float, zoom: float) -> float:
    """Read images from files and augment them one at a time, by Keras's layers, a view each; return views a second."""
    import keras
    import tensorflow as tf

    files = sorted(map(str, folder.glob("*/*")))
    layers = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(rotation / 360),
            keras.layers.RandomZoom(zoom),
            keras.layers.RandomShear(shear, shear),
        ]
    )

    def view(file: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(tf.io.read_file(file), channels=3, expand_animations=False)
        return layers(tf.image.resize(image, (image_size, image_size)), training=True)

    views = tf.data.Dataset.from_tensor_slices(files).map(view, tf.data.AUTOTUNE).batch(32).prefetch(tf.data.AUTOTUNE)
    sum(1 for _ in views.take(1))
    start = perf_counter()
    made = sum(len(batch) for batch in views)
    return made / (perf_counter() - start)


def scale(folder: Path, image_size: int, weights: Path) -> tuple[float, int]:
    """Train a head, then the last block, on all images in memory, predict after each; return seconds and most bytes.

    All images are loaded at once; those of test are predicted. Two epochs each, of the network that is this project's
    own. The bytes are those of memory that the process held at most.
    """
    import resource
    import sys

    import keras
    import numpy as np
    from PIL import Image

    from components.model.backbones.applications import vgg16_small

    start = perf_counter()
    files = sorted(folder.glob("*/*"))
    classes = sorted({file.parent.name for file in files})
    labels = np.array([classes.index(file.parent.name) for file in files])
    images = np.stack([np.asarray(Image.open(file).resize((image_size, image_size)), np.float32) for file in files])
    images = images / 127.5 - 1
    order = np.random.default_rng(0).permutation(len(files))
    train, validation, test = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    backbone = vgg16_small(image_size, None, top=False)
    backbone.load_weights(weights)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(len(classes), activation="softmax")(pooled))
    for first in ("", "block5_conv1"):  # nothing of the backbone, then its last block
        names = [layer.name for layer in backbone.layers]
        for number, layer in enumerate(backbone.layers):
            layer.trainable = bool(first) and number >= names.index(first)
        compile_model(model, "adam", 1e-6)
        model.fit(
            images[train], labels[train], batch_size=32, epochs=2, verbose=0,
            validation_data=(images[validation], labels[validation]),
        )  # fmt: skip
        model.predict(images[test], verbose=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return perf_counter() - start, memory


# A script that imports what it uses at its head, as scripts do, and answers --help.
COMMAND = """
import argparse, keras, tensorflow
argparse.ArgumentParser().parse_args()
"""


def write_stages(folder: Path, count: int) -> None:
    """Write `FOLDER/dvc.yaml` with so many bare stages: each writes a text file and depends on the one before."""
    entries = []
    for number in range(count):
        before = f"\n    deps: [{number - 1}.txt]" if number else ""
        entries.append(f"  stage{number}:\n    cmd: echo {number} > {number}.txt{before}\n    outs: [{number}.txt]\n")
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(entries))


def pairs_of_close_hashes(source: Path, distance: int) -> set[frozenset[str]]:
    """Return the pairs of names of files in class folders whose perceptual hashes are at most so many bits apart."""
    from itertools import combinations

    import imagehash
    from PIL import Image

    hashes = {file.name: imagehash.phash(Image.open(file)) for file in sorted(source.glob("*/*"))}
    return {frozenset(pair) for pair in combinations(hashes, 2) if hashes[pair[0]] - hashes[pair[1]] <= distance}


def holds_within_two_errors(value: float, error: float, truth: float) -> bool:
    """Return whether the usual 95 % interval, the score plus and minus 1.96 standard errors, holds the true score."""
    return abs(value - truth) <= 1.96 * error


def mcnemar_tells_apart(first: "np.ndarray", second: "np.ndarray") -> bool:
    """Return whether McNemar's exact test at 5 % tells two models apart, by the images that each has wrong, (n,)."""
    from scipy import stats

    better, worse = int(((first > 0) & (second == 0)).sum()), int(((first == 0) & (second > 0)).sum())
    return better + worse > 0 and stats.binomtest(better, better + worse).pvalue < 0.05


def lowest_threshold(margins: "np.ndarray", wrong: "np.ndarray", at_least: float) -> float:
    """Return the lowest margin above which the share of right images is at least this one; infinity if none is."""
    import numpy as np

    order = np.argsort(-margins, kind="stable")
    right = 1 - np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    holds = np.flatnonzero(right >= at_least)
    return float(margins[order][holds[-1]]) if len(holds) else np.inf


def conformal_limit(losses: "np.ndarray", stated: float) -> float:
    """Return the log loss up to which split conformal prediction takes classes into a set; infinity of few images.

    Source: Angelopoulos & Bates, A Gentle Introduction to Conformal Prediction, arXiv 2107.07511.
    """
    import math

    import numpy as np

    rank = math.ceil((len(losses) + 1) * stated)
    return float(np.sort(losses)[rank - 1]) if rank <= len(losses) else np.inf
