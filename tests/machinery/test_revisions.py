"""The revisions that a run is recorded with."""

import subprocess

from components.machinery import revisions


def test_a_revision_says_whether_params_yaml_has_changed_since(tmp_path, monkeypatch):
    monkeypatch.setattr(revisions, "ROOT", tmp_path)
    for name, (variable, *_) in revisions.REVISIONS.items():
        monkeypatch.setenv(variable, f"of an image, {name}")
    assert revisions.revisions() == {name: f"of an image, {name}" for name in revisions.REVISIONS}
    (tmp_path / "params.yaml").write_text("active: [digits]\n")
    said = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*said, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    first = revisions.revisions()
    assert first["recipe_revision"] == first["git_revision"]
    (tmp_path / "params.yaml").write_text("active: [mine]\n")
    assert revisions.revisions()["recipe_revision"] == f"{first['git_revision']}-dirty"
