"""Coverage of sets of classes, in simulated worlds: what is stated, where the plain way has less."""

import numpy as np
import pytest

from benchmarks import sets
from benchmarks.abstention import all_alike, graded, half_easy


@pytest.mark.parametrize(
    ("world", "images", "stated", "alike", "group_size", "arms", "plain_errors"),
    [
        (all_alike, 50, 0.9, 0.0, 1, 1, 2),
        (graded, 50, 0.8, 0.5, 1, 1, 0),
        (half_easy, 200, 0.9, 0.0, 1, 1, 0),
        (half_easy, 1000, 0.95, 0.9, 1, 1, 0),
        (half_easy, 300, 0.9, 0.9, 3, 1, 0),
        (half_easy, 200, 0.9, 0.0, 1, 4, 0),
    ],
)
def test_sets_have_the_coverage_that_is_stated(
    world, images, stated, alike, group_size, arms, plain_errors, monkeypatch
):
    monkeypatch.setattr(sets, "SEED", 12)
    line = sets.coverage_line("case", world, images, stated, alike, 60, group_size, arms)
    assert line.here >= 100 * stated - 2 * line.details["error"]
    assert line.here <= 100 * stated + 5 and line.details["classes"] < line.details["smallest"] + 0.5
    if plain_errors:  # where the choice of the epoch shows
        assert line.plain < line.here - plain_errors * line.details["error"]


def test_of_too_few_images_every_set_is_all_classes():
    line = sets.coverage_line("few", half_easy, 10, 0.95, 0.5, 3)
    assert line.here == 100 and line.details["classes"] == 4 and np.isfinite(line.details["smallest"])
