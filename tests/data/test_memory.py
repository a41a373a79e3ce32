"""Memory: what a step maps of its files stays small, however long they are."""

from typing import Any

import numpy as np
import psutil
import pytest

from components.data import augmentation
from components.data.artifacts import Augmented, Splits, Tensors
from components.data.memory_maps import FileArray, release
from components.machinery.running import run_step
from components.model.rows import draw_into_file
from components.system import progress
from tests.conftest import PARAMETERS

BATCH, BATCHES = 2_000_000, 50  # bytes


def mapped() -> int:
    """Return the bytes of files that the process holds in memory."""
    return psutil.Process().memory_info().shared


def walk(array: np.ndarray, value: int | None, give_back: bool) -> int:
    """Write, or read where there is no value, an array batch by batch; return by how much the process grew at most."""
    start, most = mapped(), 0
    for batch in array:
        if value is None:
            batch.sum()
        else:
            batch[:] = value
        if give_back:
            release(array)
        most = max(most, mapped() - start)
    return most


@pytest.fixture
def array(tmp_path) -> np.ndarray:
    return FileArray(tmp_path).create([str(number) for number in range(BATCHES)], (BATCH,), "uint8")


def test_a_map_that_is_given_back_stays_small_and_keeps_what_was_written(array, tmp_path):
    """One that is not takes what the file has, in writing and in reading."""
    read = FileArray(tmp_path).array
    assert walk(array, 1, give_back=False) > 0.9 * array.nbytes
    release(array.reshape(-1)[5:])
    assert walk(array, 2, give_back=True) < 3 * BATCH
    assert walk(read, None, give_back=False) > 0.9 * array.nbytes
    release(np.asarray(read)[1:])
    assert walk(read, None, give_back=True) < 3 * BATCH
    assert read.min() == array.max() == 2


def test_what_is_no_map_stays_as_it_is():
    array = np.arange(6)
    for one in (array, array[1:].reshape(5, 1), np.float32(1)):
        release(one)
    assert array.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def watched(monkeypatch) -> list[int]:
    """The bytes of files in memory, whenever a step has done a batch."""
    found: list[int] = []

    class Watch(progress.tqdm):
        def update(self, n: float | None = 1) -> Any:
            found.append(mapped())
            return super().update(n)

    monkeypatch.setattr(progress, "tqdm", Watch)
    return found


def test_augment_extract_and_the_benchmark_hold_no_more_of_their_files_than_a_batch(made, watched, tmp_path):
    names = ("augmented", "chosen_precision", "features", "tensors", "classifier")
    at = {**made, **{name: tmp_path / name for name in names}}
    run_step("augment", at, {**PARAMETERS["augment"], "image_size": 512})
    written = Augmented.read(at["augmented"]).array.nbytes
    assert written > 37e6 and max(watched) - watched[0] < 0.8 * written
    watched.clear()
    rows = Splits.read(at["splits"]).part("train")["file"]
    views = augmentation.draw_views(Augmented.read(at["augmented"]), 8)
    drawn = draw_into_file(views, Augmented.read(at["augmented"]).rows(rows.tolist()), tmp_path)
    assert drawn.nbytes > 160e6 and max(watched) - watched[0] < drawn.nbytes / 3
    run_step("augment", at, {**PARAMETERS["augment"], "views": 19})
    run_step("choose_precision", at, PARAMETERS["choose_precision"])
    watched.clear()
    run_step("extract", at, {**PARAMETERS["extract"], "unfreeze": "block1_conv2"})
    written = Tensors.read(at["tensors"]).array.nbytes
    assert written > 60e6 and max(watched) - watched[0] < written / 4
