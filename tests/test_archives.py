"""A data set is the same however it comes; what is damaged or leads outside is refused and leaves nothing behind."""

import gc
import io
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components import step
from components.data import archives
from components.errors import UserError
from tests.conftest import write_images

FORMATS = {"edges.tar": "tar", "edges.tar.gz": "gztar", "edges.zip": "zip"}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file, and none for a folder, by path."""
    paths = sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in paths}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a data set as a folder and in every format."""
    place = tmp_path_factory.mktemp("place")
    write_images(place / "edges", 2)
    (place / "edges" / "up" / "notes.txt").write_text("no image")
    for name, kind in FORMATS.items():
        shutil.make_archive(str(place / name.partition(".")[0]), kind, root_dir=place, base_dir="edges")
    return place


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made; a test ends with none of them left."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.fixture
def address(place, monkeypatch) -> Iterator[str]:
    """Address of a server of that folder, which breaks off in what lies under `short` and `chunked`."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            if self.path.startswith(("/short/", "/chunked/")):
                self.send_response(200)
                chunked = self.path.startswith("/chunked/")
                self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "1000")))
                self.end_headers()
                self.wfile.write(b"64\r\n" + b"x" * 50 if chunked else b"x" * 50)
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Handler(*given, directory=str(place))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    gc.collect()  # a connection left open is a warning, which is an error


def fetched(source: str, target: Path) -> dict[str, bytes]:
    step.run("fetch", {"images": target}, {"data_set": "edges", "source": source, "max_quarantined": 1})
    return contents(target)


@pytest.mark.parametrize("over", ["disk", "http"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_artifact_from_every_source(over, name, place, address, temporary, tmp_path):
    before = contents(place)
    expected = fetched(str(place / "edges"), tmp_path / "folder")
    source = str(place / name) if over == "disk" else f"{address}/{name}"
    assert fetched(source, tmp_path / "archive") == expected
    assert sum(file.startswith("images/") and file.endswith(".png") for file in expected) == 6
    assert contents(place) == before
    assert not list(temporary.iterdir())


def test_a_folder_is_read_where_it_lies(place):
    with archives.opened(str(place / "edges")) as folder:
        assert folder == place / "edges"


def test_a_home_folder_is_spelled_with_a_tilde(place, monkeypatch):
    monkeypatch.setenv("HOME", str(place))
    with archives.opened("~/edges.zip") as folder:
        assert contents(folder / "edges") == contents(place / "edges")


def tar_of(*members: tarfile.TarInfo) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for member in members:
                tar.addfile(member, io.BytesIO(b"x" * member.size))
        return file.getvalue()


def member(name: str, link: str = "", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, 0 if link else 1
    return entry


def zip_of(*names: str) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as opened:
            for name in names:
                opened.writestr(name, "x")
        return file.getvalue()


def outside(name: str, folder: Path) -> str:
    return name.replace("ABSOLUTE", str(folder.absolute()))


@pytest.mark.parametrize("pack", [lambda name: tar_of(member(name)), zip_of], ids=["tar", "zip"])
@pytest.mark.parametrize("name", ["../x", "../../x", "a/../../../x", "ABSOLUTE/x"])
def test_entries_that_leave_the_folder(pack: Callable[[str], bytes], name, tmp_path, temporary):
    (tmp_path / "archive").write_bytes(pack(outside(name, tmp_path)))
    refused(tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        [member("link", "ABSOLUTE", tarfile.SYMTYPE), member("link/x")],
        [member("link", "../..", tarfile.SYMTYPE), member("link/x")],
        [member("link", "../../archive", tarfile.LNKTYPE)],
        [member("pipe", kind=tarfile.FIFOTYPE)],
    ],
    ids=["absolute link", "relative link", "hard link", "no file"],
)
def test_links_and_devices_that_leave_the_folder(entries, tmp_path, temporary):
    placed = [entry.replace(linkname=outside(entry.linkname, tmp_path)) for entry in entries]
    (tmp_path / "archive").write_bytes(tar_of(*placed))
    refused(tmp_path)


def refused(folder: Path, match: str | None = None) -> None:
    """Hold that `folder/archive` is refused in one line that names it, and that nothing is written anywhere."""
    before = contents(folder)
    with pytest.raises(UserError, match=match) as caught, archives.opened(str(folder / "archive")):
        pass
    assert str(folder / "archive") in str(caught.value) and "\n" not in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_archives_that_end_early(name, share, place, tmp_path, temporary):
    whole = (place / name).read_bytes()
    used = len(whole.rstrip(b"\0")) if name.endswith(".tar") else len(whole)
    (tmp_path / "archive").write_bytes(whole[: int(share * used)])
    refused(tmp_path)


def test_a_tar_that_ends_between_two_entries(tmp_path, temporary):
    (tmp_path / "archive").write_bytes(tar_of(member("a/x"), member("b/x"))[: 2 * tarfile.BLOCKSIZE])
    refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "at"), [("edges.zip", 30 + len("edges/up/notes.txt")), ("edges.tar.gz", 20), ("edges.tar.gz", -8)]
)
def test_archives_with_a_changed_byte(name, at, place, tmp_path, temporary):
    """In the compressed bytes, and in the checksum at the end."""
    damaged = bytearray((place / name).read_bytes())
    damaged[at + (damaged.find(b"edges/up/notes.txt") - 30 if name.endswith("zip") else 0)] ^= 0xFF
    (tmp_path / "archive").write_bytes(damaged)
    refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", os.urandom(2000)], ids=["empty", "text", "noise"])
def test_files_that_are_no_archives(content, tmp_path, temporary):
    (tmp_path / "archive").write_bytes(content)
    refused(tmp_path, "tar.gz")


def test_an_encrypted_zip(place, tmp_path, temporary):
    locked = bytearray((place / "edges.zip").read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := locked.find(mark, start + 1)) >= 0:
            locked[start + flags] |= 1
    (tmp_path / "archive").write_bytes(locked)
    refused(tmp_path, "encrypted")


@pytest.mark.parametrize("source", ["", "nowhere", "nowhere.tar", "~nobody-of-that-name/edges"])
def test_no_such_source(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no folder or archive"), archives.opened(source):
        pass


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("nowhere.tar", "404"),
        ("short/edges.tar", "50 of 1000 bytes|cannot download"),
        ("chunked/edges.tar", "cannot download"),
        ("with space.tar", "cannot download"),
        ("ä.tar", "cannot download"),
        ("unpacked", "404"),
    ],
)
def test_downloads_that_fail(path, match, address, temporary):
    with pytest.raises(UserError, match=match) as caught, archives.opened(f"{address}/{path}"):
        pass
    assert f"{address}/{path}" in str(caught.value)
    assert not list(temporary.iterdir())


def test_a_download_from_where_nothing_answers(address, temporary):
    with pytest.raises(UserError, match="by hand"), archives.opened("http://127.0.0.1:1/edges.tar"):
        pass
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("name", ["unpacked", "edges.tar?version=2"])
def test_addresses_of_any_spelling(name, place, address, temporary):
    shutil.copy(place / "edges.tar", place / "unpacked")
    with archives.opened(f"{address}/{name}") as folder:
        assert contents(folder / "edges") == contents(place / "edges")
