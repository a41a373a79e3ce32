"""Promises of right answers, in simulated worlds: kept where the plain way breaks them, and by answers."""

import pytest

from benchmarks import abstention
from benchmarks.abstention import all_alike, graded, half_easy


@pytest.mark.parametrize(
    ("world", "images", "at_least", "alike", "group_size", "answered"),
    [
        (graded, 50, 0.85, 0.0, 1, 40),
        (half_easy, 200, 0.95, 0.5, 1, 45),
        (all_alike, 200, 0.95, 0.0, 1, 20),
        (half_easy, 300, 0.9, 0.9, 3, 45),
    ],
)
def test_promises_are_kept_and_images_are_answered(world, images, at_least, alike, group_size, answered, monkeypatch):
    monkeypatch.setattr(abstention, "SEED", 11)
    line = abstention.broken_promises("worst", world, images, at_least, alike, 60, group_size)
    assert line.here <= 10  # of 5, and two standard errors of 60 simulations
    assert line.plain > 30
    assert line.details["answered"] > answered
