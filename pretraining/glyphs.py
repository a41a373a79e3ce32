"""Pretrain the backbone `vgg16_small` on rendered glyphs that are not digits, and write its weights.

The 172 classes are letters and symbols of the fonts that come with matplotlib. No character of a Unicode number
category (Nd, Nl, No) is among them, nor one that DejaVu Sans draws nearly as a digit; O, I, Z and S remain. Every image
is rendered anew, at random. The network trains with batch normalisation, which is then multiplied into the weights.

    python -m pretraining.glyphs

takes about ten minutes on two cores and writes vgg16_small.weights.h5 beside this module: float16, 1.9 MB. The accuracy
on 9600 held-out renderings of the same glyphs was 0.848, and 0.845 with `--seed 1`: expect any run within 0.02 of 0.85.
One epoch run twice on one machine gave the same file; another processor or library version may give another.
"""

import argparse
import hashlib
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Array = NDArray[Any]

LETTERS = (("A", "Z"), ("a", "z"), ("Α", "Ω"), ("α", "ω"), ("А", "я"))  # Latin, Greek, Cyrillic: first and last
SYMBOLS = "!\"#$%&'()*+/<=>?@[]^{|}~£¥§©¶¿÷×ßÆæØøÞþÐðđħŋŒœ←↑→↓↔↕⇐⇑⇒⇓∀∂∃∅∇∈∋∏∑√∝∞∠∧∨∩∪∫≈≠≡≤≥⊂⊃⊕⊗⊢⊥■□▲▼◆◇●★♠♥♪♭♯"
DIGITS = "0123456789"  # no classes, and neither is what looks like one
REFERENCE = "DejaVuSans.ttf"  # the font that says what a character looks like
FEWEST_FONTS = 6  # a character that fewer fonts have is no class
ALIKE = 0.9  # correlation of two glyphs, blurred, from which on they count as the same

CANVAS = 64  # pixels a side of a stored glyph
GLYPH = 44  # pixels of its longest side
SIZE = 32  # pixels a side of a rendered image
RESOLUTIONS = (8, 8, 8, 12, 16, 24, 32)  # pixels a side that an image is reduced to and enlarged from, drawn evenly

BATCH = 64  # images a step
STEPS = 240  # steps an epoch
HELD_OUT = 150  # steps' worth of images that are only measured on
LEARNING_RATE = 1e-3  # at its highest, after WARM_UP of all steps
WARM_UP = 0.05


def edge_distance(inside: Array) -> Array:
    """Return the distance in pixels of each pixel of a mask (height, width) to its edge; negative outside."""
    from scipy.ndimage import distance_transform_edt

    return (distance_transform_edt(inside) - distance_transform_edt(~inside)).astype(np.float32)


def font_glyphs(path: Path, characters: str) -> dict[str, Array]:
    """Return for each character that the font has the `edge_distance` of its glyph, (CANVAS, CANVAS).

    A font has a character if it names the glyph as Unicode does: the Computer Modern fonts map other glyphs to letters.
    """
    from matplotlib.ft2font import FT2Font

    font, reference = FT2Font(path), FT2Font(path.with_name(REFERENCE))
    codes, glyphs = font.get_charmap(), {}
    for character in characters:
        code = ord(character)
        names = (reference.get_glyph_name(reference.get_char_index(code)), f"uni{code:04X}")
        if code not in codes or font.get_glyph_name(codes[code]) not in names:
            continue
        points = float(GLYPH)
        for _ in range(3):  # approaches the size in points at which the longest side takes GLYPH pixels
            font.set_size(points, 72)
            font.set_text(character)
            font.draw_glyphs_to_bitmap(antialiased=True)
            bitmap = np.asarray(font) > 127
            bitmap = bitmap[np.ix_(bitmap.any(axis=1), bitmap.any(axis=0))]
            points *= GLYPH / max(bitmap.shape)
        margins = [((CANVAS - side) // 2, (CANVAS - side + 1) // 2) for side in bitmap.shape]
        glyphs[character] = edge_distance(np.pad(bitmap, margins))
    return glyphs


def glyph_classes() -> dict[str, Array]:
    """Return the classes: a character, and its glyphs (fonts, CANVAS, CANVAS) as `edge_distance`.

    A character that looks in the reference font like a digit or like an earlier character is no class.
    """
    import matplotlib

    letters = "".join(chr(code) for first, last in LETTERS for code in range(ord(first), ord(last) + 1))
    characters = "".join(filter(str.isprintable, letters + SYMBOLS))  # U+03A2 among the Greek is unassigned
    assert not any(unicodedata.category(character).startswith("N") for character in characters)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    shrink = resize(CANVAS, 16)
    seen: list[Array] = []
    classes: dict[str, Array] = {}
    drawn = [font_glyphs(path, characters) for path in sorted(fonts.glob("*.ttf"))]
    for character, glyph in font_glyphs(fonts / REFERENCE, DIGITS + characters).items():
        look = shrink @ (glyph > 0) @ shrink.T
        look = (look - look.mean()) / look.std()
        glyphs = [font[character] for font in drawn if character in font]
        if len(glyphs) >= FEWEST_FONTS and all((look * other).mean() < ALIKE for other in seen):
            classes[character] = np.stack(glyphs)
        if character in classes or character in DIGITS:
            seen.append(look)
    return classes


def resize(source: int, target: int) -> Array:
    """Return the matrix (target, source) that resizes an axis bilinearly, with antialiasing where it shrinks."""
    if target < source:
        matrix = resize(target, source).T
        return matrix / matrix.sum(axis=1, keepdims=True)
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(source))).astype(np.float32)


