"""Sources on this machine: where they are looked for, and what holds where they are not here."""

import json
from pathlib import Path

import pytest

from components.data.sources import is_versioned, local_path
from components.system.errors import UserError
from pipeline import sources
from pipeline.collection import is_dependency
from tests.conftest import write_images


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project's folder, in which a person is, with a folder of images beside it."""
    write_images(tmp_path / "edges", 2)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def own(noun: str, source: str) -> dict:
    return {noun: {"own": {"edges": {"source": source}}}}


def test_a_copy_that_dvc_makes_for_an_experiment_takes_the_project_s_sources(project, monkeypatch):
    copy = project / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    for here, root in ((project, project), (copy, project), (project.parent, project)):
        monkeypatch.chdir(here)
        monkeypatch.setenv("DVC_ROOT", str(root))
        begin = project if here == copy else here
        assert local_path("../edges") == begin / "../edges"
    assert local_path("/edges") == Path("/edges")
    monkeypatch.setenv("HOME", str(project))
    assert local_path("~/edges") == project / "edges" and local_path("~edges") == project.parent / "~edges"


def test_only_plain_paths_into_the_project_are_dependencies_and_none_of_data_sets():
    inside = ["pretraining/vgg16_small.weights.h5", "mine.h5", "a/b-c/1.weights.h5"]
    outside = ["../mine.h5", "a/../../mine.h5", "/mine.h5", "~/mine.h5", "${x}.h5", "~mine.h5", "a b.h5", "a:b"]
    assert all(is_versioned(path) and is_dependency("weights", path) for path in inside)
    assert not any(is_versioned(path) for path in outside)
    assert not any(is_dependency("data", path) for path in inside)


def test_a_listing_says_how_much_there_is_and_is_the_same_until_something_changes(project, capsys):
    output = Path("data/images/edges")
    sources.write_listing("edges", "../edges", output)
    assert capsys.readouterr().out == "edges: 6 files are at ../edges\n"
    before = Path("data/images/edges.source.json").read_bytes()
    sources.write_listing("edges", "../edges", output)
    assert Path("data/images/edges.source.json").read_bytes() == before
    (project.parent / "edges" / "up" / "00.png").unlink()
    sources.write_listing("edges", "../edges", output)
    assert Path("data/images/edges.source.json").read_bytes() != before


def test_a_table_of_labels_beside_a_source_is_listed_with_it(project):
    output, table = Path("data/images/edges"), project.parent / "labels.csv"
    digests = set()
    for text in (None, "id,label\n", "id,label\n1,a\n"):
        if text:
            table.write_text(text)
        sources.write_listing("edges", "../edges", output, "../labels.csv")
        digests.add(json.loads(Path("data/images/edges.source.json").read_text())["digest"])
    assert len(digests) == 3


def test_where_a_source_is_not_on_this_machine_what_was_fetched_from_it_is_taken_and_said(project, capsys):
    output, listing = Path("data/images/edges"), Path("data/images/edges.source.json")
    sources.write_listing("edges", "../edges", output)
    before = listing.read_bytes()
    (project.parent / "edges").rename(project.parent / "gone")
    sources.check_source(own("data", "../edges"), "data", "edges")
    sources.write_listing("edges", "../edges", output)
    assert listing.read_bytes() == before
    assert capsys.readouterr().out.endswith(
        "edges: nothing is at ../edges on this machine: what was fetched from there before is taken\n"
    )


@pytest.mark.parametrize("content", [None, "", "[]", "{}", json.dumps({"source": "../other"})])
def test_a_source_that_is_nowhere_is_an_error(content, project):
    if content is not None:
        Path("data/images").mkdir(parents=True)
        Path("data/images/edges.source.json").write_text(content)
    with pytest.raises(UserError, match=r"data: own: edges: nothing is at '\.\./nowhere': correct the source"):
        sources.check_source(own("data", "../nowhere"), "data", "edges")
    with pytest.raises(UserError, match=r"edges: nothing is at \.\./nowhere"):
        sources.write_listing("edges", "../nowhere", Path("data/images/edges"))


def test_weights_are_a_file(project):
    (project / "mine.h5").write_bytes(b"1")
    sources.check_source(own("weights", "mine.h5"), "weights", "edges")
    with pytest.raises(UserError, match=r"weights: own: edges: no file is at '\.\./edges'"):
        sources.check_source(own("weights", "../edges"), "weights", "edges")


def test_weights_of_a_family_of_keras_hub_are_a_folder_or_are_downloaded(project):
    (project / "mine.h5").write_bytes(b"1")
    (project / "preset").mkdir()
    for source in ("preset", "preset:dinov2_small"):
        sources.check_source(family("dinov2", source), "weights", "edges")
    with pytest.raises(UserError, match=r"weights: own: edges: no folder is at 'mine\.h5'"):
        sources.check_source(family("dinov2", "mine.h5"), "weights", "edges")


def family(backbone: str, source: str) -> dict:
    content = own("weights", source)
    content["weights"]["own"]["edges"]["backbone"] = backbone
    return content


def test_weights_in_the_project_that_are_not_tracked_are_not_in_a_copy_of_it(project, monkeypatch):
    copy = project / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    (project / "mine.h5").write_bytes(b"1")
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.chdir(copy)
    with pytest.raises(UserError, match=r"no file is at 'mine\.h5': `git add` or `dvc add` it"):
        sources.check_source(own("weights", "mine.h5"), "weights", "edges")
    (copy / "mine.h5").write_bytes(b"1")
    sources.check_source(own("weights", "mine.h5"), "weights", "edges")
