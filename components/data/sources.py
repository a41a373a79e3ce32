"""Sources of data sets and weights: where a path of a person's own leads; folders, archives and addresses, to read."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from components.data.archives import unpack
from components.data.downloads import download
from components.system.errors import UserError, redact
from components.system.project import project_root


def local_path(source: str) -> Path:
    """Return the path that a source is on this machine: `~/` is the home, and a relative one begins at the project."""
    return project_root() / (Path(source).expanduser() if source.startswith("~/") else source)


def is_versioned(source: str) -> bool:
    """Return whether a path is relative, of letters, digits, `_.-/` alone, and without `..`; no file is looked at.

    What is there is in every copy of the project, too.
    """
    return re.fullmatch(r"\w[\w./-]*", source) is not None and ".." not in Path(source).parts


def archive_name(source: str) -> str:
    """Return the last part of an archive's path or address, with its ending, to name a folder; or `archive` if empty.

    Of a longer one it is the last 100 characters, and dots at its start are left out.
    """
    return re.sub("[?#].*", "", source).rstrip("/").rpartition("/")[2][-100:].lstrip(".") or "archive"


@contextmanager
def open_source(source: str, beside: Path, lists: Mapping[str, str] = MappingProxyType({})) -> Iterator[Path]:
    """Yield a folder with the content of a folder, an archive (tar, tar.gz, zip) or the http(s) address of one.

    A folder is yielded as it is and must not be written to; anything else is unpacked into a temporary folder, which is
    gone after the block. An address may end in `#sha256=HEX`, the digest that the downloaded file must have.

    Args:
        source: The folder, archive or address.
        beside: Where the temporary folder is made.
        lists: Addresses of small files that belong into an archive at an address, by their paths in it.

    Raises:
        UserError: There is no such source, it cannot be read, or it could do harm.
    """
    with tempfile.TemporaryDirectory(prefix=".source-", dir=beside) as temporary:
        path = local_path(source)
        for name, address in lists.items():  # first, so that nothing large comes for nothing
            file = Path(temporary) / "lists" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            download(
                address, file,
                f"get it and {source} by hand, lay it beside what that holds as {name}, and give the folder as source",
            )  # fmt: skip
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
            target = Path(temporary) / "unpacked" / archive_name(source)  # by which messages name it
            target.mkdir(parents=True)
            unpack(path, target, redact(source))
            if lists:
                shutil.copytree(Path(temporary) / "lists", target, dirs_exist_ok=True)
            yield target
        else:
            raise UserError(f"no folder or archive {source!r}: check the path")
