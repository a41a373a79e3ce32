"""The listing of a source: another where what `fetch` would read may be, and nothing that lies there is opened."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from components.data.listing import list_source
from tests.conftest import write_images


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_images(tmp_path / "edges", 2)


CHANGES = {
    "a file more": lambda folder: (folder / "up" / "more.png").write_bytes(b"1"),
    "a file less": lambda folder: (folder / "up" / "00.png").unlink(),
    "a name": lambda folder: (folder / "up" / "00.png").rename(folder / "up" / "more.png"),
    "a size": lambda folder: (folder / "up" / "00.png").write_bytes(b"1"),
    "a time": lambda folder: os.utime(folder / "up" / "00.png", ns=(0, 1)),
    "a folder": lambda folder: (folder / "none").mkdir(),
    "a link's target": lambda folder: (folder.parent / "apart").write_bytes(b"22"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_source_changes_its_listing(change, folder):
    (folder.parent / "apart").write_bytes(b"1")
    (folder / "up" / "link.png").symlink_to(folder.parent / "apart")
    before = list_source(folder)
    CHANGES[change](folder)
    assert list_source(folder) != before


def test_what_fetch_does_not_read_changes_nothing(folder):
    before = list_source(folder)
    for name in (".hidden", "Thumbs.db"):
        (folder / "up" / name).write_bytes(b"1")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"1")
    assert list_source(folder) == before == list_source(folder.rename(folder.with_name("moved")))


def test_what_cannot_be_read_is_listed_by_its_name(folder):
    (folder / "up" / "gone.png").symlink_to("/nowhere")
    (folder / "up" / "loop.png").symlink_to("loop.png")
    (folder / "up" / "above").symlink_to(folder)
    os.mkfifo(folder / "up" / "pipe.png")
    shutil.copy(folder / "up" / "00.png", os.fsencode(folder) + b"/up/caf\xe9.png")
    with socket.socket(socket.AF_UNIX) as opened, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        opened.bind("up/socket.png")
    names = [line.partition(b"\0")[0] for line in list_source(folder)]
    odd = (b"gone.png", b"loop.png", b"above", b"pipe.png", b"caf\xe9.png", b"socket.png")
    assert {b"up/" + name for name in odd} <= {*names}
    assert len(names) == len({*names}) == 1 + 3 + 3 * 2 + 6


def test_an_archive_is_listed_by_its_size_and_time(tmp_path):
    archive = tmp_path / "edges.tar"
    archive.write_bytes(b"1")
    (before,) = list_source(archive)
    os.utime(archive, ns=(0, 1))
    assert list_source(archive) != [before]
