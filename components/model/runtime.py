"""How TensorFlow runs: its seeds, its threads, and the GPUs of the machine."""

import os
from contextlib import suppress
from functools import cache

import keras
import tensorflow as tf


def set_seed(seed: int) -> None:
    """Make all that follows in this process repeatable: names of layers, new weights, dropout and the order of sums.

    Keras's session is cleared; Python, NumPy and TensorFlow get the seed.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def use_one_thread() -> None:
    """Let each operation by itself run on one thread; do nothing if TensorFlow has begun to work in this process.

    Those of a head are so small that sharing them out takes longer.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


@cache
def node_strategy() -> tf.distribute.Strategy:
    """Return the process's one strategy over TF_CONFIG's nodes, made at the first call, before TensorFlow works."""
    return tf.distribute.MultiWorkerMirroredStrategy()


def device_strategy() -> tf.distribute.Strategy:
    """Return a strategy that spreads batches over TF_CONFIG's nodes, else over several GPUs; else the one in force."""
    if "TF_CONFIG" in os.environ:
        return node_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()