def smooth_noise(random: np.random.Generator, images: int, channels: int, cells: int) -> Array:
    """Return normal noise (images, channels, SIZE, SIZE) that is independent only `SIZE / cells` pixels apart."""
    enlarge = resize(cells, SIZE)
    return enlarge @ random.standard_normal((images, channels, cells, cells), np.float32) @ enlarge.T


def sample(pictures: Array, rows: Array, columns: Array) -> Array:
    """Return the pictures (images, CANVAS, CANVAS) at the points (images, SIZE, SIZE), bilinearly."""
    rows, columns = (np.clip(points, 0, CANVAS - 1.001) for points in (rows, columns))
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left
    corner = (np.arange(len(pictures))[:, None, None] * CANVAS + top.astype(np.intp)) * CANVAS + left.astype(np.intp)
    flat = pictures.ravel()
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + CANVAS] * (1 - right) + flat[corner + CANVAS + 1] * right
    return upper * (1 - down) + lower * down


def draw_masks(random: np.random.Generator, glyphs: Array) -> Array:
    """Return the glyphs (images, CANVAS, CANVAS) drawn at random: (images, SIZE, SIZE), 0 background to 1 stroke.

    Random are size, proportions, slant, rotation, position, a smooth deformation, stroke thickness and sharpness.
    """

    def draw(low: float, high: float) -> Array:
        return random.uniform(low, high, (len(glyphs), 1, 1)).astype(np.float32)

    size = draw(0.6, 1.05)  # of the longest side, in sides of the image
    pixel = GLYPH / (SIZE * size)  # canvas pixels a pixel of the image
    y, x = np.meshgrid(*[np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2] * 2, indexing="ij")
    room = SIZE * (1.1 - size) / 2
    y, x = y + draw(-1, 1) * room, x + draw(-1, 1) * room
    angle, slant, wide = np.deg2rad(draw(-15, 15)), draw(-0.3, 0.3), np.exp(draw(-0.3, 0.3))
    y, x = y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)
    bend = smooth_noise(random, len(glyphs), 2, 4) * draw(0, 2.5)[..., None]
    rows = y * pixel + bend[:, 0] + (CANVAS - 1) / 2
    columns = (x + slant * y) * pixel * wide + bend[:, 1] + (CANVAS - 1) / 2
    thicker = np.maximum(draw(-1, 4), 1 - glyphs.max(axis=(1, 2), keepdims=True))  # a pixel of the stroke must be left
    return np.clip((sample(glyphs, rows, columns) + thicker) / (pixel * draw(0.8, 2)) + 0.5, 0, 1)


def render(random: np.random.Generator, glyphs: Array) -> Array:
    """Return images (images, SIZE, SIZE, 3), pixels in [0, 255], of the glyphs (images, CANVAS, CANVAS).

    Random are, besides the `masks`, colours, which of stroke and background is bright, texture, resolution and noise.
    """
    images = len(glyphs)

    def draw(low: float, high: float) -> Array:
        return random.uniform(low, high, (images, 1, 1, 1)).astype(np.float32)

    dark = draw(-60, 100).clip(0)
    bright = dark + draw(90, 300)
    swap = draw(0, 1) < 0.25
    mask = draw_masks(random, glyphs)[:, None]
    paints = []
    for shade in (np.where(swap, bright, dark), np.where(swap, dark, bright)):
        tint = random.normal(0, 40, (images, 3, 1, 1)).astype(np.float32) * (draw(0, 1) < 0.3)
        slope = smooth_noise(random, images, 1, 2) * draw(-30, 30).clip(0)
        texture = smooth_noise(random, images, 1, 12) * draw(-30, 30).clip(0)
        paints.append((shade + tint + slope + texture).clip(0, 255))
    pictures = paints[0] + mask * (paints[1] - paints[0])
    reduce = np.stack([resize(side, SIZE) @ resize(SIZE, side) for side in RESOLUTIONS])
    blur = reduce[random.integers(len(reduce), size=images)][:, None]
    pictures = blur @ pictures @ blur.swapaxes(2, 3)
    pictures += random.standard_normal(pictures.shape, np.float32) * draw(-12, 12).clip(0)
    return pictures.clip(0, 255).transpose(0, 2, 3, 1)


