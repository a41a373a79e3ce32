"""Layouts that people have: read as they are meant, or refused with what to do; by names alone, nothing is decoded."""

import unicodedata
from itertools import product
from pathlib import Path

import pytest

from components.data.class_folders import ClassFolders, find_class_folders
from components.data.folders import read_folder
from components.system.errors import UserError


def find(folder: Path, *patterns: str) -> ClassFolders:
    """Write a file for each pattern, and of `{a,b}` in a pattern one for each choice; return the class folders."""
    for pattern in patterns:
        pieces = [
            piece.split(",") if number % 2 else [piece]
            for number, piece in enumerate(pattern.replace("}", "{").split("{"))
        ]
        for choice in product(*pieces):
            file = folder / "".join(choice)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(file.name)
    return find_class_folders(folder, read_folder(folder), None)


def files_read(found: ClassFolders) -> dict[str, set[tuple[str, str]]]:
    """Return the label and part of every file that is read, by label."""
    read: dict[str, set[tuple[str, str]]] = {}
    for one in found.members:
        read.setdefault(one.label, set()).update((one.part, path) for path in one.folder.file_paths())
    return read


TRAIN_AND_TEST = {"train", "test"}
MEANT = {  # what is written, the parts, and the folders that are left out
    "a copy of a wrapper": (["data/data/data/{a,b}/1.jpg"], {""}, []),
    "files beside a wrapper": (["data/{a,b}/1.jpg", "README.md", "data/labels.csv"], {""}, []),
    "parts above classes": (["{Training,Testing}/{a,b}/1.jpg"], TRAIN_AND_TEST, []),
    "parts with wrappers": (["{seg_train/seg_train,seg_test/seg_test}/{a,b}/1.jpg"], TRAIN_AND_TEST, []),
    "parts of the data set's name": (["{pets_train,pets_test}/{a,b}/1.jpg"], TRAIN_AND_TEST, []),
    "three parts": (["x/{train2017,val2017,Test Set}/{a,b}/1.jpg"], {"train", "validation", "test"}, []),
    "classes above parts": (["{a,b}/{train,test_images}/1.jpg"], TRAIN_AND_TEST, []),
    "a class without a part": (["a/{train,test}/1.jpg", "b/train/1.jpg"], TRAIN_AND_TEST, []),
    "a test part without labels": (["train/{a,b}/1.jpg", "test/{1,2}.jpg"], {"train"}, ["test"]),
    "in a wrapper": (["train/{a,b}/1.jpg", "test/unknown/{1,2}.jpg"], {"train"}, ["test"]),
    "in a copy of it": (["train/{a,b}/1.jpg", "test/test/{1,2}.jpg"], {"train"}, ["test"]),
    "images to predict": (
        ["{seg_train,seg_test}/{a,b}/1.jpg", "seg_pred/seg_pred/1.jpg"], TRAIN_AND_TEST, ["seg_pred"],
    ),
    "parts beside their archives": (["{train,test}/{a,b}/1.jpg", "train.zip"], TRAIN_AND_TEST, []),
    "parts beside annotations": (
        ["{train,test}/{a,b}/1.jpg", "annotations/1.xml"], TRAIN_AND_TEST, ["annotations"],
    ),
    "a copy of all parts": (["c/{train,test}/{a,b}/1.jpg", "c/c/{train,test}/{a,b}/1.jpg"], TRAIN_AND_TEST, ["c/c"]),
    "a copy of all classes": (["{a,b}/1.jpg", "more/{a,b}/1.jpg"], {""}, ["more"]),
    "images beside lists": (["images/{a,b}/1.png", "splits/1.txt"], {""}, ["splits"]),
    "folders in a class": (["a/{x,y}/1.jpg", "b/{z,1}.jpg"], {""}, []),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEANT)
def test_layouts_that_are_read_as_meant(kind, tmp_path):
    patterns, parts, left_out = MEANT[kind]
    found = find(tmp_path / "pets", *patterns)
    assert found.labels == ["a", "b"]
    assert {one.part for one in found.members} == parts
    assert list(found.left_out) == left_out


def test_no_image_changes_its_class_or_its_part(tmp_path):
    found = find(tmp_path / "pets", "train/train/{a,b}/{1,2}.jpg", "val/{a,b}/1.jpg", "test/b/3.jpg")
    assert files_read(found) == {
        "a": {("train", "train/train/a/1.jpg"), ("train", "train/train/a/2.jpg"), ("validation", "val/a/1.jpg")},
        "b": {
            ("train", "train/train/b/1.jpg"), ("train", "train/train/b/2.jpg"), ("validation", "val/b/1.jpg"),
            ("test", "test/b/3.jpg"),
        },
    }  # fmt: skip


