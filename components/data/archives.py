"""Unpacking archives that are not trusted: entry by entry, into an empty folder, within limits."""

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple, cast

from components.data.downloads import CHUNK, check_space
from components.system.errors import UserError
from components.system.resources import NO_SPACE

MAX_HEADER = 1 << 20  # bytes that may describe one entry of a tar
MAX_DEPTH = 100  # folders in one another; removing them recurses
MAX_RATIO = 200  # unpacked bytes to those of the archive
ALWAYS_ALLOWED = 2 << 30  # unpacked bytes, however small the archive is
ENTRY_BYTES = 500  # of the archive that there are at least for each entry
ENTRIES_ALWAYS_ALLOWED = 1_000_000  # however small the archive is
ZIP_HEADER = 30  # bytes before the name of an entry
MARKED_AS_UTF8 = 1 << 11  # flag of an entry's name
SPECIAL_FILE = "it is a link, a device or a sparse file"
UNPACK_BY_HAND = "unpack it by hand and give the folder as the source"

Entry = tuple[str, int, Callable[[], IO[bytes] | None]]  # name, bytes, and what opens it: None for a folder


class Limits(NamedTuple):
    """How many entries, and how many unpacked bytes, an archive may have."""

    entries: int
    unpacked: int

    @classmethod
    def of(cls, size: int) -> "Limits":
        """Return the limits of an archive of a size in bytes."""
        return cls(max(ENTRIES_ALWAYS_ALLOWED, size // ENTRY_BYTES), max(ALWAYS_ALLOWED, MAX_RATIO * size))


def unpack(archive: Path, target: Path, source: str) -> None:
    """Unpack a tar, tar.gz or zip, recognised by its first bytes, into an empty folder.

    What was unpacked before an error stays there.

    Args:
        archive: The file.
        target: The folder.
        source: What to call the archive in an error.

    Raises:
        UserError: The file is not such an archive, is damaged, or has an entry that is not allowed.
        OSError: The disk is full.
    """
    size = archive.stat().st_size
    limits = Limits.of(size)
    total, culprit = 0, ""
    try:
        check_space(size, target)
        with archive.open("rb") as file:
            read_entries = zip_entries if file.read(4) in (b"PK\3\4", b"PK\5\6") else tar_entries
            file.seek(0)
            for count, (name, length, open_content) in enumerate(read_entries(file, limits, target), 1):
                total += length
                check_amount(count, total, limits)
                culprit = f"the entry {name!r:.200}: "
                write_entry(open_content, length, entry_path(name, target))
                culprit = ""
    except Exception as error:  # the libraries fail in ways of their own on damaged archives
        if getattr(error, "errno", None) in NO_SPACE:
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"cannot unpack {source}: {culprit}{reason}; get it again, or {UNPACK_BY_HAND}") from error


def check_amount(entries: int, unpacked: int, limits: Limits) -> None:
    """Raise a ValueError if an archive has more entries or more unpacked bytes than its limits."""
    if entries > limits.entries:
        raise ValueError(
            f"it has more than {limits.entries:,} entries: one for {ENTRY_BYTES} bytes of it, at least "
            f"{ENTRIES_ALWAYS_ALLOWED:,}"
        )
    if unpacked > limits.unpacked:
        raise ValueError(
            f"it unpacks to more than {limits.unpacked:,} bytes: {MAX_RATIO} times its size, at least "
            f"{ALWAYS_ALLOWED:,}"
        )


def entry_path(name: str, target: Path) -> Path:
    """Return the path in a folder at which an entry is unpacked; raise a ValueError if its name is not allowed.

    A name is not allowed that leaves the folder on any system, has a backslash, or lies more than `MAX_DEPTH` deep.
    In a zip, backslashes have become slashes.
    """
    parts = PurePosixPath(name).parts
    if PureWindowsPath(name).anchor or ".." in parts:
        raise ValueError("it leaves the folder")
    if "\\" in name:
        raise ValueError("it has a backslash in its name")
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"it lies more than {MAX_DEPTH} folders deep")
    return target.joinpath(*parts)


def write_entry(open_content: Callable[[], IO[bytes] | None], size: int, path: Path) -> None:
    """Write an entry to a path, in folders made for it; raise a ValueError if the path is taken or the size is wrong.

    A folder that is there already is no error for an entry that is a folder.

    Args:
        open_content: What opens the entry for reading; it returns None for a folder.
        size: Bytes that the entry announces.
        path: Where it is written.
    """
    try:
        stream = open_content()
        if stream is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with stream, path.open("xb") as file:
            while (chunk := stream.read(CHUNK)) and file.tell() <= size:
                file.write(chunk)
            if file.tell() != size:
                raise ValueError(f"its size is not the {size:,} bytes that it announces")
    except (FileExistsError, NotADirectoryError):
        raise ValueError("another entry has the same path") from None


