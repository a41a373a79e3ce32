"""What labels the images of a source: tables, lists, names and leaves, as people have them; or why it is refused."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from components.data.labelled_files import LabelledFiles, LabelRules, join_names, split_names
from components.data.source_reading import read_source
from components.system.errors import UserError
from tests.conftest import write_images
from tests.data.test_layout import fetch


def write_files(folder: Path, files: Mapping[str, str | bytes] | list[str]) -> Path:
    """Write files with their texts, or with their names for texts; of `{a,b}` in a path one for each choice."""
    for pattern, text in files.items() if isinstance(files, Mapping) else ((name, "") for name in files):
        pieces = [
            piece.split(",") if at % 2 else [piece] for at, piece in enumerate(pattern.replace("}", "{").split("{"))
        ]
        for choice in product(*pieces):
            file = folder / "".join(choice)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else (text or file.name).encode())
    return folder


def read(folder: Path, **rules: str) -> LabelledFiles:
    return read_source(folder, None, LabelRules(**rules), "inside")


def labels_of(found: LabelledFiles) -> dict[str, str]:
    """Return the label of each file, with its part and group behind it where it has them, by the file's path."""
    return {file.path: " ".join(filter(None, (file.label, file.part, file.group))) for file in found.files}


ROWS = "1,a\n2,b\n3,a\n"
PLAIN = {"1.jpg": "a", "2.jpg": "b", "3.jpg": "a"}
IN_TRAIN = {f"train/{name}": f"{label} train" for name, label in PLAIN.items()}
MEANT = {  # the files, the rules, and the labels that are read
    "a table beside the images": ({"{1,2,3}.jpg": "", "labels.csv": f"id,label\n{ROWS}"}, {}, PLAIN),
    "names with endings": ({"{1,2,3}.jpg": "", "x.csv": "filename,class\n1.jpg,a\n2.jpg,b\n3.jpg,a\n"}, {}, PLAIN),
    "columns of any names": ({"{1,2,3}.jpg": "", "x.csv": "Foto,Sorte\n1.jpg,a\n2.jpg,b\n3.jpg,a\n"}, {}, PLAIN),
    "semicolons": ({"{1,2,3}.jpg": "", "x.csv": "id;label\n1;a\n2;b\n3;a\n"}, {}, PLAIN),
    "tabs": ({"{1,2,3}.jpg": "", "x.tsv": "image_id\tlabel\n1\ta\n2\tb\n3\ta\n"}, {}, PLAIN),
    "no heading": ({"{1,2,3}.jpg": "", "x.csv": ROWS}, {}, PLAIN),
    "a byte order mark": ({"{1,2,3}.jpg": "", "x.csv": f"\ufeffid,label\r\n{ROWS}"}, {}, PLAIN),
    "endings and case": ({"{1,2,3}.JPG": "", "x.csv": "id,label\n1.jpg,a\n2.jpg,b\n3.jpg,a\n"}, {},
        {f"{n}.JPG": label for n, label in zip("123", "aba", strict=True)}),
    "labels that are missing": (
        {"{1,2,3,4}.jpg": "", "x.csv": f"id,label\n{ROWS}4,NaN\n"}, {}, PLAIN,
    ),
    "other columns": (
        {"{1,2,3}.jpg": "", "x.csv": "id,width,label\n1,9,a\n2,9,b\n3,8,a\n"}, {}, PLAIN,
    ),
    "lines of JSON": (
        {"{1,2,3}.jpg": "", "x.jsonl": "\n".join(json.dumps({"file_name": f"{n}.jpg",
        "label": c}) for n, c in zip((1, 2, 3), "aba", strict=True))},
        {}, PLAIN,
    ),
    "a list": ({"{1,2,3}.jpg": "", "all.txt": "1.jpg a\n2.jpg b\n3.jpg a\n"}, {}, PLAIN),
    "lists of parts": (
        {"images/{1,2,3}.jpg": "", "train.txt": "images/1.jpg 0\nimages/2.jpg 1\n", "test.txt": "images/3.jpg 0\n"}, {},
        {"images/1.jpg": "0 train", "images/2.jpg": "1 train", "images/3.jpg": "0 test"},
    ),
    "a competition": (
        {"train/{1,2,3}.jpg": "", "test/{7,8}.jpg": "", "train.csv": f"id,label\n{ROWS}",
        "sample_submission.csv": "id,label\n7,a\n8,a\n"},
        {}, IN_TRAIN,
    ),
    "a competition of images": (
        {"train_images/{1,2,3}.jpg": "", "test_images/{7,8}.jpg": "", "train.csv": f"image_id,label\n{ROWS}"}, {},
        {f"train_images/{name}": f"{label} train" for name, label in PLAIN.items()},
    ),
    "the same names in train and test": (
        {"{train,test}/{1,2,3}.jpg": "", "train.csv": f"id,label\n{ROWS}", "test.csv": "id,label\n1,b\n2,b\n3,b\n"}, {},
        {**IN_TRAIN, **{f"test/{name}": "b test" for name in PLAIN}},
    ),
    "metadata of each part": (
        {"{train,test}/{1,2,3}.jpg": "",
        "{train,test}/metadata.csv": "file_name,label\n1.jpg,a\n2.jpg,b\n3.jpg,a\n"}, {},
        {**IN_TRAIN, **{f"test/{name}": f"{label} test" for name, label in PLAIN.items()}},
    ),
    "parts and groups in columns": (
        {"{1,2,3}.jpg": "", "x.csv": "image,label,split,patient_id\n1,a,Training,p\n2,b,test,q\n3,a,val,p\n"}, {},
        {"1.jpg": "a train p", "2.jpg": "b test q", "3.jpg": "a validation p"},
    ),
    "columns that are given": (
        {"{1,2,3}.jpg": "", "x.csv": "a,b,c,d\n1,x,a,p\n2,y,b,q\n3,x,a,q\n"},
        {"labels": "x.csv", "file_column": "a", "label_column": "c", "group_column": "d"},
        {"1.jpg": "a p", "2.jpg": "b q", "3.jpg": "a q"},
    ),
    "paths of another machine": (
        {"img/{1,2,3}.jpg": "", "x.csv": "path,label\nC:\\d\\img\\1.jpg,a\n/mnt/img/2.jpg,b\n./img/3.jpg,a\n"}, {},
        {f"img/{name}": label for name, label in PLAIN.items()},
    ),
    "numbers stay as written": (
        {"{1,2,3}.jpg": "", "x.csv": "id,label\n1,007\n2,1.0\n3,7\n"}, {}, {"1.jpg": "007", "2.jpg": "1.0",
        "3.jpg": "7"},
    ),
    "a table that agrees with class folders": (
        {"{a,b}/{1,2}.jpg": "", "x.csv": "file,label\na/1.jpg,0\na/2.jpg,0\nb/1.jpg,1\nb/2.jpg,1\n"}, {},
        {"a/1.jpg": "a", "a/2.jpg": "a", "b/1.jpg": "b", "b/2.jpg": "b"},
    ),
    "a table before class folders, by choice": (
        {"{a,b}/{1,2}.jpg": "", "x.csv": "file,label\na/1.jpg,0\na/2.jpg,1\nb/1.jpg,1\nb/2.jpg,1\n"},
        {"labels": "x.csv"},
        {"a/1.jpg": "0", "a/2.jpg": "1", "b/1.jpg": "1", "b/2.jpg": "1"},
    ),
    "names up to their numbers": (
        {"{cat.1,cat.2,big_dog_1,big_dog (2),fox12}.jpg": ""}, {"labels": "names"},
        {"cat.1.jpg": "cat", "cat.2.jpg": "cat", "big_dog_1.jpg": "big_dog", "big_dog (2).jpg": "big_dog",
        "fox12.jpg": "fox"},
    ),
    "a pattern": (
        {"{train,test}/{p1-a,p2-b}.jpg": ""}, {"pattern": r"(?P<group>p\d)-(?P<label>\w)"},
        {"train/p1-a.jpg": "a train p1", "train/p2-b.jpg": "b train p2", "test/p1-a.jpg": "a test p1",
        "test/p2-b.jpg": "b test p2"},
    ),
    "leaves": (
        {"animals/{dogs/husky,dogs/boxer,cats/siamese}/1.jpg": ""}, {"labels": "leaves"},
        {"animals/dogs/husky/1.jpg": "husky", "animals/dogs/boxer/1.jpg": "boxer",
        "animals/cats/siamese/1.jpg": "siamese"},
    ),
    "leaves in parts": (
        {"{train,test}/{x/a,y/b}/1.jpg": ""}, {"labels": "leaves"},
        {f"{part}/{leaf}/1.jpg": f"{leaf[-1]} {part}" for part in ("train", "test") for leaf in ("x/a", "y/b")},
    ),
    "images beside lists": (
        {"images/{a,b}/1.jpg": "", "meta/train.txt": "a/1\nb/1\n"}, {},
        {"images/a/1.jpg": "a train", "images/b/1.jpg": "b train"},
    ),
    "lists of parts beside class folders": (
        {"{a,b}/{1,2,3}.jpg": "", "train.txt": "a/1.jpg\nb/1.jpg\n", "test.txt": "a/2\nb/2\n"}, {},
        {f"{label}/{n}.jpg": f"{label} {part}".strip() for label in "ab"
         for n, part in ((1, "train"), (2, "test"), (3, ""))},
    ),
    "lists of parts that overlap": (
        {"{a,b}/{1,2}.jpg": "", "train.txt": "a/1.jpg\nb/1.jpg\nb/2.jpg\n", "val.txt": "a/2.jpg\nb/2.jpg\n"}, {},
        {"a/1.jpg": "a train", "a/2.jpg": "a", "b/1.jpg": "b train", "b/2.jpg": "b train"},
    ),
    "lists of other files": ({"{a,b}/{1,2}.jpg": "", "train.txt": "read me first\n"}, {},
        {f"{label}/{n}.jpg": label for label in "ab" for n in (1, 2)}),
    "names beside trimaps": (
        {"images/{a_1,b_1}.jpg": "", "annotations/trimaps/{a_1,b_1}.png": ""}, {"labels": "names"},
        {"images/a_1.jpg": "a", "images/b_1.jpg": "b"},
    ),
    "letters": ({"{a,A}/1.jpg": ""}, {}, {"a/1.jpg": "a", "A/1.jpg": "A"}),
    "some classes": ({"{a,b,c}/1.jpg": ""}, {"classes": "a, c"}, {"a/1.jpg": "a", "c/1.jpg": "c"}),
    "all classes but some": ({"{a,b,c}/1.jpg": ""}, {"without_classes": "b"}, {"a/1.jpg": "a", "c/1.jpg": "c"}),
    "a folder that is no class": (
        {"{a,b}/1.jpg": "", "train/1.jpg": ""}, {"without_classes": "train"}, {"a/1.jpg": "a", "b/1.jpg": "b"},
    ),
    "some classes of a table": (
        {"{1,2,3}.jpg": "", "x.csv": "id,label\n1,a\n2,b\n3,c\n"}, {"classes": "a, b"}, {"1.jpg": "a", "2.jpg": "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANT)
def test_labels_are_read_as_meant(case, tmp_path):
    files, rules, expected = MEANT[case]
    assert labels_of(read(write_files(tmp_path / "source", files), **rules)) == expected


ONE_HOT = "id,a,b\n1,1,0\n2,0,1\n3,1,1\n"
Refused = tuple[Mapping[str, str | bytes], Mapping[str, str], str]  # the files, the rules, and what the message says
REFUSED: dict[str, Refused] = {
    "no labels at all": ({"{1,2,3}.jpg": ""}, {}, "say what labels the images"),
    "one class": ({"{1,2}.jpg": "", "x.csv": "id,label\n1,a\n2,a\n"}, {}, "two or more classes expected; received a"),
    "several rows an image": ({"{1,2}.jpg": "", "x.csv": "id,label\n1,a\n1,b\n2,b\n"}, {}, "several labels an image"),
    "labels with bars": ({"{1,2,3}.jpg": "", "x.csv": "id,label\n1,a|b\n2,b\n3,a\n"}, {},
        r"several labels an image, such as 'a\|b'"),
    "labels with blanks": ({"{1,2,3}.jpg": "", "x.csv": "id,label\n1,a b\n2,b\n3,a\n"}, {}, "several labels an image"),
    "lists of labels": (
        {"{1,2}.jpg": "", "x.jsonl": '{"image": "1.jpg", "label": ["a", "b"]}\n{"image": "2.jpg", "label": ["b"]}'},
        {}, "several labels an image",
    ),
    "a column a class": ({"{1,2,3}.jpg": "", "x.csv": ONE_HOT}, {},
        "a column of 0 and 1 for each class, a, b"),
    "boxes of COCO": ({"{1,2}.jpg": "", "i.json": '{"images": [], "annotations": []}'}, {},
        r"source/i.json has boxes .*COCO"),
    "boxes of YOLO": ({"images/{1,2}.jpg": "", "labels/{1,2}.txt": "0 .1 .2 .3 .4\n"}, {}, "labels/1.txt has boxes"),
    "TensorFlow Datasets": ({"x-train.tfrecord-00000-of-00001": "", "features.json": "{}"}, {}, "TensorFlow Datasets"),
    "two tables that disagree": (
        {"{1,2}.jpg": "", "x.csv": "id,label\n1,a\n2,b\n", "y.csv": "id,label\n1,b\n2,b\n"}, {}, "1 is a and b",
    ),
    "a name of two files": (
        {"{x,y}/1.jpg": "", "x/2.jpg": "", "t.csv": "id,label\n1,a\n2,b\n"}, {"labels": "t.csv"},
        "'1' may be x/1.jpg or y/1.jpg",
    ),
    "folders and a table that disagree": (
        {"{a,b}/{1,2}.jpg": "", "x.csv": "file,label\na/1.jpg,0\na/2.jpg,1\nb/1.jpg,1\nb/2.jpg,1\n"}, {},
        "choose `labels: folders` or `labels: x.csv`",
    ),
    "a label with a slash": ({"{1,2}.jpg": "", "x.csv": "id,label\n1,a/b\n2,c\n"}, {},
        "'a/b' cannot be the name of a folder"),
    "columns that may be labels": (
        {"{1,2}.jpg": "", "x.csv": "id,u,v\n1,a,c\n2,b,c\n"}, {}, "which column has the labels, of u, v"),
    "boxes of VOC": ({"i/{1,2}.jpg": "", "a/1.xml": "<annotation>"}, {}, "a/1.xml has boxes"),
    "a table that is no UTF-8": ({"{1,2}.jpg": "", "x.csv": b"id,label\n1,\xe9\n"}, {}, "save it as UTF-8"),
    "a column that is not there": (
        {"{1,2}.jpg": "", "x.csv": "id,label\n1,a\n2,b\n"}, {"labels": "x.csv", "label_column": "lable"},
        "did you mean 'label'",
    ),
    "two columns that may be labels": (
        {"{1,2}.jpg": "", "x.csv": "id,u,v\n1,a,c\n2,b,c\n"}, {"labels": "x.csv"},
        "which column has the labels, of u, v",
    ),
    "a table that is not there": ({"{1,2}.jpg": ""}, {"labels": "x.csv"}, "'x.csv' is no table in source"),
    "a table of other images": ({"{1,2}.jpg": "", "x.csv": "id,label\n8,a\n9,b\n"}, {"labels": "x.csv"},
        "of the 2 images that its column 'id' names"),
    "a part that is none": (
        {"{1,2}.jpg": "", "x.csv": "id,label,fold\n1,a,x\n2,b,y\n"}, {"labels": "x.csv", "part_column": "fold"},
        "'x' is no part",
    ),
    "a class that is not there": ({"{a,b}/1.jpg": ""}, {"classes": "a, d"}, "no class 'd'"),
    "two leaves of one name": ({"{x,y}/{a,b}/1.jpg": ""}, {"labels": "leaves"}, "two folders of the name a"),
    "images beside leaves": ({"x/1.jpg": "", "x/{a,b}/1.jpg": ""}, {"labels": "leaves"}, "beside folders with images"),
    "masks beside images": ({"{a,b}/{1,2}{,_mask}.png": ""}, {},
        "4 files seem to be masks of others, such as a/1_mask.png"),
    "two spellings": ({"{1,2,3}.jpg": "", "x.csv": "id,label\n1,Cat\n2,cat\n3,dog\n"}, {}, "'Cat' and 'cat' one class"),
    "widths": ({"{1,2,3,4}.jpg": "", "x.csv": "file,width\n1,9\n2,9\n3,8\n4,8\n"}, {},
        "which column has the labels, of width"),
    "captions": ({"{1,2}.jpg": "", "x.csv": "file,notes\n1,a cat\n2,a dog\n"}, {},
        "which column has the labels, of notes"),
    "numbers of something else": ({"{1,2,3}.jpg": "", "x.csv": "day,amount\n1,2\n2,3\n3,3\n"}, {},
        "say what labels the images"),
    "one image in two parts": (
        {"{1,2,3}.jpg": "", "train.csv": f"id,label\n{ROWS}", "test.csv": "id,label\n3,a\n"}, {},
        "3.jpg is of two parts",
    ),
    "tags": ({"{1,2,3}.jpg": "", "x.csv": "image,tags\n1,haze water\n2,haze\n3,haze\n"}, {}, "several labels an image"),
    "written lists": ({"{1,2,3}.jpg": "", "x.csv": 'image,label\n1,"[a, b]"\n2,[a]\n3,[a]\n'}, {},
        "several labels an image"),
    "images that are missing": (
        {"{1,2,3}.jpg": "", "x.csv": "id,label\n" + "".join(f"{n},a\n" for n in range(3, 30))}, {},
        "names, such as '3', 1 are there",
    ),
    "uneven rows": ({"{1,2}.jpg": "", "x.csv": "id,label\n1,a,3\n2,b\n"}, {"labels": "x.csv"},
        "row 2 has 3 columns, the first 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_mean_two_things_is_refused(case, tmp_path):
    files, rules, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        read(write_files(tmp_path / "source", files), **rules)


def test_a_parquet_table_is_read_with_its_whole_numbers(tmp_path):
    source = write_files(tmp_path / "source", ["{1,2,3}.jpg"])
    pd.DataFrame({"image_id": [1, 2, 3], "label": [5, 6, None]}).astype({"label": "Int64"}).to_parquet(
        source / "x.parquet"
    )
    found = read(source)
    assert labels_of(found) == {"1.jpg": "5", "2.jpg": "6"}
    assert found.left_out == ["images without a label in x.parquet: 1: 3.jpg"]


def test_what_a_table_leaves_out_is_said(tmp_path, capsys):
    source = write_images(tmp_path / "train", 4, classes=("x", "y")).rename(tmp_path / "source")
    for number, image in enumerate(sorted(source.glob("*/*.png"))):
        (source / "train").mkdir(exist_ok=True)
        image.rename(source / "train" / f"{number}.png")
    write_files(source, {"test/{a,b}.png": "", "README.md": ""})
    rows = [f"{number},{label}\n" for number, label in enumerate("xxxxyyyyy")]
    (source / "train.csv").write_text("".join(["id,label\n", *rows]))
    (source / "x").rmdir()
    (source / "y").rmdir()
    images = fetch(source, tmp_path / "images")
    assert images.table("images.csv")["file"].tolist()[:2] == ["x/train/0.png", "x/train/1.png"]
    assert capsys.readouterr().out.splitlines() == [
        "fetch: 8 images of 2 classes, of 4 each",
        "fetch: labels: column 'label' of train.csv, files by 'id'",
        "fetch: classes: x 4, y 4",
        "fetch: parts: train 8",
        "fetch: groups: none",
        "fetch: left out: test, with 2 files: in no row of train.csv: a.png, b.png",
        "fetch: left out: no images by their names: 1: README.md",
        "fetch: left out: no readable images, listed in quarantine.csv: 1: 8 (in train.csv, but not there)",
    ]


def test_parts_and_groups_of_a_table_are_part_of_the_content(tmp_path):
    source = write_images(tmp_path / "source", 2, classes=("a", "b"))
    digests = set()
    for part, group in (("train", "p"), ("test", "p"), ("train", "q")):
        rows = [f"{file.relative_to(source)},{file.parent.name},{part},{group}\n" for file in source.glob("*/*.png")]
        (source / "t.csv").write_text("file,label,split,group\n" + "".join(sorted(rows)))
        images = fetch(source, tmp_path / f"images-{part}-{group}", labels="t.csv")
        assert {*images.table("images.csv")["part"]} == {part} and {*images.table("images.csv")["group"]} == {group}
        digests.add(images.digest)
    assert len(digests) == 3


@pytest.mark.parametrize("names", [["a"], ["a, b", "c"], ['say "x"', "0"], []])
def test_names_of_classes_are_listed_in_one_text(names):
    assert split_names(join_names(names)) == names
