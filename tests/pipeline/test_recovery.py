"""DVC's notes, cut short anywhere, are read by DVC again after `graft check`; no other is touched."""

import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import dumps_yaml
from ruamel.yaml import YAML

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline import recovery

WHOLE = (ROOT / "dvc.lock").read_text(encoding="utf-8")


def stages(text: str) -> dict:
    """Return the stages of a `dvc.lock` as DVC reads it."""
    content = YAML(typ="safe").load(text)
    return dict(COMPILED_LOCKFILE_SCHEMA(content).get("stages") or {}) if content else {}


def entry(path: str, digit: str, **more: object) -> dict:
    return {"path": path, "hash": "md5", "md5": digit * 32, "size": 123456, **more}


STAGE = {
    "cmd": "python -m components train --images data/images/ä.d --weights 'a: b' --recipe digits and other words",
    "deps": [entry("components/a.py", "3"), entry(" a: b\\\x01 " * 8, "e", isexec=True), entry("data/ä", "d")],
    "params": {"params.yaml": {"defaults.top": {"rate": -0.5, "text": "a: b " * 15, "none": None, "more": [1, []]}}},
    "outs": [{**entry("artifacts/a", "1", nfiles=25), "md5": f"{'1' * 32}.dir"}, entry("artifacts/b.csv", "0")],
}
SMALL = dumps_yaml({"schema": "2.0", "stages": {"a@b": STAGE, "c": {"cmd": "7z", "outs": deepcopy(STAGE["outs"])}}})
HALVES = SMALL[: SMALL.index("  c:") + 3], SMALL[: SMALL.index("  c:") + 4]
NOTE = Path("dvc.lock")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_cut(content: bytes, whole: str) -> None:
    """Check that DVC reads what is left of a note cut short, that no whole stage is lost, and that nothing is."""
    NOTE.write_bytes(content)
    done = recovery.mend()
    expected, found = stages(whole), stages(NOTE.read_text())
    written = [name for name in expected if f"\n  {name}:".encode() in content]
    assert list(found)[: len(written) - 1] == written[:-1]
    assert all(found[name] == expected[name] for name in written[:-1])
    kept = Path("dvc.lock.half")
    assert kept.exists() == bool(done) == (NOTE.read_bytes() != content)
    if done:
        assert kept.read_bytes() == content
        assert stages(NOTE.read_text()) == {name: expected[name] for name in written[: len(found)]}
        kept.unlink()
    left = NOTE.read_bytes()
    assert recovery.mend() == [] and NOTE.read_bytes() == left and not kept.exists()


def test_a_note_cut_short_anywhere_keeps_every_whole_stage():
    for end in range(0, len(WHOLE), 797):
        check_cut(WHOLE[:end].encode(), WHOLE)


def test_a_note_cut_short_at_every_byte():
    content = SMALL.encode()
    for end in range(len(content)):
        check_cut(content[:end], SMALL)


@pytest.mark.parametrize("end", ["d41d8cd98f", "d41d8cd98f00b204e9800998ecf8427e.d"])
def test_a_digest_that_is_half_is_cut_off(end):
    half = SMALL[: SMALL.rindex("0" * 32)] + end
    check_cut(half.encode(), SMALL)
    assert list(stages(NOTE.read_text())) == ["a@b"]


def test_an_earlier_copy_stays():
    for half in HALVES:
        NOTE.write_text(half)
        assert len(recovery.mend()) == 1
    assert (Path("dvc.lock.half").read_text(), Path("dvc.lock.half2").read_text()) == HALVES


@pytest.mark.parametrize(
    "content",
    [
        SMALL.encode(),
        SMALL[:-1].encode(),
        SMALL.replace("\n", "\r\n").encode(),
        SMALL[:-1].replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + SMALL.encode(),
        f"# mine\n{SMALL}# end".encode(),
        WHOLE.encode(),
        WHOLE[:-1].encode(),
    ],
)
def test_whole_notes_stay_as_they_are(content, folder):
    NOTE.write_bytes(content)
    Path(".dvc/tmp").mkdir(parents=True)
    recovery.RW_LOCK.write_text(json.dumps({"read": {}}))
    assert recovery.mend() == []
    assert NOTE.read_bytes() == content and recovery.RW_LOCK.exists()
    assert not list(folder.glob("dvc.lock.*"))


