"""A data set is the same however it comes; what is damaged or leads outside is refused and leaves nothing behind."""

import bz2
import errno
import gc
import gzip
import hashlib
import http.client
import io
import lzma
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data import archives, downloads
from components.data.sources import open_source
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.system.errors import UserError, redact
from tests.conftest import heed_signals, write_images

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


MOVED = {
    "/moved": "/edges.tar",
    "/loop": "/loop",
    "/away": "/nowhere.tar?signature=secret",
    "/astray": "http://127.0.0.1:1/edges.tar?signature=secret",
    "/file": "file:///etc/passwd",
    "/ftp": "ftp://127.0.0.1/edges.tar",
    "/login": "http://name:secret@127.0.0.1:1/edges.tar",
}
X = b"x" * 50
ANSWERS = {path: (302, {"Location": place, "Content-Length": "1000"}, X) for path, place in MOVED.items()} | {
    "/short": (200, {"Content-Length": "1000"}, X),
    "/more": (200, {"Content-Length": "20"}, X),
    "/huge": (200, {"Content-Length": str(10**18)}, X),
    "/chunked": (200, {"Transfer-Encoding": "chunked"}, b"64\r\n" + X),
    "/page": (200, {}, b"<html>Log in</html>"),
}


@pytest.fixture
def address(place, monkeypatch) -> Iterator[str]:
    """Address of a server of that folder, which lies, leads on or breaks off under other names."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            if self.path in ANSWERS:
                status, headers, body = ANSWERS[self.path]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *arguments: Handler(*arguments, directory=str(place))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    gc.collect()  # a connection left open is a warning, which is an error


def fetch(source: str, target: Path) -> dict[str, bytes]:
    run_step("fetch", {"images": target}, {"data_set": "edges", "source": source, "max_quarantined": 1})
    return contents(target)


@pytest.mark.parametrize("over", ["disk", "http"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_artifact_from_every_source(over, name, place, address, temporary, tmp_path):
    before = contents(place)
    expected = fetch(str(place / "edges"), tmp_path / "folder")
    source = str(place / name) if over == "disk" else f"{address}/{name}"
    assert fetch(source, tmp_path / "archive") == expected
    assert sum(file.startswith("images/") and file.endswith(".png") for file in expected) == 6
    assert contents(place) == before
    assert not list(temporary.iterdir())


def test_a_folder_is_read_where_it_lies(place, tmp_path):
    with open_source(str(place / "edges"), tmp_path) as folder:
        assert folder == place / "edges"


def test_a_home_folder_is_spelled_with_a_tilde(place, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(place))
    with open_source("~/edges.zip", tmp_path) as folder:
        assert contents(folder / "edges") == contents(place / "edges")


def tar_of(*members: tarfile.TarInfo, content: bytes = b"x") -> bytes:
    """Return a tar whose files hold a content, repeated to their size."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for member in members:
                tar.addfile(member, io.BytesIO((content * (member.size // len(content) + 1))[: member.size]))
        return file.getvalue()


def member(
    name: str, link: str = "", kind: bytes = tarfile.REGTYPE, size: int = 1, pax: dict[str, str] | None = None
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size, entry.pax_headers = kind, link, 0 if link else size, pax or {}
    return entry


def zip_of(*names: str, content: bytes = b"x", **last: int) -> bytes:
    """Return a zip of files with a content, whose directory says something else of the last one."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, content)
            for key, value in last.items():
                setattr(archive.infolist()[-1], key, value)
        return file.getvalue()


PACKERS: dict[str, Callable[..., bytes]] = {"tar": lambda *names: tar_of(*map(member, names)), "zip": zip_of}
LEAVING = ["../x", "../../x", "a/../../../x", "a/../x", "ABSOLUTE/x", "C:/x", "c:x", "\\\\host\\x", "..\\x", "a\\..\\x"]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", LEAVING)
def test_entries_that_leave_the_folder(kind, name, tmp_path):
    name = name.replace("ABSOLUTE", str(tmp_path.absolute()))
    (tmp_path / "archive").write_bytes(PACKERS[kind](name))
    read = name.replace("\\", "/") if kind == "zip" else name
    check_refusal(tmp_path, re.escape(repr(read)[:40]) + ".*(leaves the folder|backslash)")


def test_a_zip_with_backslashes_for_slashes_has_folders(tmp_path):
    (tmp_path / "archive").write_bytes(zip_of("a\\", "a\\b\\x", "c/x"))
    with open_source(str(tmp_path / "archive"), tmp_path) as folder:
        assert contents(folder) == {"a": b"", "a/b": b"", "a/b/x": b"x", "c": b"", "c/x": b"x"}
    (tmp_path / "archive").write_bytes(zip_of("a\\x", "a/x"))
    check_refusal(tmp_path, "the entry 'a/x': another entry")
    (tmp_path / "archive").write_bytes(tar_of(member("a\\x")))
    check_refusal(tmp_path, "backslash")


def zip_of_bytes(*names: bytes) -> bytes:
    """Return a zip whose entries have names of these bytes, not marked as UTF-8."""
    written = [("n" * (len(name) - 1) + str(number)).encode() for number, name in enumerate(names)]
    content = zip_of(*map(bytes.decode, written))
    for name, stand_in in zip(names, written, strict=True):
        content = content.replace(stand_in, name)
    return content


def test_names_of_a_zip_that_are_not_marked_as_utf_8_are_read_as_such(tmp_path):
    decomposed = "a\u0308.png"
    (tmp_path / "archive").write_bytes(zip_of_bytes("Äpfel/1.png".encode(), "果物/2.png".encode(), decomposed.encode()))
    with open_source(str(tmp_path / "archive"), tmp_path) as folder:
        assert contents(folder).keys() == {"Äpfel", "Äpfel/1.png", "果物", "果物/2.png", decomposed}
    (tmp_path / "archive").write_bytes(zip_of_bytes(b"caf\xe9.png"))
    with open_source(str(tmp_path / "archive"), tmp_path) as folder:
        assert [os.fsencode(path.name) for path in folder.iterdir()] == [b"caf\xe9.png"]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("names", [("x", "./x"), ("a/x", "./a//x"), ("a", "a/x"), ("a/x", "a"), ("a", "a/"), (".",)])
def test_entries_that_lie_where_another_does(kind, names, tmp_path):
    (tmp_path / "archive").write_bytes(PACKERS[kind](*names))
    check_refusal(tmp_path, f"{re.escape(repr(names[-1].rstrip('/'))[:-1])}.*another")


ODD = {
    "absolute link": tar_of(member("odd", "/", tarfile.SYMTYPE), member("odd/x")),
    "link": tar_of(member("odd", "a", tarfile.SYMTYPE)),
    "hard link": tar_of(member("a"), member("odd", "a", tarfile.LNKTYPE)),
    "pipe": tar_of(member("odd", kind=tarfile.FIFOTYPE)),
    "device": tar_of(member("odd", kind=tarfile.CHRTYPE)),
    "sparse": tar_of(member("odd", kind=tarfile.GNUTYPE_SPARSE)),
    "newer sparse": tar_of(member("odd", pax={"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"})),
    "unknown": tar_of(member("odd", kind=b"Z")),
    "link in a zip": zip_of("odd", external_attr=stat.S_IFLNK << 16),
    "pipe in a zip": zip_of("odd", external_attr=stat.S_IFIFO << 16),
}


@pytest.mark.parametrize("name", ODD)
def test_entries_that_are_neither_files_nor_folders(name, tmp_path):
    (tmp_path / "archive").write_bytes(ODD[name])
    check_refusal(tmp_path, "the entry 'odd': it is a link, a device or a sparse file.*by hand")


def header(kind: bytes, size: int = 1, content: bytes = b"x") -> bytes:
    """Return an entry of a tar without what ends the tar."""
    return tar_of(member("x", kind=kind, size=size), content=content)[: 512 + (size + 511) // 512 * 512]


MIB = 1 << 20
BOMBS = {
    "size, zip": (zip_of("x", content=bytes(3 * MIB)), "unpacks to more than 1,048,576 bytes"),
    "size in all, zip": (zip_of("x", "y", content=bytes(MIB // 2 + 1)), "unpacks to more than 1,048,576 bytes"),
    "size, tar.gz": (gzip.compress(tar_of(member("x", size=3 * MIB))), "unpacks to more than 1,048,576 bytes"),
    "behind the end": (gzip.compress(tar_of(member("x")) + bytes(3 * MIB)), "unpacks to more than 1,048,576 bytes"),
    "count, tar": (tar_of(*(member(str(number)) for number in range(9))), "more than 8 entries"),
    "count, zip": (zip_of(*map(str, range(9))), "more than 8 entries"),
    "long name": (header(tarfile.GNUTYPE_LONGNAME, 2 * MIB), "header of more than 65,536 bytes"),
    "pax": (gzip.compress(header(tarfile.XHDTYPE, 2 * MIB)), "header of more than 65,536 bytes"),
    "many headers": (header(tarfile.GNUTYPE_LONGNAME) * 200, "header of more than 65,536 bytes"),
    "map of a sparse file": (
        tar_of(
            member("x", size=MIB // 2, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), content=b"999999\n99"
        ),
        "header of more than 65,536 bytes",
    ),
    "overlap": (zip_of("x", "y", header_offset=0), "'x' and 'y' overlap"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name, tmp_path, monkeypatch):
    """With lower limits, so that small ones do."""
    limits = {"ALWAYS_ALLOWED": MIB, "MAX_RATIO": 2, "MAX_HEADER": MIB // 16}
    for limit, value in {**limits, "ENTRIES_ALWAYS_ALLOWED": 8, "ENTRY_BYTES": MIB}.items():
        monkeypatch.setattr(archives, limit, value)
    content, match = BOMBS[name]
    (tmp_path / "archive").write_bytes(content)
    check_refusal(tmp_path, match)


def test_a_large_archive_may_have_more_entries_than_a_small_one(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ENTRIES_ALWAYS_ALLOWED", 8)
    content = tar_of(*(member(str(number)) for number in range(20)))
    (tmp_path / "archive").write_bytes(content)
    (tmp_path / "unpacked").mkdir()
    archives.unpack(tmp_path / "archive", tmp_path / "unpacked", "it")
    assert len([*(tmp_path / "unpacked").iterdir()]) == 20
    (tmp_path / "archive").write_bytes(gzip.compress(content))
    check_refusal(tmp_path, "more than 8 entries: one for 500 bytes of it, at least 8")


WORST = {
    "a size below nothing, which sends tarfile back for ever": (
        tar_of(member("a"), member("x", pax={"size": "-1536"})),
        "the entry 'x': its size is not the -1,536 bytes",
    ),
    "headers of headers": (header(tarfile.GNUTYPE_LONGNAME) * 900, "recursion"),
    "folders too deep to be removed": (tar_of(member("a/" * 99 + "x"), member("a/" * 100 + "x")), "100 folders deep"),
    "a long name": (tar_of(member("x" * 300)), "the entry 'xxx.*: File name too long"),
    "no name of a file": (tar_of(member("x", pax={"path": "a\0b"})), "the entry 'a.x00b': embedded null byte"),
    "lines in a name": (tar_of(member("a\nb", "x", tarfile.SYMTYPE)), "a..b"),
    "a damaged header after the first": (tar_of(member("x"), member("y")).replace(b"y\0", b"z\0", 1), "checksum"),
    "tars one after the other": (tar_of(member("x"))[:2048] + tar_of(member("y"))[:2048], "data follows its end"),
    "a zip's entry shorter than announced": (zip_of("x", file_size=9), "the entry 'x': its size is not the 9 bytes"),
    "a zip's entry longer than announced": (zip_of("x", content=b"xx", file_size=1), "the entry 'x': Bad CRC"),
    "a zip's entry under a password": (zip_of("a", "x", flag_bits=1), "the entry 'x': it is encrypted"),
    "a zip's entry of an unknown kind": (zip_of("x", compress_type=77), "the entry 'x': .*not supported"),
}


@pytest.mark.parametrize("name", WORST)
def test_what_the_libraries_do_not_hold(name, tmp_path):
    content, match = WORST[name]
    (tmp_path / "archive").write_bytes(content)
    check_refusal(tmp_path, match)


def check_refusal(folder: Path, match: str | None = None) -> None:
    """Hold that `folder/archive` is refused in one line that names it, and that nothing is written anywhere."""
    before = contents(folder)
    with pytest.raises(UserError, match=match) as caught, open_source(str(folder / "archive"), folder):
        pass
    assert str(folder / "archive") in str(caught.value) and "\n" not in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_archives_that_end_early(name, share, place, tmp_path):
    whole = (place / name).read_bytes()
    used = len(whole.rstrip(b"\0")) if name.endswith(".tar") else len(whole)
    (tmp_path / "archive").write_bytes(whole[: int(share * used)])
    check_refusal(tmp_path)


def test_a_tar_that_ends_between_two_entries(tmp_path):
    (tmp_path / "archive").write_bytes(tar_of(member("a/x"), member("b/x"))[: 2 * tarfile.BLOCKSIZE])
    check_refusal(tmp_path)


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Return an archive with up to three flips, cuts, insertions or slices twice; headers of a tar may fit again."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        start, other, length = (int(number) for number in random.integers(0, (len(changed) + 1, len(changed) + 1, 600)))
        match random.integers(5):
            case 0:
                changed[start : start + 1] = random.bytes(1)
            case 1:
                del changed[start:]
            case 2:
                del changed[start : start + length]
            case 3:
                changed[start:start] = random.bytes(length)
            case _:
                changed[start:start] = changed[other : other + length]
    if random.random() < 0.5:
        for at in range(0, len(changed) - 511, 512):
            if changed[at + 257 : at + 262] == b"ustar":
                changed[at + 148 : at + 156] = b" " * 8
                changed[at + 148 : at + 156] = b"%06o\0 " % sum(changed[at : at + 512])
    return bytes(changed)


def test_mutated_archives(tmp_path):
    folder = member("a", kind=tarfile.DIRTYPE, size=0)
    names = (member("a/x"), member("a/" + "b" * 200), folder, member("d", pax={"path": "e"}))
    tar = tar_of(*names, member("c", size=900)).rstrip(b"\0") + bytes(1500)
    kinds: list[tuple[bytes, Callable[[bytes], bytes]]] = [
        (tar, bytes), (tar, partial(gzip.compress, compresslevel=1)), (gzip.compress(tar), bytes),
        (zip_of("a/x", "b", "c/d/e", content=b"xyz" * 50), bytes),
    ]  # fmt: skip
    random, archive, whole = np.random.default_rng(0), tmp_path / "archive", 0
    for content, packed in kinds:
        archive.write_bytes(packed(content))
        with open_source(str(archive), tmp_path) as unpacked:
            assert len(contents(unpacked)) >= 5
    for number in range(500):
        content, packed = kinds[number % len(kinds)]
        archive.write_bytes(packed(mutate(content, random)))
        before = contents(tmp_path)
        message = None
        try:
            with open_source(str(archive), tmp_path):
                whole += 1
        except UserError as error:
            message = str(error)
        assert message is None or (str(archive) in message and len(message.splitlines()) == 1)
        assert contents(tmp_path) == before
    assert 0 < whole < 500


def test_a_full_disk_is_no_damaged_archive(place, address, temporary, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        downloads.download(f"{address}/edges.tar", Path("/dev/full"))
    monkeypatch.setattr(archives, "write_entry", full)
    with pytest.raises(OSError, match="No space"), open_source(str(place / "edges.tar"), temporary):
        pass
    assert not list(temporary.iterdir())


def test_what_cannot_fit_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1 << 62)
    (tmp_path / "archive").write_bytes(zip_of("x", file_size=1 << 60))
    check_refusal(tmp_path, "1,152,921,504,606,846,976 bytes do not fit")


def test_a_tar_that_ends_in_a_zip_is_a_tar(tmp_path):
    content = zip_of("y")
    tar = tar_of(member("x.zip", size=len(content)), content=content)
    (tmp_path / "archive").write_bytes(tar[: 512 + len(content)] + bytes(1024))
    with open_source(str(tmp_path / "archive"), tmp_path) as folder:
        assert contents(folder) == {"x.zip": content}


@pytest.mark.parametrize(
    ("name", "at"), [("edges.zip", 30 + len("edges/up/notes.txt")), ("edges.tar.gz", 20), ("edges.tar.gz", -8)]
)
def test_archives_with_a_changed_byte(name, at, place, tmp_path):
    """In the compressed bytes, and in the checksum at the end."""
    damaged = bytearray((place / name).read_bytes())
    damaged[at + (damaged.find(b"edges/up/notes.txt") - 30 if name.endswith("zip") else 0)] ^= 0xFF
    (tmp_path / "archive").write_bytes(damaged)
    check_refusal(tmp_path)


FOREIGN = {
    "empty": b"",
    "text": b"no archive",
    "noise": np.random.default_rng(0).bytes(2000),
    "bz2": bz2.compress(tar_of(member("x"))),
    "xz": lzma.compress(tar_of(member("x"))),
    "gzip of text": gzip.compress(b"no archive"),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_files_that_are_no_archives(content, tmp_path):
    (tmp_path / "archive").write_bytes(content)
    check_refusal(tmp_path, "not a tar, tar.gz or zip")


@pytest.mark.parametrize("source", ["", "nowhere", "nowhere.tar", "~nobody-of-that-name/edges", "x" * 300, "x\0"])
def test_no_such_source(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="check the path"), open_source(source, tmp_path):
        pass


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("nowhere.tar", "404"),
        ("unpacked", "404"),
        ("short", "ended early: 950 bytes"),
        ("more", "cannot unpack http.*/more: it is not a tar"),
        ("page", "cannot unpack http.*/page: it is not a tar"),
        ("huge", "1,000,000,000,000,000,000 bytes do not fit"),
        ("chunked", "cannot download"),
        ("with space.tar", "with%20space.tar: HTTP Error 404"),
        ("ä.tar", "%C3%A4.tar: HTTP Error 404"),
        ("loop", "leads to http.*/loop.*infinite loop"),
        ("away", r"leads to http.*/nowhere.tar\?\.\.\.: HTTP Error 404"),
        ("astray", r"leads to http://127.0.0.1:1/edges.tar\?\.\.\.: .*refused"),
        ("file", "file:///etc/passwd"),
        ("ftp", "leads to ftp://127.0.0.1/edges.tar: only http"),
        ("login", "leads to http://127.0.0.1:1/edges.tar: an address with a user name"),
        ("edges.tar?signature=secret#sha256=" + "0" * 64, f"sha256 is [0-9a-f]{{64}}, not {'0' * 64}"),
        ("edges.tar#sha256=00", "#sha256=<64 hex digits> after the address; received .*edges.tar#sha256=00: correct"),
        ("edges.tar#", "#sha256=<64 hex digits> after the address; received .*edges.tar#: correct"),
    ],
)
def test_downloads_that_fail(path, match, address, temporary):
    with pytest.raises(UserError, match=match) as caught, open_source(f"{address}/{path}", temporary):
        pass
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    assert f"{address}/{quote(re.split('[?#]', path)[0])}" in str(caught.value)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("ftp://127.0.0.1/edges.tar", "cannot download ftp://127.0.0.1/edges.tar: only http:// and https://"),
        ("s3://name:secret@bucket/edges.tar", "cannot download s3://bucket/edges.tar: only http:// and https://"),
        ("file:///etc/passwd", "only http:// and https://"),
        ("http://name:secret@127.0.0.1:1/edges.tar", "http://127.0.0.1:1/edges.tar: an address with a user name"),
        ("http://name:[secret]@127.0.0.1/edges.tar", "http://127.0.0.1/edges.tar: it is not an address"),
        ("http://127.0.0.1:1/a b.tar?signature=se cret", r"a%20b.tar\?\.\.\.: .*refused"),
        ("http://127.0.0.1:1/edges.tar?signature=secret", "refused"),
        ("http://127.0.0.1:1/\udce4.tar", "%E4.tar: .*refused"),
    ],
)
def test_addresses_from_which_nothing_comes(source, match, temporary):
    with pytest.raises(UserError, match=match + ".*by hand") as caught, open_source(source, temporary):
        pass
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    assert not list(temporary.iterdir())


def test_https_does_not_lead_to_http():
    redirects, moved = downloads.SafeRedirects(), http.client.HTTPMessage()
    moved["Location"] = "http://127.0.0.1/edges.tar"
    with pytest.raises(ValueError, match="from https to http is not followed"):
        redirects.http_error_302(urllib.request.Request("https://127.0.0.1/"), io.BytesIO(), 302, "Found", moved)


@given(st.lists(st.sampled_from(["see", "http://host/p", "(https://h:1/p/q)", "'"])), st.integers(0, 3))
def test_what_is_shown_of_an_address(words, at):
    hidden = "ftp://secret:sec/ret?@host:21/path?secret&key=secret=&b=#secret"
    words.insert(at, hidden)
    assert redact(" ".join(words)) == " ".join(words).replace(hidden, "ftp://host:21/path?...")


@pytest.mark.parametrize("name", ["unpacked", "edges.tar?version=2", "moved", "edges.tar#sha256={}"])
def test_addresses_of_any_spelling(name, place, address, temporary):
    shutil.copy(place / "edges.tar", place / "unpacked")
    digest = hashlib.sha256((place / "edges.tar").read_bytes()).hexdigest()
    with open_source(f"{address}/{name.format(digest)}", temporary) as folder:
        assert contents(folder / "edges") == contents(place / "edges")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_an_end_by_force_leaves_nothing_in_the_folder_of_temporary_files(number, place, temporary, tmp_path):
    """What a kill leaves lies beside the output, and goes with the next run; a terminal that closes leaves nothing."""
    target, words = tmp_path / "images", ["--data_set", "edges", "--max_quarantined", "1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"http://127.0.0.1:{server.getsockname()[1]}/edges.tar"
        command = [sys.executable, "-m", "components", "fetch", *words, "--source", source, "--images", str(target)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "no_proxy": "127.0.0.1"}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, preexec_fn=heed_signals)
        with process, server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n")
            while not any(tmp_path.glob(".images.unfinished/*/download")):
                assert process.poll() is None
                time.sleep(0.001)
            process.send_signal(number)
            while connection.recv(1000):
                pass
    left = {path.name for path in tmp_path.iterdir()} - {"temporary"}
    assert left == ({".images.unfinished"} if number == signal.SIGKILL else set())
    fetch(str(place / "edges"), target)
    assert {path.name for path in tmp_path.iterdir()} == {"temporary", "images", "images.record.json"}
    assert not any(path.name.startswith(".") for path in target.iterdir())
    assert not list(temporary.iterdir())
