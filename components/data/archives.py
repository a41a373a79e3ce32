"""Sources of data sets: folders, archives and addresses, opened as a folder to read."""

import http.client
import lzma
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from components.errors import UserError

ENDINGS = (".tar", ".tar.gz", ".tgz", ".zip")
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


@contextmanager
def opened(source: str) -> Iterator[Path]:
    """Yield a folder with the content of a folder, an archive (tar, tar.gz, zip) or the http(s) address of one.

    A folder is yielded as it is and must not be written to; anything else is unpacked into a temporary folder.

    Raises:
        UserError: There is no such source, or it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="graft-") as temporary:
        if source.startswith(("http://", "https://")):
            path = Path(temporary) / "download"
            download(source, path)
        else:
            path = Path(source).expanduser() if source.startswith("~/") else Path(source)
        if source and path.is_dir():
            yield path
        elif path.is_file():
            target = Path(temporary) / "unpacked"
            target.mkdir()
            unpack(path, target)
            yield target
        else:
            raise UserError(f"no folder or archive {source!r}: check the path")


def download(address: str, target: Path) -> None:
    """Write what an http(s) address answers to a file.

    Raises:
        UserError: The address does not answer, or ends early.
    """
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            promised = answer.headers.get("Content-Length")
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        message = f"cannot download {address}: {error}; download it by hand and give its path as the source"
        raise UserError(message) from error
    if promised is not None and int(promised) != target.stat().st_size:
        raise UserError(f"{address} ended early: {target.stat().st_size} of {promised} bytes; try again")


def unpack(archive: Path, target: Path) -> None:
    """Unpack a tar, tar.gz or zip into an empty folder; names that would leave it are refused.

    Raises:
        UserError: The file is not such an archive, is damaged, or holds such a name.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened_zip:
                for name in opened_zip.namelist():
                    if name.startswith("/") or ".." in PurePosixPath(name).parts:
                        raise UserError(f"{archive}: the entry {name!r} leaves the folder: not unpacked")
                opened_zip.extractall(target)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as opened_tar:
                opened_tar.extractall(target, filter=inside)
                check_end(opened_tar)
        else:
            raise UserError(f"{archive} is not an archive that can be read: {', '.join(ENDINGS)} can")
    except DAMAGED as error:
        raise UserError(f"cannot unpack {archive}: {error}; get it again") from error


def inside(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Return an entry of a tar as it is to be unpacked; one that would leave the folder is refused, as in a zip."""
    if member.name.startswith("/"):
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, target)


def check_end(archive: tarfile.TarFile) -> None:
    """Read a tar to its end: `tarfile` takes one that is cut between two entries, or has a wrong sum, for whole."""
    file = archive.fileobj
    assert file
    file.seek(archive.offset)
    if len(file.read(-1)) < tarfile.BLOCKSIZE:
        raise EOFError("it ends early")
