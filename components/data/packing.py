"""Where the images of a data set lie: each in a file of its own, or packed in tars, which DVC versions as few files."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from components.data import tables

PACKINGS = ("files", "tars")
TABLE = "tars.csv"  # where each image lies in tars: file, tar, offset and bytes
TAR_BYTES = 2**28  # of a tar, about, at most; of one with a single image, as many as that takes
BLOCK = tarfile.BLOCKSIZE


class TarMember(NamedTuple):
    """An image in a tar: it reads and shows as a file of its own does."""

    tar: Path
    name: str
    offset: int  # of its content in the tar
    size: int  # in bytes

    def read_bytes(self) -> bytes:
        """Return the image's bytes.

        Raises:
            OSError: The tar is missing, or ends before the image does.
        """
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError(f"it ends {self.size - len(content):,} bytes early")
        return content

    def __str__(self) -> str:
        return f"{self.tar}/{self.name}"


ImageFile = Path | TarMember


class ImageWriter:
    """Writes the images of a data set to its folder `images/`, one after the other, as `write_images` opens it.

    Args:
        folder: The data set's.
        packing: `files`, `tars`, or `links`, which are to files elsewhere.
    """

    def __init__(self, folder: Path, packing: str):
        self.folder, self.packing = folder, packing
        self.tar: tarfile.TarFile | None = None
        self.rows: list[tuple[str, str, int, int]] = []

    def add(self, name: str, content: bytes, origin: Path) -> None:
        """Write an image.

        Args:
            name: Its `file` in `images.csv`.
            content: Its bytes.
            origin: Where it comes from, for a link.
        """
        target = self.folder / "images" / name
        if self.packing != "tars":
            target.parent.mkdir(parents=True, exist_ok=True)
        if self.packing == "links":
            target.symlink_to(origin)
        elif self.packing == "files":
            target.write_bytes(content)
        else:
            self._add_to_tar(name, content)

    def _add_to_tar(self, name: str, content: bytes) -> None:
        """Write an image to the last tar, or to the next where it would become larger than `TAR_BYTES`."""
        if self.tar is None or self.tar.offset > max(0, TAR_BYTES - len(content)):
            self.close()
            number = int(self.rows[-1][1][:-4]) + 1 if self.rows else 0
            path = self.folder / "images" / f"{number:05}.tar"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self.tar.addfile(member, BytesIO(content))
        start = self.tar.offset - -(-len(content) // BLOCK) * BLOCK
        self.rows.append((name, Path(str(self.tar.name)).name, start, len(content)))

    def close(self) -> None:
        """End the tar that is written to, if there is one."""
        if self.tar:
            self.tar.close()
            self.tar = None


@contextmanager
def write_images(folder: Path, packing: str) -> Iterator[ImageWriter]:
    """Yield what writes images to a data set's folder; afterwards write `tars.csv`, if they lie in tars.

    Args:
        folder: The data set's.
        packing: One of `PACKINGS`, or `links`.
    """
    import pandas as pd

    writer = ImageWriter(folder, packing)
    try:
        yield writer
    finally:
        writer.close()
    if packing == "tars":
        tables.write_table(folder / TABLE, pd.DataFrame(writer.rows, columns=["file", "tar", "offset", "bytes"]))


def read_members(folder: Path) -> dict[str, TarMember]:
    """Return, by its `file`, where each image that `tars.csv` lists lies in a tar; {} without that file."""
    if not (folder / TABLE).is_file():
        return {}
    table = tables.read_table(folder / TABLE, ("file", "tar"), ())
    rows = zip(table["file"], table["tar"], table["offset"].tolist(), table["bytes"].tolist(), strict=True)
    return {file: TarMember(folder / "images" / tar, file, offset, size) for file, tar, offset, size in rows}
