"""Keras without the remarks of the libraries under it."""

import importlib
import logging
import os
import tempfile
from pathlib import Path

from components.machine import lack


def load_keras() -> None:
    """Import Keras; what native code says on standard error meanwhile is shown only if the import fails.

    TensorFlow remarks on the processor and on a missing GPU before any setting of its own can silence it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    real = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            keras = importlib.import_module("keras")
        except BaseException as error:
            if not isinstance(error, Exception) or not lack(error, Path()):
                said.seek(0)
                os.write(real, said.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
    keras.utils.disable_interactive_logging()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
