"""Loads large libraries quickly and quietly: without garbage collection, Keras without TensorFlow's remarks."""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from components.system.resources import missing_resource

DRAWING = "matplotlib.pyplot"  # for pictures of Keras's own; without it Keras loads in nine tenths of the time


@contextmanager
def without_collection() -> Iterator[None]:
    """Turn garbage collection off inside the block, and exempt from it for good all objects that there are at its end.

    Large libraries create hundreds of thousands of objects that stay. Traversing them again and again is two fifths of
    the time that loading Keras takes otherwise.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


class KerasFinder:
    """Import hook: finds Keras where Python finds it, and lets `load_keras` execute it."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return Keras's spec, whose loader calls `load_keras`; None for any other module, or if Keras is not found."""
        spec = PathFinder.find_spec(name) if name == "keras" else None
        if spec and spec.loader:
            spec.loader.exec_module = partial(load_keras, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def load_keras(execute: Callable[[ModuleType], None], keras: ModuleType) -> None:
    """Load Keras quietly: native messages on standard error are shown only after an unexpected failure.

    TensorFlow remarks on the processor and on a missing GPU before any setting of its own can silence it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    no_drawing = DRAWING not in sys.modules
    if no_drawing:
        sys.modules[DRAWING] = None  # type: ignore[assignment]
    real = os.dup(2)
    with tempfile.TemporaryFile() as messages, without_collection():
        os.dup2(messages.fileno(), 2)
        try:
            execute(keras)
        except BaseException as error:
            if not isinstance(error, Exception) or not missing_resource(error, Path()):
                messages.seek(0)
                os.write(real, messages.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
            if no_drawing:
                del sys.modules[DRAWING]
    keras.utils.disable_interactive_logging()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
