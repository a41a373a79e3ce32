"""DVC's notes, cut short anywhere, are read by DVC again after `python -m pipeline check`."""

import json
from pathlib import Path

import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML

from components.step import ROOT
from pipeline import recovery

WHOLE = (ROOT / "dvc.lock").read_text(encoding="utf-8")


def stages(text: str) -> dict:
    """Return the stages of a `dvc.lock` as DVC reads it."""
    content = YAML(typ="safe").load(text)
    return dict(COMPILED_LOCKFILE_SCHEMA(content).get("stages") or {}) if content else {}


def test_a_note_cut_short_anywhere_keeps_every_whole_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    note, expected = Path("dvc.lock"), stages(WHOLE)
    for end in range(0, len(WHOLE), 97):
        note.write_text(WHOLE[:end])
        recovery.mend()
        found = stages(note.read_text())
        written = [name for name in expected if f"\n  {name}:" in WHOLE[:end]]
        assert list(found)[: len(written) - 1] == written[:-1]
        assert all(found[name] == expected[name] for name in written[:-1])


def test_whole_notes_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(WHOLE)
    Path(".dvc/tmp").mkdir(parents=True)
    recovery.LOCKS.write_text(json.dumps({"read": {}}))
    assert recovery.mend() == []
    assert Path("dvc.lock").read_text() == WHOLE and recovery.LOCKS.exists()


@pytest.mark.parametrize("text", ["", '{"read": {"a"', "{"])
def test_half_written_locks_are_removed(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp").mkdir(parents=True)
    recovery.LOCKS.write_text(text)
    assert len(recovery.mend()) == 1
    assert not recovery.LOCKS.exists()
