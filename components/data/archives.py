"""Sources of data sets: folders, archives and addresses, opened as a folder to read.

What comes from elsewhere is not trusted: an archive is unpacked entry by entry into a temporary folder, within limits.
"""

import gzip
import re
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

from components.data.downloads import CHUNK, check_space, download
from components.system.errors import UserError, redact
from components.system.resources import NO_SPACE

HEADER = 1 << 20  # bytes that may describe one entry of a tar
ENTRIES = 1_000_000
DEPTH = 100  # folders in one another; removing them recurses
RATIO, LEAST = 200, 2 << 30  # unpacked bytes: so many times the archive's, and no less than the second number
ZIP_HEADER = 30  # bytes before the name of an entry
ODD = "it is a link, a device or a sparse file"
UNPACKED = "unpack it by hand and give the folder as the source"

Entry = tuple[str, int, Callable[[], IO[bytes] | None]]  # name, bytes, and what opens it: None is a folder


@contextmanager
def opened(source: str) -> Iterator[Path]:
    """Yield a folder with the content of a folder, an archive (tar, tar.gz, zip) or the http(s) address of one.

    A folder is yielded as it is and must not be written to; anything else is unpacked into a temporary folder. An
    address may end in `#sha256=HEX`, the digest that the downloaded file must have.

    Raises:
        UserError: There is no such source, it cannot be read, or it could do harm.
    """
    with tempfile.TemporaryDirectory(prefix="graft-") as temporary:
        path = Path(source).expanduser() if source.startswith("~/") else Path(source)
        if re.match(r"[a-zA-Z][\w+.-]*://", source):
            path = Path(temporary) / "download"
            download(source, path)
        try:
            is_folder, is_file = bool(source) and path.is_dir(), path.is_file()
        except OSError as error:
            raise UserError(f"cannot read {source!r}: {error.strerror}; check the path") from error
        if is_folder:
            yield path
        elif is_file:
            target = Path(temporary) / "unpacked"
            target.mkdir()
            unpack(path, target, redact(source))
            yield target
        else:
            raise UserError(f"no folder or archive {source!r}: check the path")


def unpack(archive: Path, target: Path, source: str) -> None:
    """Unpack a tar, tar.gz or zip, known by its first bytes, into an empty folder.

    Args:
        archive: The file.
        target: The folder.
        source: What to call the archive in an error.

    Raises:
        UserError: The file is no such archive, is damaged, or one of its entries is not to be unpacked.
        OSError: The disk is full.
    """
    size = archive.stat().st_size
    limit = max(LEAST, RATIO * size)
    total, blamed = 0, ""
    try:
        check_space(size)
        with archive.open("rb") as file:
            read = zip_entries if file.read(4) in (b"PK\3\4", b"PK\5\6") else tar_entries
            file.seek(0)
            for count, (name, length, content) in enumerate(read(file, limit), 1):
                total += length
                check_amount(count, total, limit)
                blamed = f"the entry {name!r:.200}: "
                write(content, length, placed(name, target))
                blamed = ""
    except Exception as error:  # the libraries fail in ways of their own on damaged archives
        if getattr(error, "errno", None) in NO_SPACE:
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"cannot unpack {source}: {blamed}{reason}; get it again, or {UNPACKED}") from error


def check_amount(entries: int, unpacked: int, limit: int) -> None:
    """Hold that an archive has no more entries, and bytes unpacked, than it may."""
    if entries > ENTRIES:
        raise ValueError(f"it has more than {ENTRIES:,} entries")
    if unpacked > limit:
        raise ValueError(f"it unpacks to more than {limit:,} bytes: {RATIO} times its size, at least {LEAST:,}")


def placed(name: str, target: Path) -> Path:
    """Return where in a folder an entry belongs; a name that leaves it on any system is refused."""
    parts = PurePosixPath(name).parts
    if PureWindowsPath(name).anchor or ".." in parts:
        raise ValueError("it leaves the folder")
    if "\\" in name:
        raise ValueError("it has a backslash in its name")
    if len(parts) > DEPTH:
        raise ValueError(f"it lies more than {DEPTH} folders deep")
    return target.joinpath(*parts)


def write(content: Callable[[], IO[bytes] | None], size: int, path: Path) -> None:
    """Write an entry where nothing is yet; folders may be there."""
    try:
        stream = content()
        if stream is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with stream, path.open("xb") as file:
            while (chunk := stream.read(CHUNK)) and file.tell() <= size:
                file.write(chunk)
            if file.tell() != size:
                raise ValueError(f"it has other than the {size:,} bytes that it announces")
    except (FileExistsError, NotADirectoryError):
        raise ValueError("it lies where another one does") from None


def zip_entries(file: IO[bytes], limit: int) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as opened_zip:
        entries = opened_zip.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        check_amount(len(entries), unpacked, limit)
        check_space(unpacked)
        for before, after in pairwise(sorted(entries, key=lambda entry: entry.header_offset)):
            if before.header_offset + ZIP_HEADER + before.compress_size > after.header_offset:
                raise ValueError(f"the entries {before.filename!r:.200} and {after.filename!r:.200} overlap")
        for entry in entries:
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"the entry {entry.filename!r:.200}: {ODD}")
            if entry.flag_bits & 1:
                raise ValueError(f"the entry {entry.filename!r:.200}: it is encrypted with a password")
            content = (lambda: None) if entry.is_dir() else partial(opened_zip.open, entry)
            yield entry.filename, entry.file_size, content


def tar_entries(file: IO[bytes], limit: int) -> Iterator[Entry]:
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream = Stream(gzip.GzipFile(fileobj=file) if compressed else file, limit)
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", tarinfo=Header) as opened_tar:
        while entry := opened_tar.next():
            if entry.issparse() or not (entry.isreg() or entry.isdir()):
                raise ValueError(f"the entry {entry.name!r:.200}: {ODD}")
            length = 0 if entry.isdir() else entry.size
            stream.until_next = length + HEADER
            yield entry.name, length, partial(opened_tar.extractfile, entry)
            opened_tar.members.clear()  # type: ignore[attr-defined]  # it keeps them all
        stream.until_next = limit
        assert opened_tar.fileobj
        while chunk := opened_tar.fileobj.read(CHUNK):
            if chunk.strip(b"\0"):
                raise ValueError("it goes on behind its end")


class Stream:
    """A tar to be read from front to back, within limits: bytes in all, and bytes until the next entry.

    `tarfile` reads a header of any length into memory; in a file, but not in a stream, a size below nothing sends it
    round for ever.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile, limit: int):
        self.file, self.limit = file, limit
        self.total, self.until_next = 0, HEADER

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.total += len(data)
        self.until_next -= len(data)
        check_amount(0, self.total, self.limit)
        if self.until_next < 0:
            raise ValueError(f"it has a header of more than {HEADER:,} bytes")
        return data


class Header(tarfile.TarInfo):
    """A header that is damaged or missing; `tarfile` takes it for the end where entries came before."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Header":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(f"it is no tar, tar.gz or zip, or is damaged ({error})") from error
