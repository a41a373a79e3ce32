"""Arrays on disk that are mapped into memory: larger than it, and given back batch by batch."""

import mmap
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.data.artifact import Artifact, KindOfFacts
from components.data.json_files import damage_errors
from components.system.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def release(array: object) -> None:
    """Give back the memory that a file's map has taken for what was read or written so far; nothing for other arrays.

    A process that goes through a file of any size batch by batch stays small so. What was written is in the system's
    hands, and what is read again comes from its cache, or from the disk.

    Args:
        array: A memory-mapped array of `FileArray`, or a view of one; anything else stays as it is.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)


class FileArray(Artifact[KindOfFacts]):
    """An array on disk with one row for each file of `files.csv`."""

    array_name = "array.npy"
    text_columns = ("file",)

    @property
    def expected_dtype_and_shape(self) -> tuple[str, tuple[int, ...]]:
        """The array's type, and the axes after that of the files, as many as the facts say: here ("uint8", ())."""
        return "uint8", ()

    @property
    def array(self) -> "np.ndarray":
        """The array, memory-mapped, read-only; axis 0 is the file, axis 1 its views.

        Raises:
            UserError: It is missing or damaged, or has not the rows of `files.csv` or the type and shape of the facts.
        """
        import numpy as np

        dtype, shape = self.expected_dtype_and_shape
        shape = (len(self.table("files.csv")), *shape)
        with damage_errors(self.path / self.array_name):
            array = np.lib.format.open_memmap(self.path / self.array_name, mode="r")
            if array.dtype != dtype or array.shape[: len(shape)] != shape:
                raise ValueError(f"expected {dtype} {shape}; received {array.dtype} {array.shape}")
        return array

    def create(self, files: Sequence[str], shape: tuple[int, ...], dtype: str) -> "np.ndarray":
        """Write the files' names to `files.csv`; return a new writable array on disk, all 0, of shape (files, *shape).

        It is memory-mapped, and all its bytes are reserved on the disk.
        """
        import numpy as np
        import pandas as pd

        self.write_table("files.csv", pd.DataFrame({"file": files}))
        array = np.lib.format.open_memmap(self.path / self.array_name, "w+", dtype, (len(files), *shape))
        with (self.path / self.array_name).open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, array.nbytes)  # else a full disk ends the process at a write
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{file.name}, {array.nbytes / 1e9:.3g} GB") from error
        return array

    def rows(self, files: list[str]) -> "np.ndarray":
        """Return the row of each of some files in the array, by their names, int64 (n,), in the order given.

        Raises:
            UserError: A file is not there.
        """
        import numpy as np

        row = {file: number for number, file in enumerate(self.table("files.csv")["file"])}
        missing = [file for file in files if file not in row]
        if missing:
            raise UserError(f"{self.path} lacks {len(missing)} images, {missing[0]} first: make it again")
        return np.array([row[file] for file in files], dtype=np.int64)
