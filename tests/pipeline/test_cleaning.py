"""Cleaning: what no recipe that is switched on needs is listed, and goes where that is asked for; all else stays."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.data.artifacts import MANIFEST
from components.data.records import SUFFIX
from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline import cleaning, planning, recipes
from pipeline.__main__ import main
from pipeline.arranging import RECORD, Task
from pipeline.collection import COLLECTION
from pipeline.places import listing_path, path_of, paths_of

BYTES = 250_000  # of each artifact that is laid out, its manifest aside


def switch(*active: str, **others: dict[str, Any]) -> list[Task]:
    """Write a params.yaml that switches recipes on, which has others than the project's too; return their tasks."""
    content = recipes.read(ROOT / "params.yaml")
    content = {**content, "active": [*active], "recipes": {**content["recipes"], **others}}
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return [*planning.active_tasks(content).values()]


def lay_out(tasks: list[Task]) -> None:
    """Write what looks like all that some tasks make."""
    for task in tasks:
        for key, made in task.outputs.items():
            path = path_of(made)
            path.parent.mkdir(parents=True, exist_ok=True)
            if key == RECORD:
                path.write_text("{}")
            else:
                path.mkdir(exist_ok=True)
                (path / MANIFEST).write_text("{}")
                (path / "content.bin").write_bytes(bytes(BYTES))
            if task.step in COLLECTION and key != RECORD:
                listing_path(path).write_text("{}")


def there() -> set[Path]:
    """Return every file of artifacts/ and data/."""
    return {path for folder in ("artifacts", "data") for path in Path(folder).rglob("*") if path.is_file()}


def listed(capsys, *arguments: str) -> list[str]:
    """Return what the command prints."""
    main(["clean", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


OTHER = {"like": "digits", "train_top": {"dropout": 0.4}}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A folder with all that two recipes make, which have everything in common but the head and what follows."""
    monkeypatch.chdir(tmp_path)
    Path("pretraining").symlink_to(ROOT / "pretraining")  # with the weights that are a source
    lay_out(switch("digits", "other", other=OTHER))
    return tmp_path


def test_nothing_goes_where_all_is_needed(home, capsys):
    before = there()
    assert listed(capsys, "--remove") == ["       0.0 MB  in all"]
    assert there() == before


def test_what_is_not_needed_is_listed_and_stays_until_it_is_asked_to_go(home, capsys):
    """The second recipe needs what the first, which is switched off, made for both."""
    before, needed = there(), {path for task in switch("other", other=OTHER) for path in made_by(task)}
    lines = listed(capsys)
    assert there() == before
    names = {Path(line.split()[-1]) for line in lines[:-1]}
    assert Path("artifacts/digits/glyphs/classifiers/top") in names
    assert names.isdisjoint({Path("artifacts/digits/audit"), Path("data/images/digits"), *needed})
    assert all(line.startswith("       0.3 MB  ") for line in lines[:-1] if not line.endswith(SUFFIX))
    assert lines[-1].endswith(" MB  in all; --remove removes it")
    kept = {path for path in before if not {path, path.parent} & names}

    assert listed(capsys, "--remove")[-1].startswith("removed; DVC's cache has a copy of what was made by its stages")
    assert there() == kept
    assert {path for path in needed if not path.exists()} == set()
    assert listed(capsys) == ["       0.0 MB  in all"]


def made_by(task: Task) -> list[Path]:
    """Return where all lies that a task takes and makes, and its record."""
    return [*(path for several in paths_of(task).values() for path in several), path_of(task.outputs[RECORD])]


def test_data_weights_and_folders_that_no_recipe_needs_go_whole(home, capsys):
    lay_out(switch("sign_language_improved"))
    switch("digits", other=OTHER)
    lines = listed(capsys, "--remove")
    for path in ("data/images/sign_language", "data/weights/mobilenet_v2", "artifacts/sign_language_improved/splits"):
        assert [line.split()[-1] for line in lines].count(path) == 1
    assert not Path("artifacts/sign_language_improved").exists() and not Path("artifacts/other").exists()
    assert {path.name for path in Path("data").rglob("*.json")} >= {f"digits{SUFFIX}", f"glyphs{SUFFIX}"}
    assert Path("artifacts/digits/comparison").is_dir()


def test_all_goes_where_nothing_is_switched_on_but_the_folders_themselves(home, capsys):
    switch(other=OTHER)
    listed(capsys, "--remove")
    assert there() == set()
    assert all(folder.is_dir() for folder in cleaning.FOLDERS)


def test_files_of_a_person_s_own_and_what_is_still_being_made_stay(home, capsys):
    own = [Path("artifacts/other/glyphs") / name for name in ("heads.csv", "rates/train_top.png", ".top.unfinished/a")]
    own += [Path("artifacts/other/glyphs/.classifier.unfinished") / MANIFEST, Path("data/images/notes/read me.txt")]
    for file in own:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    switch("digits", other=OTHER)
    listed(capsys, "--remove")
    assert [file for file in own if not file.exists()] == []
    assert {path for path in there() if "other" in path.parts} == {*own[:4]}


def test_what_was_made_under_other_values_goes(home, capsys):
    """A value is tried no longer: its arms go, and so does the choice among them."""
    tried = {**OTHER, "vary": {"train_top": {"dropout": [0.4, 0.6]}}}
    lay_out(switch("digits", "other", other=tried))
    switch("digits", "other", other=OTHER)
    names = [line.split()[-1] for line in listed(capsys, "--remove")[:-2]]
    assert names and all("train_top.dropout=0.6" in name or "/chosen/" in name for name in names)
    assert Path("artifacts/other/glyphs/classifiers/top").is_dir()
    assert not Path("artifacts/other/glyphs/chosen").exists()


@pytest.mark.parametrize(
    ("active", "others", "said"),
    [
        (["digtis"], {}, "no recipe 'digtis'; did you mean 'digits'?"),
        (["digits"], {"wrong": {"like": "digits", "splt": {}}}, "recipe wrong: no step 'splt'"),
    ],
)
def test_nothing_goes_by_a_params_yaml_that_is_wrong(active, others, said, home):
    before, content = there(), recipes.read()
    wrong = {**content, "active": active, "recipes": {**content["recipes"], **others}}
    Path("params.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(UserError, match=re.escape(said)):
        main(["clean", "--remove"])
    assert there() == before
