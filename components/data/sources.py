"""Sources of data sets: folders, archives and addresses, opened as a folder to read."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.data.archives import unpack
from components.data.downloads import download
from components.system.errors import UserError, redact


@contextmanager
def open_source(source: str, beside: Path) -> Iterator[Path]:
    """Yield a folder with the content of a folder, an archive (tar, tar.gz, zip) or the http(s) address of one.

    A folder is yielded as it is and must not be written to; anything else is unpacked into a temporary folder, which is
    gone after the block. An address may end in `#sha256=HEX`, the digest that the downloaded file must have.

    Args:
        source: The folder, archive or address.
        beside: Where the temporary folder is made.

    Raises:
        UserError: There is no such source, it cannot be read, or it could do harm.
    """
    with tempfile.TemporaryDirectory(prefix=".source-", dir=beside) as temporary:
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
