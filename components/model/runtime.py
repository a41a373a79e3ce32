"""How TensorFlow runs: its seeds, its threads, and the GPUs of the machine."""

from contextlib import suppress

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
    """Let every operation run on one thread; do nothing if TensorFlow has begun to work in this process.

    Those of a head are so small that sharing them out takes longer.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def device_strategy() -> tf.distribute.Strategy:
    """Return a strategy that spreads batches over this machine's GPUs; with fewer than two, the one in force."""
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()