REFUSED = {  # what is written, and what is said
    "a class named like a part": (["{bus,car,train}/1.jpg"], "train, lie beside others, bus, car: .* rename it"),
    "classes that are parts alone": (["{valid,test}/1.jpg"], "test, valid is named like a part.* no two folders of cl"),
    "one in a part": (["{train,test}/{cat,val}/1.jpg"], "the folder 'val', .* named like a part of a data set"),
    "another folder of images": (["{train,test}/{a,b}/1.jpg", "more/1.jpg"], "test, train, lie beside others, more"),
    "train without classes": (["train/1.jpg", "test/{a,b}/1.jpg"], "train is named like a part .* holds no two fold"),
    "two folders of a part": (["{train,dev,val}/{a,b}/1.jpg"], "dev and val are both named like the validation part"),
    "two in a class": (["{a,b}/{test,holdout,train}/1.jpg"], "holdout, test, train are two folders of one part"),
    "prediction with classes": (["{train,pred}/{a,b}/1.jpg"], "pets/pred is named like a part without labels"),
    "a class of the test part alone": (["train/{a,b}/1.jpg", "test/{a,c}/1.jpg"], "pets: c is a class of another part"),
    "class and part in one name": (["{cat,dog}_{train,test}/1.jpg"], "both classes and parts: make a folder of each"),
    "so with letters": (["{train,test}{A,B}/1.jpg"], "testA, testB, trainA, trainB seem to be both"),
    "parts in some classes": (["a/{train,test}/1.jpg", "b/1.jpg"], "pets/a holds folders of parts, pets/b not those"),
    "images beside parts": (["{a,b}/{train,test}/1.jpg", "b/1.jpg"], "pets/a holds folders of parts, pets/b not tho"),
    "parts deep in a class": (["a/x/test/1.jpg", "b/1.jpg"], "pets/a/x/test is named like a part .* within the class"),
    "data sets of parts": (["{one,two}/{train,test}/{a,b}/1.jpg"], "both hold a folder 'a': .* give the one folder"),
    "classes in views": (["{color,grey}/{a,b}/1.jpg"], "pets/color and pets/grey both hold a folder 'a': .* as the so"),
    "images and annotations": (["{Pictures,Boxes}/{a,b}/1"], "both hold a folder 'a'"),
    "a folder for all": (["{images,masks}/1.png"], "the folder 'images', .* belongs to all classes: rename it"),
    "pieces of one": (["HAM_images_part_{1,2}/1.jpg"], "HAM_images_part_1, HAM_images_part_2 are named like pieces of"),
    "a class in itself": (["a/a/1.jpg", "b/1.jpg"], "pets/a/a has the name of a class, and lies in one: remove it if"),
    "a class in another": (["{a,b}/1.jpg", "more/b/2.jpg"], "pets/more/b has the name of a class"),
    "the folder above": (["{pets,cars}/1.jpg"], "pets/pets has the name of the folder that holds it: remove .* rename"),
    "no copy of all": (["c/{train,test}/{a,b}/1.jpg", "c/c/train/{a,b}/1.jpg"], "pets/c/c has the name of the"),
    "case in parts": (["train/{Cat,Dog}/1.jpg", "test/{cat,dog}/1.jpg"], "are 'Cat' and 'cat' one class"),
    "a class above the test part alone": (["a/{train,test}/1.jpg", "b/test/1.jpg"], "b is a class of another part"),
    "blanks": (["{tree frog,tree_frog}/1.jpg"], "are 'tree frog' and 'tree_frog' one class"),
    "a part in an archive": (["test/{a,b}/1.jpg", "train.zip"], "pets/train.zip is an archive within the source: unp"),
    "no class": (["{1,2}.jpg"], "two or more folders, one a class, expected; received none"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_layouts_that_could_mean_two_things_are_refused(kind, tmp_path):
    patterns, match = REFUSED[kind]
    with pytest.raises(UserError, match=match):
        find(tmp_path / "pets", *patterns)


def test_a_part_that_is_a_link_does_not_go_missing(tmp_path):
    find(tmp_path / "elsewhere", "{a,b}/1.jpg")
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="pets/train is a link to a folder, which is not followed: put the folder in"):
        find(tmp_path / "pets", "test/{a,b}/1.jpg")


def test_classes_may_differ_in_case_in_one_folder(tmp_path):
    assert find(tmp_path / "letters", "{A,a,B}/1.jpg").labels == ["A", "B", "a"]


def test_classes_may_be_numbered(tmp_path):
    assert find(tmp_path / "cells", "{type_1,type_2}/1.jpg").labels == ["type_1", "type_2"]
    assert find(tmp_path / "digits", "{0,1,2}/1.jpg").labels == ["0", "1", "2"]


def test_a_copy_that_differs_in_one_file_is_none(tmp_path):
    find(tmp_path / "pets", "c/{train,test}/{a,b}/1.jpg", "c/c/{train,test}/{a,b}/1.jpg")
    (tmp_path / "pets" / "c" / "c" / "test" / "a" / "1.jpg").write_text("longer")
    with pytest.raises(UserError, match="pets/c/c has the name of the folder that holds it: remove it if it is a copy"):
        find(tmp_path / "pets")


def test_names_composed_and_decomposed_are_one_class(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "{café,thé}") for form in ("NFC", "NFD"))
    found = find(tmp_path / "drinks", f"train/{decomposed}/1.jpg", f"test/{composed}/2.jpg")
    assert found.labels == [unicodedata.normalize("NFC", name) for name in ("café", "thé")]
    assert [one.part for one in found.members] == ["test", "train"] * 2
