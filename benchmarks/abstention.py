"""Abstention: how often fewer answers are right than promised; one validation chose epoch, temperature, threshold.

The plain way takes the lowest threshold above which the share of right answers on validation is the one asked for. In
each world all epochs are equally good on other images, so that validation chooses by chance: the worst case.
"""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks import plain
from benchmarks.measuring import Aim, Bench, Line
from components.scores import selective
from components.scores.abstention import find_promise
from components.scores.proportions import exact_interval
from components.scores.temperature import fit_temperature
from components.system.errors import UserError

SEED = 20_261_128
EPOCHS, CLASSES, POPULATION = 20, 4, 20_000
MOST = 5  # per cent of repeats in which a promise may be broken

World = Callable[[np.random.Generator, int], np.ndarray]


def half_easy(random: np.random.Generator, images: int) -> np.ndarray:
    """Return how far the logit of each image's true class is raised, (images,): much in half of them, else little."""
    return np.where(random.random(images) < 0.5, 6.0, 1.2)


def graded(random: np.random.Generator, images: int) -> np.ndarray:
    """Return how far the logit of each image's true class is raised, (images,): from not at all to very much."""
    return random.gamma(1.5, 2.4, images)


def all_alike(random: np.random.Generator, images: int) -> np.ndarray:
    """Return how far the logit of each image's true class is raised, (images,): in all of them as much."""
    return np.full(images, 2.4)


def draw_logits(
    random: np.random.Generator, world: World, images: int, epochs: int, alike: float, group_size: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, (images,), and the logits of each epoch, float32 (epochs, images, CLASSES).

    Args:
        random: What is drawn from.
        world: How hard images are.
        images: How many.
        epochs: How many.
        alike: Share of the noise that all epochs have in common, in [0, 1].
        group_size: Images that are equally hard, and whose noise is half the same.
    """
    groups = -(-images // group_size)
    labels = random.integers(0, CLASSES, images)
    raised = np.repeat(world(random, groups), group_size)[:images]
    shared = random.standard_normal((images, CLASSES))
    if group_size > 1:
        of_group = np.repeat(random.standard_normal((groups, CLASSES)), group_size, axis=0)[:images]
        shared = np.sqrt(0.5) * shared + np.sqrt(0.5) * of_group
    logits = np.sqrt(1 - alike) * random.standard_normal((epochs, images, CLASSES), dtype=np.float32)
    logits += np.sqrt(alike) * shared
    logits[:, np.arange(images), labels] += raised
    return labels, 2 * logits.astype(np.float32)


def repeat(
    random: np.random.Generator, world: World, images: int, at_least: float, alike: float, group_size: int
) -> tuple[bool, bool, float, bool, float]:
    """Return, of one training: broken by the plain way, broken, share answered, nothing answered, and the best share.

    The best share is what the best possible threshold answers, which knows all images.
    """
    seen, logits = draw_logits(random, world, images, EPOCHS, alike, group_size)
    groups = np.char.mod("%d", np.arange(images) // group_size)
    temperatures = [fit_temperature(seen, each) for each in logits]
    outcomes = [selective.find_outcome(seen, *pair) for pair in zip(logits, temperatures, strict=True)]
    candidates = selective.Candidates(np.stack(outcomes))
    best = candidates.best(np.arange(images))
    labels, (others,) = draw_logits(random, world, POPULATION, 1, alike, group_size)  # by the chosen epoch
    _, margins, wrong = selective.find_outcome(labels, others, temperatures[best])
    usual = plain.lowest_threshold(candidates.outcomes[best, 1], candidates.outcomes[best, 2], at_least)
    table = selective.promise_table(selective.answer_crosswise(candidates, groups if group_size > 1 else None))
    best_share = float((margins >= plain.lowest_threshold(margins, wrong, at_least)).mean())
    try:
        threshold = find_promise(table, at_least).margin
    except UserError:
        threshold = np.inf
    answered = margins >= threshold
    return (
        is_broken(margins >= usual, wrong, at_least), is_broken(answered, wrong, at_least), float(answered.mean()),
        not answered.any(), best_share,
    )  # fmt: skip


def is_broken(answered: np.ndarray, wrong: np.ndarray, at_least: float) -> bool:
    """Return whether fewer of the answered images are right than promised; of none, no promise is broken."""
    return bool(answered.any() and 1 - wrong[answered].mean() < at_least)


def broken_promises(
    case: str, world: World, images: int, at_least: float, alike: float, repeats: int, group_size: int = 1
) -> Line:
    """Return the line on how often a promise is broken, the plain way and here, with the shares answered."""
    drawn = [
        repeat(np.random.default_rng([SEED, images, number]), world, images, at_least, alike, group_size)
        for number in range(repeats)
    ]
    usual, broken, answered, nothing, best = (100 * float(share) for share in np.mean(drawn, axis=0))
    upper = 100 * exact_interval(broken * repeats / 100, repeats)[1]
    details = {"repeats": repeats, "answered": answered, "nothing": nothing, "best": best, "upper": upper}
    said = f"{broken:.1f} % broken; {answered:.0f} % answered of {best:.0f} %, in {nothing:.0f} % nothing"
    title = f"{at_least:.0%} right, {case}, n = {images:,}"
    return Line("abstention", title, usual, broken, "%", said, broken, Aim(MOST, "%", most=True), details)


def measure(bench: Bench) -> Iterator[Line]:
    """Yield the lines on broken promises: by world, by number of images, by how alike epochs are, and of groups."""
    repeats = bench.pick(400, 20)
    for images, at_least in ((50, 0.85), (200, 0.95), (1000, 0.95)):
        for alike in (0.0, 0.5, 0.9):
            for world in (half_easy, graded, all_alike):
                case = f"{world.__name__.replace('_', ' ')}, epochs {alike:.0%} alike"
                yield broken_promises(case, world, images, at_least, alike, repeats)
    yield broken_promises("half easy, groups of 5 images", half_easy, 1000, 0.95, 0.5, repeats, 5)