def batches(random: np.random.Generator, classes: dict[str, Array]) -> Iterator[tuple[Array, Array]]:
    """Yield for ever images (BATCH, SIZE, SIZE, 3), pixels in [0, 255], and the indices of their classes (BATCH,)."""
    fonts = list(classes.values())
    while True:
        labels = random.integers(len(fonts), size=BATCH)
        yield render(random, np.stack([fonts[label][random.integers(len(fonts[label]))] for label in labels])), labels


def add_normalisation(network: "keras.Model") -> "keras.Model":
    """Return the network with batch normalisation between each convolution and its ReLU; without, the loss stays put.

    It takes over the network's layers, which `folded` reads the trained weights from.
    Source: Ioffe and Szegedy, arXiv 1502.03167.
    """
    import keras

    x = network.input
    for layer in network.layers[1:]:
        if isinstance(layer, keras.layers.Conv2D):
            layer.activation = keras.activations.linear  # the ReLU comes after the normalisation
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"{layer.name}_normal")(layer(x)))
        else:
            x = layer(x)
    return keras.Model(network.input, x)


def fold_normalisation(network: "keras.Model", model: "keras.Model") -> list[Array]:
    """Return the network's weights with the model of `add_normalisation`'s batch normalisation multiplied into them."""
    weights = []
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            normal = model.get_layer(f"{layer.name}_normal")
            gamma, beta, mean, variance = normal.get_weights()
            gain = gamma / np.sqrt(variance + normal.epsilon)
            weights += [kernel * gain, (bias - mean) * gain + beta]
    return weights


def train(classes: dict[str, Array], seed: int, epochs: int) -> tuple[list[Array], float]:
    """Train the backbone with a softmax on top; return its weights and the accuracy on held-out images."""
    import keras

    from components.model import backbones

    keras.utils.set_random_seed(seed)
    backbone = backbones.get("vgg16_small")
    network = backbone.build(SIZE)
    trunk = add_normalisation(network)
    top = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(len(classes), activation="softmax")]
    model = keras.Sequential([keras.layers.Rescaling(backbone.scale, backbone.offset), trunk, *top])
    steps = epochs * STEPS
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, round((1 - WARM_UP) * steps), warmup_target=LEARNING_RATE, warmup_steps=round(WARM_UP * steps)
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    started = time.monotonic()

    def report(epoch: int, logs: dict[str, float]) -> None:
        left = (time.monotonic() - started) * (epochs / (epoch + 1) - 1)
        figures = f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.3f}"
        print(f"epoch {epoch + 1}/{epochs}: {figures}, {left / 60:.1f} min left", flush=True)

    model.fit(
        batches(np.random.default_rng([seed, 0]), classes), epochs=epochs, steps_per_epoch=STEPS, shuffle=False,
        verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
    )  # fmt: skip
    held_out = batches(np.random.default_rng([seed, 1]), classes)
    accuracy = model.evaluate(held_out, steps=HELD_OUT, verbose=0, return_dict=True)["accuracy"]
    return fold_normalisation(network, trunk), accuracy


def save_half(weights: list[Array], path: Path) -> None:
    """Write the weights of a vgg16_small as float16, which halves the file; a float32 network loads them too."""
    import keras

    from components.model import backbones

    keras.config.set_dtype_policy("float16")
    network = backbones.get("vgg16_small").build(SIZE)
    keras.config.set_dtype_policy("float32")
    network.set_weights(weights)
    network.save_weights(path)


def main() -> None:
    """Read the command line, train, write the weights and print what came out."""
    parser = argparse.ArgumentParser(
        "python -m pretraining.glyphs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=14, help=f"of {STEPS * BATCH} images (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("vgg16_small.weights.h5"),
                        help="file to write, ending in .weights.h5 (default: beside this module)")  # fmt: skip
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error(f"--epochs is at least 1, received {arguments.epochs}")
    if not arguments.output.name.endswith(".weights.h5") or not arguments.output.parent.is_dir():
        parser.error(f"--output is a file in an existing folder, ending in .weights.h5, received {arguments.output}")
    started = time.monotonic()
    classes = glyph_classes()
    print(f"{len(classes)} classes, {sum(map(len, classes.values()))} glyphs: {''.join(classes)}", flush=True)
    weights, accuracy = train(classes, arguments.seed, arguments.epochs)
    save_half(weights, arguments.output)
    print(f"held-out accuracy {accuracy:.3f} on {HELD_OUT * BATCH} images; {time.monotonic() - started:.0f} s")
    print(f"{hashlib.sha256(arguments.output.read_bytes()).hexdigest()}  {arguments.output}")


if __name__ == "__main__":
    main()
