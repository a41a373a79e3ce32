"""What a command writes for a person: files that were named, and lines."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from components.system.errors import UserError


def check_file_path(file: Path) -> None:
    """Raise a UserError where the path of a file to write is that of a folder."""
    if not file.name or file.is_dir():
        raise UserError(f"{str(file)!r} is a folder: give the path of a file to write")


@contextmanager
def write_in_one_move(file: Path) -> Iterator[Path]:
    """Yield a hidden path beside a file to write it at; it is moved into place after the block, removed if that fails.

    Folders above it are made. Where writing fails, nothing is left at either path that was not there before.

    Raises:
        UserError: The path is a folder, or the file cannot be written.
    """
    check_file_path(file)
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {file}: {reason}; free some space, or give another path") from error


@contextmanager
def print_at_end() -> Iterator[None]:
    """Hold back what the block prints until it ends, so that an output that cannot be written breaks off no work."""
    buffer = io.StringIO()
    try:
        with redirect_stdout(buffer):
            yield
    finally:
        print(buffer.getvalue(), end="", flush=True)
