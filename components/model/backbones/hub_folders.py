"""Folders of pretrained networks that keras-hub reads: presets of Keras, and those of Hugging Face, of timm too."""

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any

from components.data.networks import import_keras_hub
from components.data.sources import is_versioned, local_path
from components.system.errors import UserError, not_installed, shorten, unknown_name

PRESET = "preset:"  # before the name of a preset, which keras-hub is to download
SAFETENSORS = "model.safetensors"


@dataclass(frozen=True)
class Pretrained:
    """A network of keras-hub with pretrained weights, and what stands beside them.

    Args:
        network: The network.
        kind: What was read, in words.
        facts: Scale and offset of pixels in [0, 255], and `image_size`, pixels a side, as far as they are said.
    """

    network: Any
    kind: str
    facts: dict[str, Any]


def read_pretrained(
    source: str, classes: Sequence[str], foreign: Sequence[str], prefix: str, rates: Mapping[str, float]
) -> Pretrained:
    """Return a Pretrained: the network of a folder or a downloaded preset, its kind in words, pixels and size if said.

    The facts are `scale` and `offset` of pixels and `image_size`, each left out where it is not said.

    Args:
        source: Path of the folder, or `preset:NAME`.
        classes: Names of the classes of keras-hub that it may be of.
        foreign: What others call such networks in their `config.json`: the type of a model, or how an architecture of
            timm begins.
        prefix: Of names of weights in a folder of Hugging Face, which keras-hub expects and published ones may lack.
        rates: Arguments of the class for dropout and the like.

    Raises:
        UserError: There is no such folder or preset, it is of another network or damaged, or the download fails.
    """
    hub = import_keras_hub()
    if source.startswith(PRESET):
        return read_named_preset(hub, source.removeprefix(PRESET), classes, rates)
    folder = Path(source) if is_versioned(source) else local_path(source)
    if not folder.is_dir():
        raise UserError(f"no folder {source!r}")
    config = read_config(folder, "config.json")
    if config is None:
        raise UserError(f"{source} has no config.json")
    if "registered_name" in config:
        name, kind, known = config.get("class_name"), "a preset of Keras", classes
        converter = (read_config(folder, "image_converter.json") or {}).get("config") or {}
        pixels = (converter.get("scale") or 1.0, converter.get("offset") or 0.0) if converter else None
        size = converter.get("image_size")
    elif "model_type" in config:
        name, kind, known = config["model_type"], "a folder of Hugging Face", foreign
        pixels, size = normalisation(read_config(folder, "preprocessor_config.json") or {}), None
    else:
        name, kind, known = config.get("architecture"), "a folder of timm", foreign
        pretrained = config.get("pretrained_cfg") or {}
        pixels = normalisation({"image_mean": pretrained.get("mean"), "image_std": pretrained.get("std")})
        size = (pretrained.get("input_size") or [None])[-1:]
    if not isinstance(name, str) or not name.startswith(tuple(known) or ("\0",)):
        expected = ", ".join(known) or "none: give a preset of Keras"
        raise UserError(f"{source} is {kind}, of {name!r}: this network is read from such of {expected}")
    class_name = name if known is classes else classes[0]
    with prefix_weight_names(folder, prefix if "model_type" in config else "") as readable:
        network = load(hub, class_name, str(readable), source, rates)
    return Pretrained(network, f"{kind}, {name}", pixel_facts(pixels, size, source))


def read_named_preset(hub: ModuleType, name: str, classes: Sequence[str], rates: Mapping[str, float]) -> Pretrained:
    """Return a keras-hub preset, downloaded, as a Pretrained; its `facts` are {} if it has no image converter.

    Raises:
        UserError: There is no such preset, or the download fails.
    """
    by_class = {class_name: getattr(hub.models, class_name).presets for class_name in classes}
    names = [preset for presets in by_class.values() for preset in presets]
    if name not in names:
        raise unknown_name("preset", name, names)
    class_name = next(class_name for class_name, presets in by_class.items() if name in presets)
    network = load(hub, class_name, name, f"{PRESET}{name}", rates)
    try:
        converter = hub.layers.ImageConverter.from_preset(name)
    except (OSError, ValueError):  # where the preset has none
        return Pretrained(network, f"the preset {name}", {})
    pixels = (converter.scale or 1.0, converter.offset or 0.0)
    return Pretrained(network, f"the preset {name}", pixel_facts(pixels, converter.image_size, name))