def conflict(style: str, path: str = "dvc.lock") -> int:
    """Leave a merge of git's in conflict; return the line of its first marker."""
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", f"merge.conflictStyle={style}")

    def commit(digit: str) -> None:
        Path(path).write_text(SMALL.replace("0" * 32, digit * 32))
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", digit], check=True)

    Path(path).parent.mkdir(exist_ok=True)
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    commit("0")
    subprocess.run([*git, "switch", "-qc", "other"], check=True)
    commit("5")
    subprocess.run([*git, "switch", "-q", "main"], check=True)
    commit("7")
    assert subprocess.run([*git, "merge", "-q", "other"], capture_output=True).returncode == 1
    lines = Path(path).read_text().splitlines()
    assert ("|||||||" in Path(path).read_text()) == (style != "merge")
    return 1 + lines.index("<<<<<<< HEAD")


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("path", recovery.LOCK_FILES)
def test_a_conflict_is_named_and_stays(style, path, folder):
    line = conflict(style, path)
    content = Path(path).read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match=f"^{path}, line {line}: a merge conflict, .*git checkout --theirs {path}"):
            recovery.mend()
        assert Path(path).read_bytes() == content
    for text in (content.replace(b"\n", b"\r\n"), content.replace(b"<<<<<<< HEAD\n", b""), content[:-40]):
        Path(path).write_bytes(text)
        with pytest.raises(UserError, match="a merge conflict"):
            recovery.mend()
        assert Path(path).read_bytes() == text
    assert not list(folder.rglob("dvc.lock.*"))


def test_the_command_ends_with_2_on_a_conflict(folder):
    shutil.copy(ROOT / "params.yaml", folder)
    conflict("merge")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "check"], env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: dvc.lock, line ")


@pytest.mark.parametrize(
    "content",
    [
        b"garbage\n",
        b"- a\n- b\n",
        b"\x00" * 100,
        SMALL.encode() + b"\x00" * 100,
        SMALL.encode("utf-16"),
        SMALL.encode("latin-1"),
        SMALL.encode() + b"oops oops",
        SMALL.encode() + b"    oops oops\n",
        SMALL.encode() + b"    oops oops",
        SMALL.encode() + b"      oops oops",
        SMALL.encode() + b"  d: of one's own\n",
        SMALL.encode() + b"  d: of one's own",
        SMALL.encode() + b"  a@b:\n    cmd: again\n",
        SMALL.replace("schema: '2.0'", "schema: '1.0'").encode(),
        SMALL.replace("    outs:", "   outs:").encode(),
        SMALL.replace("    cmd: 7z\n", '    cmd: "7z\n').encode(),
        SMALL.replace("    cmd: 7z\n", "    cmd: [7z\n").encode(),
        SMALL.replace("    cmd: 7z\n", "").encode(),
        SMALL.replace("  c:\n", "  c\n").encode(),
        SMALL.replace("123456", "many").encode(),
        b"{" * 5000,
    ],
)
def test_what_dvc_did_not_leave_so_is_left_alone(content, folder):
    """Nor is anything else changed: of the other file, which is half written, not even a copy is made."""
    Path("data").mkdir()
    for note, other in (recovery.LOCK_FILES, recovery.LOCK_FILES[::-1]):
        Path(note).write_bytes(content)
        Path(other).write_text(HALVES[0])
        with pytest.raises(UserError, match=f"cannot read {note}.* it stays as it is: .*`git checkout {note}`"):
            recovery.mend()
        assert Path(note).read_bytes() == content and Path(other).read_text() == HALVES[0]
    assert not list(folder.rglob("dvc.lock.*"))


@pytest.mark.parametrize("text", ["", '{"read": {"a"', "{"])
def test_half_written_locks_are_removed(text):
    Path(".dvc/tmp").mkdir(parents=True)
    recovery.RW_LOCK.write_text(text)
    assert len(recovery.mend()) == 1
    assert not recovery.RW_LOCK.exists()
