"""From a folder to a recipe: `graft look` says what is there, `graft new` writes it into params.yaml, or nothing."""

import shutil
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline import recipes
from pipeline.__main__ import main
from pipeline.drafting import name_of
from tests.conftest import write_images


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with params.yaml, which is the current one, and beside it `flowers`, of two classes in two parts."""
    here = tmp_path / "project"
    here.mkdir()
    shutil.copy(ROOT / "params.yaml", here)
    monkeypatch.chdir(here)
    write_images(tmp_path / "flowers" / "train", 16, classes=("rose", "tulip"))
    for image in (tmp_path / "flowers" / "train").glob("*/1?.png"):
        moved = tmp_path / "flowers" / "test" / image.parent.name / image.name
        moved.parent.mkdir(parents=True, exist_ok=True)
        image.rename(moved)
    return here


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_look_says_what_a_run_would_and_leaves_nothing(project, monkeypatch, capsys):
    flowers, temporary = project.parent / "flowers", project.parent / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    shutil.copy(flowers / "train" / "rose" / "00.png", flowers / "test" / "tulip" / "wrong.png")
    before = contents(project.parent)
    main(["look", "../flowers"])
    assert contents(project.parent) == before and not [*temporary.iterdir()]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "fetch: 33 images of 2 classes, of 16 to 17 each"
    assert "look: sizes: 12 x 12 pixels in the middle, from 12 x 12 to 12 x 12" in printed
    assert "split: 13 train, 7 validation, 13 test" in printed
    copies = "tulip/test/wrong.png and rose/train/00.png"
    assert f"look: identical images across the parts, 1: {copies}" in printed
    assert f"look: duplicates of two labels, 1: {copies}" in printed
    assert printed[-1].startswith("look: 13 test images: an accuracy of 0.9 has the 95 % interval 0.640 to 0.998")


def test_a_look_at_oblong_images_says_what_squashing_takes_from_them(project, capsys):
    for shape, said in (((16, 12), False), ((12, 24), True)):
        for file in (project.parent / "flowers").rglob("*.png"):
            with Image.open(file) as image:
                image.resize(shape).save(file)
        main(["look", "../flowers"])
        line = "look: shapes: half of the images are 2.0 times as long as wide or more, which squashing to squares"
        assert (line in capsys.readouterr().out) == said


def test_what_a_test_part_tells_grows_with_it(project, capsys):
    write_images(project.parent / "many", 800, size=8, classes=("a", "b"))
    main(["look", "../many", "--set", "split.method=random"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("look: 320 test images: an accuracy of 0.9 has the 95 % interval 0.862 to 0.931; of 3 ways")
    assert line.endswith(
        "that disagree on 10% of the images, they tell differences of 5.7 points or more four times in five, and less "
        "where trainings differ"
    )


def test_a_folder_becomes_a_recipe_that_is_switched_on(project, capsys):
    main(["new", "../flowers", "--network", "mobilenet_v2", "--network", "resnet50"])
    content = recipes.read()
    recipes.check(content)
    recipe = recipes.resolve(content, "flowers")
    assert (recipe.data, recipe.networks) == ("flowers", ("mobilenet_v2", "resnet50"))
    assert recipe.values["split"]["method"] == "published"
    assert content["active"] == ["flowers", "digits"] and content["data"]["own"] == {
        "flowers": {"source": "../flowers"}
    }
    assert capsys.readouterr().out.endswith(
        "new: params.yaml has the data set and the recipe flowers, with mobilenet_v2, resnet50\n"
        "new: 32 images take 0.0762 GB of disk, 0.0692 of them for tensors, and for a while 0 GB more; "
        "`graft check --cost` says seconds and memory, once they are fetched\n"
        "new: `make repro` runs flowers and digits, as `active:` in params.yaml says\n"
    )


def test_what_is_set_is_looked_at_and_written(project):
    words = ["--set", "fetch.classes=rose, tulip", "--set", "split.method=random", "--set", "augment.flip=horizontal"]
    main(["new", "../flowers", *words])
    content = recipes.read()
    assert content["data"]["own"]["flowers"] == {"source": "../flowers", "classes": "rose, tulip"}
    steps = {"split": {"method": "random"}, "augment": {"flip": "horizontal"}}
    assert content["recipes"]["flowers"] == {"data": "flowers", "networks": ["mobilenet_v2"], **steps}


def test_a_table_is_a_source_too(project):
    flowers = project.parent / "flowers"
    rows = [f"{file.relative_to(flowers)},{number % 2}" for number, file in enumerate(sorted(flowers.rglob("*.png")))]
    (flowers / "labels.csv").write_text("\n".join(["file,label", *rows]))
    main(["new", "../flowers/labels.csv"])
    assert recipes.read()["data"]["own"] == {"flowers": {"source": "../flowers", "labels": "labels.csv"}}


def test_groups_are_kept_together(project):
    flowers = project.parent / "flowers" / "train"
    images = [file.relative_to(flowers).as_posix() for file in sorted(flowers.glob("*/*.png"))]
    lines = [f"{file},{number % 5}" for number, file in enumerate(images)]
    shutil.copytree(flowers, project.parent / "grouped")
    (project.parent / "grouped" / "groups.csv").write_text("\n".join(["file,group", *lines]))
    main(["new", "../grouped", "--name", "by_person"])
    assert recipes.resolve(recipes.read(), "by_person").values["split"]["method"] == "grouped"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["../flowers", "--name", "digits"], "there is a recipe or a data set digits already: give another name"),
        (["../flowers", "--name", "car_damage"], "a recipe or a data set car_damage already"),
        (["../flowers", "--name", "my flowers"], "letters, digits, _ and -"),
        (["../flowers", "--network", "mobilenet"], "no network 'mobilenet'; did you mean 'mobilenet_v2'"),
        (["../flowers", "--set", "split.method=grouped"], "has no groups for the method grouped"),
        (["../flowers", "--set", "split.methods=random"], "no parameter of split 'methods'; did you mean 'method'"),
        (["../flowers", "--set", "fetch.pattern=("], r"pattern is a regular expression with a group"),
        (["../flowers", "--set", "fetch.source=x"], "source is given already"),
        (["../nothing"], "no folder or archive '../nothing'"),
        (["../few"], "too few images: rare has 1, and each class needs 3"),
        ([" "], "source is a folder, an archive or an address"),
    ],
)
def test_what_is_refused_changes_nothing(project, words, message):
    write_images(project.parent / "few", 8, classes=("common", "rare"))
    for image in sorted((project.parent / "few" / "rare").iterdir())[1:]:
        image.unlink()
    with pytest.raises(UserError, match=message):
        main(["new", *words])
    assert [file.name for file in project.iterdir()] == ["params.yaml"]
    assert (project / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_a_second_recipe_of_one_name_is_refused(project):
    main(["new", "../flowers"])
    with pytest.raises(UserError, match="there is a recipe or a data set flowers already"):
        main(["new", "../flowers/"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("../flowers", "flowers"), ("~/My Flowers (1)/", "My_Flowers_1"), ("/data/flowers.v2.tar.gz", "flowers_v2"),
        ("https://example.org/a/flowers.zip#sha256=" + 64 * "0", "flowers"), ("../Blümchen", "Blumchen"),
    ],
)  # fmt: skip
def test_a_data_set_is_named_by_the_end_of_its_path(source, name):
    assert name_of(source) == name


def test_a_path_without_letters_names_nothing():
    with pytest.raises(UserError, match=r"no name can be made from '\.\./花': give one, `--name`"):
        name_of("../花")
