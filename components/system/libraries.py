"""Loads large libraries: Keras without the remarks of those under it, and none under the garbage collector."""

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
    """Keep Python's garbage collector from what is made inside, now and later.

    Large libraries make hundreds of thousands of objects that stay; going through them again and again takes two fifths
    of the time in which Keras loads.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


class KerasFinder:
    """Finds Keras where Python finds it, and has it loaded quietly, at its first import."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name) if name == "keras" else None
        if spec and spec.loader:
            spec.loader.exec_module = partial(load_keras, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def load_keras(execute: Callable[[ModuleType], None], keras: ModuleType) -> None:
    """Execute the module of Keras; what native code says on standard error is shown only if that fails.

    TensorFlow remarks on the processor and on a missing GPU before any setting of its own can silence it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    no_drawing = DRAWING not in sys.modules
    if no_drawing:
        sys.modules[DRAWING] = None  # type: ignore[assignment]
    real = os.dup(2)
    with tempfile.TemporaryFile() as said, without_collection():
        os.dup2(said.fileno(), 2)
        try:
            execute(keras)
        except BaseException as error:
            if not isinstance(error, Exception) or not missing_resource(error, Path()):
                said.seek(0)
                os.write(real, said.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
            if no_drawing:
                del sys.modules[DRAWING]
    keras.utils.disable_interactive_logging()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
