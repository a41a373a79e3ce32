"""Sets of classes: which share holds the true class, of what was stated; one validation chose epoch, temperature, sets.

The plain way is split conformal prediction on the images that chose the epoch. The simulated worlds are those of
`benchmarks.abstention`, whose epochs are all equally good on other images.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

from benchmarks import plain
from benchmarks.abstention import CLASSES, EPOCHS, POPULATION, World, all_alike, draw_logits, graded, half_easy
from benchmarks.measuring import Aim, Bench, Line
from components.scores import conformal, selective
from components.scores.temperature import fit_temperature

SEED = 20_261_129


def repeat(
    random: np.random.Generator, world: World, images: int, stated: float, alike: float, group_size: int, arms: int
) -> tuple[float, float, float, float]:
    """Return, of one choice among arms: coverage the plain way and here, classes a set here, and in the smallest sets.

    The smallest sets are those of a limit that knows all images.
    """
    groups = np.char.mod("%d", np.arange(images) // group_size) if group_size > 1 else None
    seen, drawn = draw_logits(random, world, images, EPOCHS * arms, alike, group_size)
    temperatures = [fit_temperature(seen, each) for each in drawn]
    outcomes = np.stack(
        [selective.find_outcome(seen, *pair) for pair in zip(drawn, temperatures, strict=True)]
    )  # fmt: skip
    best = int(outcomes[:, 0].mean(axis=1).argmin())
    arm = slice(best // EPOCHS * EPOCHS, (best // EPOCHS + 1) * EPOCHS)
    answers = selective.answer_crosswise(selective.Candidates(outcomes[arm]), groups)
    table = conformal.coverage_table(answers)
    table = table.assign(coverage=conformal.lower_coverages(table, arms))
    labels, (others,) = draw_logits(random, world, POPULATION, 1, alike, group_size)  # by the chosen epoch
    probabilities = softmax(others.astype(np.float64) / temperatures[best], axis=1)
    losses = -np.log(probabilities[np.arange(POPULATION), labels])
    limits = (
        plain.conformal_limit(outcomes[best, 0], stated),
        conformal.find_coverage(table, stated).loss,
        float(np.quantile(losses, stated)),
    )
    peer, here, smallest = (conformal.class_sets(probabilities, limit) for limit in limits)
    covers = [float(held[np.arange(POPULATION), labels].mean()) for held in (peer, here)]
    return covers[0], covers[1], float(here.sum(axis=1).mean()), float(smallest.sum(axis=1).mean())


def coverage_line(
    case: str, world: World, images: int, stated: float, alike: float, repeats: int, group_size: int = 1, arms: int = 1
) -> Line:
    """Return the line on the mean coverage over repeats, the plain way and here, with its error and the sets' sizes."""
    drawn = np.array([
        repeat(np.random.default_rng([SEED, images, number]), world, images, stated, alike, group_size, arms)
        for number in range(repeats)
    ])  # fmt: skip
    peer, here, classes, smallest = map(float, drawn.mean(axis=0))
    error = float(drawn[:, 1].std(ddof=1) / np.sqrt(repeats))
    details = {"repeats": repeats, "classes": classes, "smallest": smallest, "error": 100 * error}
    said = (
        f"{100 * here:.1f} % hold it (± {100 * error:.1f}); {classes:.2f} classes of {CLASSES}, at best {smallest:.2f}"
    )
    title, aim = f"{stated:.0%} stated, {case}, n = {images:,}", Aim(100 * stated, "%, within two errors")
    return Line("sets", title, 100 * peer, 100 * here, "%", said, 100 * (here + 2 * error), aim, details)


def measure(bench: Bench) -> Iterator[Line]:
    """Yield the lines on coverage: by number of images, world, how alike epochs are; of groups, arms, few images."""
    repeats = bench.pick(200, 20)
    for images in (50, 200, 1000):
        for alike in (0.0, 0.5, 0.9):
            for world in (half_easy, graded, all_alike):
                case = f"{world.__name__.replace('_', ' ')}, epochs {alike:.0%} alike"
                yield coverage_line(case, world, images, 0.9, alike, repeats)
    yield coverage_line("half easy, groups of 5 images", half_easy, 1000, 0.9, 0.5, repeats, 5)
    yield coverage_line("half easy, the best of 4 arms", half_easy, 200, 0.9, 0.0, repeats, arms=4)
    yield coverage_line("half easy, too few images", half_easy, 10, 0.95, 0.5, repeats)
