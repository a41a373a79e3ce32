"""What validation promises to a model that holds back, by cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from components.scores import selective
from components.scores.abstention import find_promise, margins
from components.scores.selective import Candidates, answer_crosswise, promise_table
from components.system.errors import UserError


def table_of(margin: np.ndarray, wrong: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Return the table of promises of one candidate."""
    outcomes = np.stack([np.zeros(len(margin)), margin, wrong])[None]
    return promise_table(answer_crosswise(Candidates(outcomes), groups))


def test_margins_are_log_ratios_of_the_two_likeliest_and_a_temperature_keeps_their_order():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.4, 0.4], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(margins(probabilities), [np.log(8), 0, 30])
    np.testing.assert_array_equal(margins(np.ones((2, 1))), [30, 30])
    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 3, 50), random.normal(size=(50, 3))
    orders = [selective.find_outcome(labels, logits, temperature)[1].argsort() for temperature in (0.5, 1, 2)]
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_the_lowest_margin_is_found_above_which_the_share_is_promised():
    table = table_of(np.arange(200.0) / 10, np.arange(200) < 80)  # the 120 of the highest margins are right
    promise = find_promise(table, 0.95)
    assert promise.mistakes == 1  # 2 of 122 would bring the limit below 0.95
    assert (promise.margin, promise.trials, promise.answered) == (pytest.approx(7.9, abs=1e-3), 121, 0.605)
    assert find_promise(table, 0.9).answered > promise.answered
    assert "wrong are 1.0 of 121.0" in promise.sentence and "leaves about 40% to a person" in promise.sentence


@pytest.mark.parametrize(
    ("images", "at_least", "message"),
    [
        (58, 0.95, r"that 0.95 of the answers are right: at most 0.94 .*58 images or groups \(0.95 takes 59 answers"),
        (2, 0.95, r"at most 0.22 can be promised"),
        (200, 1.0, "lies between 0 and 1"),
        (200, 0.0, "lies between 0 and 1"),
    ],
)
def test_what_validation_cannot_show_is_not_promised(images, at_least, message):
    with pytest.raises(UserError, match=message):
        find_promise(table_of(np.arange(1.0, images + 1), np.zeros(images)), at_least)


def test_a_model_without_candidates_promises_nothing():
    empty = promise_table(answer_crosswise(selective.NO_CANDIDATES, None))
    assert empty.columns.tolist() == ["margin", "trials", "mistakes", "right"]
    for table in (empty, None):
        with pytest.raises(UserError, match="validation promises nothing of this model"):
            find_promise(table, 0.9)


def test_images_of_one_margin_are_answered_together():
    table = table_of(np.repeat([3.0, 1.0], 50), np.r_[np.zeros(50), np.ones(1), np.zeros(49)])
    assert table["trials"].tolist() == [50, 100] and table["mistakes"].tolist() == [0, 1]


def test_a_group_counts_as_one_image_and_an_image_by_itself_as_another():
    groups = np.array(["a"] * 4 + ["b"] * 2 + [""] * 2)
    table = table_of(np.arange(8.0, 0, -1), np.array([0, 0, 0, 1, 0, 1, 0, 0]), groups)
    assert table["trials"].tolist() == [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4]
    assert table["mistakes"].tolist() == [0, 0, 0, 0.25, 0.25, 0.75, 0.75, 0.75]


@pytest.mark.parametrize("by_accuracy", [True, False])
def test_mistakes_are_counted_where_they_did_not_choose(by_accuracy):
    """Each of 40 candidates is wrong on half of the images by chance; the best is not, on those that chose it."""
    random = np.random.default_rng(0)
    wrong = random.random((40, 100)) < 0.5
    candidates = Candidates(np.stack([wrong * 1.0, np.ones_like(wrong) * 1.0, wrong], axis=1), by_accuracy)
    answers = answer_crosswise(candidates, None)
    chosen = wrong[candidates.best(np.arange(100))].mean()
    assert chosen <= 0.4 < np.average(answers["wrong"], weights=answers["weight"])
    assert answers["weight"].sum() == pytest.approx(100) and len(answers) == 1000


def test_a_group_does_not_choose_what_answers_it():
    """Two candidates, each right where the other is wrong: a group's own would always be right."""
    wrong = np.repeat(np.eye(2), 5, axis=1)
    candidates = Candidates(np.stack([wrong, wrong, wrong], axis=1))
    answers = answer_crosswise(candidates, np.repeat(["a", "b"], 5))
    assert (answers["wrong"] == 1).all()
    assert answer_crosswise(candidates, np.repeat(["a"], 10)).empty


def test_a_long_validation_has_a_table_of_at_most_200_rows_with_the_last():
    table = table_of(np.random.default_rng(0).random(5000), np.zeros(5000))
    assert 190 <= len(table) <= 201 and table["trials"].iloc[-1] == 5000
    assert table["margin"].is_monotonic_decreasing