def load(hub: ModuleType, class_name: str, preset: str, source: str, rates: Mapping[str, float]) -> Any:
    """Return the network, in float32, that keras-hub makes of a preset, given as its name or as a folder.

    Raises:
        UserError: The preset is damaged, or the download fails.
    """
    import numpy as np

    kind = getattr(hub.models, class_name)
    try:
        with warnings.catch_warnings():  # Keras only warns where it leaves a layer at random
            warnings.simplefilter("error", UserWarning)
            network = kind.from_preset(preset, dtype="float32", **rates)
            table = getattr(network, "position_embedding_shape", None)  # of DINOv2: at the size of its table
            if table and tuple(table[:2]) != tuple(network.image_shape[:2]):
                network = kind.from_preset(preset, dtype="float32", image_shape=(table[0], table[0], 3), **rates)
        if not all(np.isfinite(weight).all() for weight in network.get_weights()):
            raise ValueError("its weights are not all finite numbers")
    except Exception as error:  # keras-hub, h5py, safetensors and what downloads throw what they like
        raise UserError(f"{source} cannot be loaded ({' '.join(str(error).split())[:200]})") from error
    return network


@contextmanager
def prefix_weight_names(folder: Path, prefix: str) -> Iterator[Path]:
    """Yield the folder, or, where its weights' names lack the prefix, a temporary copy in which all of them have it.

    A network that was saved without a top, as those pretrained on ImageNet-21k, has names without the prefix.
    """
    file = folder / SAFETENSORS
    if not prefix or not file.is_file():
        yield folder
        return
    try:
        safetensors = import_module("safetensors.numpy")
    except ImportError as error:
        raise not_installed(error, "hub") from error
    try:
        tensors = safetensors.load_file(file)
    except Exception as error:  # safetensors has an error of its own
        raise UserError(f"{file} cannot be read ({' '.join(str(error).split())[:200]})") from error
    if any(name.startswith(prefix) for name in tensors):
        yield folder
        return
    with tempfile.TemporaryDirectory() as copy:
        safetensors.save_file({prefix + name: one for name, one in tensors.items()}, Path(copy, SAFETENSORS))
        Path(copy, "config.json").write_bytes((folder / "config.json").read_bytes())
        yield Path(copy)


def read_config(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the mapping in a file of JSON in a folder, or None if there is no such file.

    Raises:
        UserError: It is no JSON, or no mapping.
    """
    file = folder / name
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is no mapping")
    return content


def normalisation(values: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return lists, scale and offset, from `image_mean`, `image_std`, `rescale_factor`; None without mean or deviation.

    They are for pixels in [0, 255]: Hugging Face takes mean and deviation of pixels times the factor, 1 / 255 where it
    is not said; a factor of 0 or None gives None.
    """
    mean, deviation, factor = values.get("image_mean"), values.get("image_std"), values.get("rescale_factor", 1 / 255)
    if not (mean and deviation and factor):
        return None
    return [factor / one for one in deviation], [-one / other for one, other in zip(mean, deviation, strict=True)]


def pixel_facts(pixels: tuple[Any, Any] | None, size: Any, source: str) -> dict[str, Any]:
    """Return `scale` and `offset`, each a number or a tuple of three, and `image_size`, by name, those that are known.

    Args:
        pixels: Scale and offset, or None.
        size: Pixels a side: a number, or a list whose last is one, or None.
        source: Who says so.

    Raises:
        UserError: Scale and offset are no such numbers.
    """
    last = size[-1] if isinstance(size, list | tuple) and size else size
    facts: dict[str, Any] = {"image_size": last} if isinstance(last, int) else {}
    for name, value in zip(("scale", "offset"), pixels or (), strict=False):
        numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
        if len(numbers) not in (1, 3) or not all(isinstance(one, int | float) and isfinite(one) for one in numbers):
            raise UserError(f"{source} has a {name} of pixels that is no number, nor three: {shorten(value)}")
        facts[name] = numbers if len(numbers) == 3 else numbers[0]
    return facts