def zip_entries(file: IO[bytes], limits: Limits, target: Path) -> Iterator[Entry]:
    """Yield name, bytes and opener of each entry of a zip, as it lists them; raise a ValueError if one is not allowed.

    The bytes are how many it has unpacked; the opener returns its content to read, None for a folder.

    Not allowed is an entry that is no plain file or folder, or is encrypted; two that overlap; and more than the limits
    or the disk hold.

    Args:
        file: The archive.
        limits: Those of the archive.
        target: The folder whose disk must have room for it.
    """
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        check_amount(len(entries), unpacked, limits)
        check_space(unpacked, target)
        for before, after in pairwise(sorted(entries, key=lambda entry: entry.header_offset)):
            if before.header_offset + ZIP_HEADER + before.compress_size > after.header_offset:
                raise ValueError(f"the entries {before.filename!r:.200} and {after.filename!r:.200} overlap")
        for entry in entries:
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"the entry {entry.filename!r:.200}: {SPECIAL_FILE}")
            if entry.flag_bits & 1:
                raise ValueError(f"the entry {entry.filename!r:.200}: it is encrypted with a password")
            name = zip_entry_name(entry)
            open_content = (lambda: None) if name.endswith("/") else partial(archive.open, entry)
            yield name, entry.file_size, open_content


def zip_entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of a zip's entry, with slashes for the backslashes that some of Windows' programs write.

    A name that is not marked as UTF-8 is read as such all the same, as macOS means it; bytes that are none stay what a
    name that is no UTF-8 has in a folder, too.
    """
    name = entry.filename
    if not entry.flag_bits & MARKED_AS_UTF8 and name == entry.orig_filename:  # else an extra field has the name
        name = name.encode("cp437").decode(errors="surrogateescape")
    return name.replace("\\", "/")


def tar_entries(file: IO[bytes], limits: Limits, target: Path) -> Iterator[Entry]:
    """Yield name, bytes and opener of each entry of a tar or tar.gz in order; raise a ValueError if one is not allowed.

    The bytes are how many it has unpacked; the opener returns its content to read, None for a folder.

    Allowed are plain files, and folders, of size 0; nothing may follow the end. An entry is to be read before the next
    one is asked for.

    Args:
        file: The archive.
        limits: Those of the archive.
        target: As for `zip_entries`; a tar says nothing of its size beforehand.
    """
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream = LimitedStream(gzip.GzipFile(fileobj=file) if compressed else file, limits)
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", tarinfo=StrictHeader) as archive:
        while entry := archive.next():
            if entry.issparse() or not (entry.isreg() or entry.isdir()):
                raise ValueError(f"the entry {entry.name!r:.200}: {SPECIAL_FILE}")
            length = 0 if entry.isdir() else entry.size
            stream.until_next = length + MAX_HEADER
            yield entry.name, length, partial(archive.extractfile, entry)
            archive.members.clear()  # type: ignore[attr-defined]  # it keeps them all
        stream.until_next = limits.unpacked
        assert archive.fileobj
        while chunk := archive.fileobj.read(CHUNK):
            if chunk.strip(b"\0"):
                raise ValueError("data follows its end")


class LimitedStream:
    """A tar read from front to back within limits: of bytes in all, and of bytes until the next entry.

    `tarfile` reads a header of any length into memory; in a file, but not in a stream, a negative size sends it round
    for ever.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile, limits: Limits):
        self.file, self.limits = file, limits
        self.total, self.until_next = 0, MAX_HEADER

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, none at the end; raise a ValueError past a limit."""
        data = self.file.read(size)
        self.total += len(data)
        self.until_next -= len(data)
        check_amount(0, self.total, self.limits)
        if self.until_next < 0:
            raise ValueError(f"it has a header of more than {MAX_HEADER:,} bytes")
        return data


class StrictHeader(tarfile.TarInfo):
    """A header of a tar's entry; a damaged or missing one is an error, where `tarfile` takes it for the tar's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "StrictHeader":
        """Return the header in a block; raise a ReadError if it is none, `tarfile`'s own error if all bytes are 0."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(f"it is not a tar, tar.gz or zip, or is damaged ({error})") from error
