"""Names of parts in the words that people use, and names that only sound like them."""

import pytest

from components.data.part_names import part_of, split_part_name

SAID = {
    "train": "train Training TRAIN train_set trainingSet train_mini seg_train x_train X_train xTrain train2017 train1",
    "validation": "val valid Validation dev eval validation_data val2017 seg-val images.val",
    "test": "test Testing test_images seg_test testset TestImages holdout hold-out test(1) Test–Set 02_test publicTest",
    "unlabelled": "seg_pred unlabeled prediction_images",
    "": "cat trains contest retrain invalid testimony device x data set trainA horse_test test_strip 训练",
}


@pytest.mark.parametrize(("name", "part"), [(name, part) for part, names in SAID.items() for name in names.split()])
def test_the_part_that_a_name_says(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("name", "part"), [("Training Set", "train"), (" Test ", "test"), ("ＴＥＳＴ", "test"), ("", "")]
)
def test_blanks_and_wide_letters_do_not_count(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trainA", ("train", "a")), ("horse_test", ("test", "horse")), ("Äpfel-val", ("validation", "äpfel")),
        ("ILSVRC2012_img_train", ("train", "ilsvrc 2012 img")), ("horse", ("", "")), ("train_test", ("", "")),
    ],
)  # fmt: skip
def test_the_words_around_a_part(name, said):
    assert split_part_name(name) == said


def test_a_long_name_takes_no_time():
    """A pattern that could match in many ways would take ages."""
    assert part_of("dataset" * 36) == ""
    assert part_of("dataset" * 30 + "test" + "images" * 5) == "test"
