"""Sets of a stated coverage, by cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from components.scores import conformal
from components.scores.selective import NO_CANDIDATES, Candidates, answer_crosswise
from components.system.errors import UserError


def table_of(losses: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Return the table of coverages of one candidate with these log losses."""
    outcomes = np.stack([losses, np.zeros(len(losses)), np.zeros(len(losses))])
    return conformal.coverage_table(answer_crosswise(Candidates(outcomes[None]), groups))


@pytest.mark.parametrize(("images", "stated", "rank"), [(99, 0.9, 90), (99, 0.95, 95), (100, 0.9, 91), (19, 0.95, 19)])
def test_the_limit_is_the_loss_of_the_rank_of_split_conformal_prediction(images, stated, rank):
    losses = np.random.default_rng(1).permutation(images) + 1.0
    found = conformal.find_coverage(table_of(losses), stated)
    assert found.loss == pytest.approx(rank + conformal.SLACK) and found.units == images
    assert found.sentence.startswith(f"Sets hold the true class of at least {stated:.1%} of images")


def test_exchangeable_losses_are_covered_exactly_as_stated():
    random = np.random.default_rng(2)
    limits = [conformal.find_coverage(table_of(random.random(49)), 0.9).loss for _ in range(2000)]
    assert np.mean(limits) == pytest.approx(0.9, abs=0.003)  # of uniform losses, the limit is the coverage


def test_a_group_counts_as_one_image_however_many_it_has():
    random = np.random.default_rng(3)
    sizes, level = random.integers(1, 30, 40), random.random(40)
    losses, names = np.repeat(level, sizes), np.repeat(np.char.mod("g%d", np.arange(40)), sizes)
    found = conformal.find_coverage(table_of(losses, names), 0.9)
    assert found.units == 40
    assert found.loss == pytest.approx(np.sort(level)[36] + conformal.SLACK, abs=1e-6)  # rank 37 = ceil(0.9 * 41)


def test_too_few_images_leave_no_class_out_and_say_so():
    found = conformal.find_coverage(table_of(np.arange(18.0)), 0.95)
    assert found.sentence.startswith("Every set is all classes: 18 validation images or groups are too few")
    assert conformal.class_sets(np.array([[1.0, 0.0, 0.0]]), found.loss).all()


def test_a_set_has_the_classes_within_the_loss_the_likeliest_first_and_is_never_empty():
    probabilities = np.array([[0.2, 0.7, 0.1], [0.34, 0.33, 0.33], [0.0, 0.0, 1.0]], dtype=np.float32)
    assert conformal.name_sets(probabilities, -np.log(0.15), list("abc")) == [["b", "a"], ["a", "b", "c"], ["c"]]
    assert conformal.name_sets(probabilities, 1e-4, list("abc")) == [["b"], ["a"], ["c"]]


def test_the_choice_among_models_takes_off_what_luck_may_add():
    table = table_of(np.arange(200.0))
    assert (conformal.lower_coverages(table, 1) == table["coverage"]).all()
    random = np.random.default_rng(4)
    for choices in (2, 5, 20):
        lowered = table.assign(coverage=conformal.lower_coverages(table, choices))
        row = lowered[table["coverage"] == 0.9].iloc[0]
        luckiest = random.binomial(200, 0.9, (2000, choices)).max(axis=1).mean() / 200 - 0.9
        assert luckiest <= 0.9 - row["coverage"] <= luckiest + 0.02


@pytest.mark.parametrize("stated", [0, 1, -0.5, 90])
def test_a_coverage_out_of_range_is_refused(stated):
    with pytest.raises(UserError, match=r"lies between 0 and 1, as in 0.90; received"):
        conformal.find_coverage(table_of(np.arange(99.0)), stated)


def test_a_model_without_candidates_or_of_an_earlier_version_states_no_coverage():
    empty = conformal.coverage_table(answer_crosswise(NO_CANDIDATES, None))
    assert empty.columns.tolist() == ["coverage", "loss", "units"]
    for none in (empty, None):
        with pytest.raises(UserError, match="validation states no coverage for this model"):
            conformal.find_coverage(none, 0.9)
