"""Views: known geometry to the pixel, drawn within their limits, from seed, file and number alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from components.data import augmentation, images, randaugment
from components.data.artifacts import Augmented
from components.data.augmentation import ViewLimits, ViewTransform
from components.machinery.running import run_step
from tests.conftest import write_images

SIZE = 8
IMAGE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
STILL = ViewLimits(rotation=0.0, shear=0.0, zoom=0.0, shift=0.0, flip="none", brightness=0.0)
NAMES = st.text(min_size=1, max_size=20)
quick = settings(max_examples=50, suppress_health_check=list(HealthCheck))


def view(linear: list[list[float]], right: float = 0, down: float = 0, gain: float = 1) -> np.ndarray:
    """Return the one view of the image that a map, with shifts in pixels, makes."""
    matrix = np.column_stack([np.array(linear, float), np.array([right, down]) / SIZE])
    return augmentation.apply_transforms(IMAGE, [ViewTransform(matrix, gain)])[1]


AS_IT_IS = [[1.0, 0.0], [0.0, 1.0]]


def rotation_matrix(degrees: float) -> list[list[float]]:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return [[cosine, -sine], [sine, cosine]]


@pytest.mark.parametrize(
    ("linear", "expected"),
    [
        (AS_IT_IS, IMAGE),
        ([[-1.0, 0.0], [0.0, 1.0]], IMAGE[:, ::-1]),
        ([[1.0, 0.0], [0.0, -1.0]], IMAGE[::-1]),
        (rotation_matrix(90), np.rot90(IMAGE)),
        (rotation_matrix(180), np.rot90(IMAGE, 2)),
        (rotation_matrix(-90), np.rot90(IMAGE, -1)),
        ([[0.0, 1.0], [1.0, 0.0]], IMAGE.swapaxes(0, 1)),
    ],
    ids=["as it is", "mirrored", "upside down", "a quarter left", "a half", "a quarter right", "transposed"],
)
def test_maps_of_the_grid_onto_itself_move_whole_pixels(linear, expected):
    np.testing.assert_array_equal(view(linear), expected)


@quick
@given(st.integers(-SIZE, SIZE), st.integers(-SIZE, SIZE))
def test_a_shift_moves_pixels_and_repeats_the_edge(right, down):
    rows, columns = (np.clip(np.arange(SIZE) + by, 0, SIZE - 1) for by in (down, right))
    np.testing.assert_array_equal(view(AS_IT_IS, right, down), IMAGE[np.ix_(rows, columns)])


def test_half_a_pixel_is_the_mean_of_two():
    expected = (IMAGE[:, :-1].astype(float) + IMAGE[:, 1:]) / 2
    np.testing.assert_allclose(view(AS_IT_IS, right=0.5)[:, :-1], expected, atol=1)


def test_zoom_keeps_the_centre_and_shows_less():
    """At half the scale, an image of four quarters shows the middle of each."""
    quarters = np.kron(np.array([[10, 20], [30, 40]], np.uint8), np.ones((4, 4), np.uint8))[..., None].repeat(3, axis=2)
    zoomed = augmentation.apply_transforms(quarters, [ViewTransform(np.array([[0.5, 0, 0], [0, 0.5, 0]]), 1.0)])[1]
    np.testing.assert_array_equal(zoomed[[0, 0, -1, -1], [0, -1, 0, -1], 0], [10, 20, 30, 40])


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.1, 3.0])
def test_brightness_is_a_factor_within_the_range_of_bytes(gain):
    np.testing.assert_array_equal(view(AS_IT_IS, gain=gain), (IMAGE * np.float32(gain)).round().clip(0, 255))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_plain_image_comes_first(count):
    transforms = [augmentation.draw_transform(replace(STILL, rotation=30.0), 1, "a", number) for number in range(count)]
    views = augmentation.apply_transforms(IMAGE, transforms)
    assert views.dtype == np.uint8 and views.shape == (1 + count, *IMAGE.shape)
    np.testing.assert_array_equal(views[0], IMAGE)


fractions = st.floats(0, 0.4)
limits = st.builds(
    ViewLimits, st.floats(0, 90), fractions, fractions, fractions, st.sampled_from(["horizontal", "none"]), fractions
)


@quick
@given(limits, st.integers(0, 2**63), NAMES, st.integers(0, 99))
def test_a_transform_stays_within_its_limits(limits, seed, file, number):
    transform = augmentation.draw_transform(limits, seed, file, number)
    linear, shift = transform.matrix[:, :2], transform.matrix[:, 2]
    mirror, zoom = np.sign(np.linalg.det(linear)), np.hypot(*linear[:, 0])
    angle = np.arctan2(*(mirror * linear[::-1, 0]))
    shear = (np.array(rotation_matrix(np.rad2deg(-angle))) @ linear / zoom)[0, 1]
    slack = 1e-9
    assert np.isclose(abs(np.linalg.det(linear)), zoom**2)
    assert abs(np.rad2deg(angle)) <= limits.rotation + slack
    assert abs(zoom - 1) <= limits.zoom + slack
    assert abs(shear) <= limits.shear + slack
    assert abs(shift).max() <= limits.shift + slack
    assert abs(transform.gain - 1) <= limits.brightness + slack
    assert mirror == 1 or limits.flip == "horizontal"


@pytest.mark.parametrize(
    ("limits", "measure"),
    [
        (replace(STILL, rotation=20.0), lambda transform: np.rad2deg(np.arcsin(transform.matrix[1, 0])) / 20),
        (replace(STILL, shear=0.3), lambda transform: transform.matrix[0, 1] / 0.3),
        (replace(STILL, zoom=0.2), lambda transform: (transform.matrix[0, 0] - 1) / 0.2),
        (replace(STILL, shift=0.1), lambda transform: transform.matrix[0, 2] / 0.1),
        (replace(STILL, shift=0.1), lambda transform: transform.matrix[1, 2] / 0.1),
        (replace(STILL, brightness=0.5), lambda transform: (transform.gain - 1) / 0.5),
    ],
    ids=["rotation", "shear", "zoom", "shift right", "shift down", "brightness"],
)
def test_transforms_fill_their_limits_evenly(limits, measure):
    measures = np.array([measure(augmentation.draw_transform(limits, 1, "a", number)) for number in range(1000)])
    shares, _ = np.histogram(measures, bins=4, range=(-1, 1))
    assert shares.sum() == 1000
    np.testing.assert_allclose(shares, 250, atol=60)


def test_half_of_the_views_are_mirrored():
    transforms = [
        augmentation.draw_transform(replace(STILL, flip="horizontal"), 1, "a", number) for number in range(1000)
    ]
    views = augmentation.apply_transforms(IMAGE, transforms)[1:]
    mirrored = (views == IMAGE[:, ::-1]).all(axis=(1, 2, 3))
    assert ((views == IMAGE).all(axis=(1, 2, 3)) != mirrored).all()
    assert 440 < mirrored.sum() < 560


share = st.floats(0, 1)
widest = st.builds(ViewLimits, st.floats(0, 180), share, st.floats(0, 0.99), share, st.just("horizontal"), st.just(0.0))


@quick
@given(widest, st.integers(0, 99))
def test_no_view_has_a_black_corner(limits, seed):
    white = np.full((SIZE, SIZE, 3), 200, np.uint8)
    assert (augmentation.apply_transforms(white, [augmentation.draw_transform(limits, seed, "a", 0)]) == 200).all()


@pytest.mark.parametrize("matrix", [[[3, 1, 1], [1, 3, -1]], [[-2, -2, 0], [0, 2, 1.5]], [[1, 0, 3], [0, 1, 0]]])
def test_a_view_that_reaches_far_beyond_the_image_has_none_either(matrix):
    white = np.full((SIZE, SIZE, 3), 200, np.uint8)
    assert (augmentation.apply_transforms(white, [ViewTransform(np.array(matrix, float), 1.0)]) == 200).all()


PLAIN = {
    "image_size": 10, "resize": "squash", "views": 3, "rotation": 0.0, "shear": 0.0, "zoom": 0.0, "shift": 0.0,
    "flip": "none", "brightness": 0.0, "randaugment": 0, "magnitude": 0.0, "seed": 1,
}  # fmt: skip
MOVING = {**PLAIN, "rotation": 10.0, "shear": 0.1, "zoom": 0.1, "shift": 0.1, "flip": "horizontal", "brightness": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_images(tmp_path_factory.mktemp("augmentation") / "edges", 2)


@pytest.fixture(scope="module")
def fetched(folder) -> Path:
    run_step(
        "fetch",
        {"images": folder.parent / "images"},
        {"data_set": "edges", "source": str(folder), "max_quarantined": 0},
    )
    return folder.parent / "images"


def augment(fetched: Path, target: Path, **parameters: Any) -> dict[str, np.ndarray]:
    """Run the step; return the views of each file."""
    run_step("augment", {"images": fetched, "augmented": target}, {**MOVING, **parameters})
    augmented = Augmented.read(target)
    views = augmentation.draw_views(augmented)
    return dict(zip(views.files, views[np.arange(len(views.files))], strict=True))


def test_without_limits_every_view_is_the_image(fetched, tmp_path):
    for file, views in augment(fetched, tmp_path / "augmented", **PLAIN).items():
        np.testing.assert_array_equal(views, np.stack([images.read_pixels(fetched / "images" / file, 10)] * 4))


def test_the_same_seed_makes_the_same_views_and_another_others(fetched, tmp_path):
    once, again, other = (augment(fetched, tmp_path / str(run), seed=seed) for run, seed in enumerate((1, 1, 2)))
    for file, views in once.items():
        np.testing.assert_array_equal(views, again[file])
        assert (views[0] == other[file][0]).all()
        assert all((views[number] != other[file][number]).any() for number in (1, 2, 3))


def test_no_two_views_are_alike(folder, tmp_path):
    """Not those of one image, and not those of two files with the same pixels."""
    twins = tmp_path / "twins"
    for name in ("left", "up"):
        (twins / name).mkdir(parents=True)
        (twins / name / "a.png").write_bytes((folder / "up" / "00.png").read_bytes())
    run_step(
        "fetch", {"images": tmp_path / "images"}, {"data_set": "twins", "source": str(twins), "max_quarantined": 0}
    )
    stacks = augment(tmp_path / "images", tmp_path / "augmented")
    plain, views = (np.stack([stack[part] for stack in stacks.values()]) for part in (0, slice(1, None)))
    assert (plain[0] == plain[1]).all()
    assert len({one.tobytes() for one in views.reshape(6, -1)}) == 6


def test_an_image_more_changes_none_of_the_others(folder, fetched, tmp_path):
    before = augment(fetched, tmp_path / "before")
    more = write_images(tmp_path / "more", 3)
    for file in before:
        (more / file).write_bytes((folder / file).read_bytes())
    run_step("fetch", {"images": tmp_path / "images"}, {"data_set": "edges", "source": str(more), "max_quarantined": 0})
    after = augment(tmp_path / "images", tmp_path / "after")
    assert len(after) == len(before) + 3
    assert all((after[file] == views).all() for file, views in before.items())


def test_more_views_keep_the_first_ones(fetched, tmp_path):
    few, many = (augment(fetched, tmp_path / str(views), views=views) for views in (2, 5))
    assert all((few[file] == many[file][:3]).all() for file in few)


def test_randaugment_moves_join_the_map_and_colours_follow_it():
    """The other changes of the view are drawn as without it; magnitude scales what it adds."""
    base, names = replace(STILL, rotation=20.0, shift=0.2), set()
    for number in range(200):
        plain, strong = (
            augmentation.draw_transform(replace(base, randaugment=count, magnitude=15.0), 1, "a", number)
            for count in (0, 1)
        )
        first, both = (np.vstack([transform.matrix, [0, 0, 1]]) for transform in (plain, strong))
        move = np.linalg.solve(first, both)[:2]
        fitting = [("still", 0.5)] * np.allclose(move, np.eye(2, 3)) + [
            (name, share)
            for name, at in randaugment.MOVES.items()
            for share in (-0.5, 0.5)
            if np.allclose(move, at(share))
        ]
        ((name, share),) = fitting if not strong.colours else strong.colours
        assert abs(share) == 0.5 and (not strong.colours or fitting == [("still", 0.5)])
        names.add((name, share > 0))
        view = Image.fromarray(augmentation.apply_transforms(IMAGE, [replace(strong, colours=())])[1])
        for of_colours in strong.colours:
            view = randaugment.COLOURS[of_colours[0]](view, of_colours[1])
        np.testing.assert_array_equal(augmentation.apply_transforms(IMAGE, [strong])[1], view)
    assert names == {(name, positive) for name in randaugment.NAMES for positive in (True, False)}


MOVED: dict[str, Any] = {
    "shear x": [[1, 0.15, 0], [0, 1, 0]], "shear y": [[1, 0, 0], [0.15, 1, 0]],
    "translate x": [[1, 0, 75 / 331], [0, 1, 0]], "translate y": [[1, 0, 0], [0, 1, 75 / 331]],
    "rotate": np.column_stack([rotation_matrix(15), [0, 0]]),
}  # fmt: skip
COLOURED: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # what half of the largest change makes of the pixels
    "identity": lambda pixels: pixels,
    "brightness": lambda pixels: pixels * 1.45,
    "color": lambda pixels: grey_of(pixels) + 1.45 * (pixels - grey_of(pixels)),
    "contrast": lambda pixels: grey_of(pixels).mean() + 1.45 * (pixels - grey_of(pixels).mean()),
    "posterize": lambda pixels: pixels // 4 * 4,
    "solarize": lambda pixels: np.where(pixels < 128, pixels, 255 - pixels),
    "autocontrast": lambda pixels: (pixels - pixels.min((0, 1))) / np.ptp(pixels, (0, 1)) * 255,
}


def grey_of(pixels: np.ndarray) -> np.ndarray:
    return (pixels @ [0.299, 0.587, 0.114])[..., None]


@pytest.mark.parametrize("name", MOVED)
def test_a_move_of_randaugment_is_its_map(name):
    np.testing.assert_allclose(np.array(randaugment.MOVES[name](0.5)), np.array(MOVED[name]), atol=1e-12)


@pytest.mark.parametrize("name", COLOURED)
def test_a_change_of_colours_does_what_it_is_called(name):
    made = np.asarray(randaugment.COLOURS[name](Image.fromarray(IMAGE), 0.5))
    np.testing.assert_allclose(made, COLOURED[name](IMAGE.astype(float)).clip(0, 255), atol=1.5)


def test_sharpness_raises_differences_of_neighbours_and_equalize_spreads_levels():
    assert {*randaugment.NAMES} == {*MOVED, *COLOURED, "sharpness", "equalize"}
    dark = Image.fromarray(np.tile(IMAGE, (8, 8, 1)) // 4)
    sharp, blurred, spread = (
        np.asarray(randaugment.COLOURS[name](dark, share)).astype(int)
        for name, share in (("sharpness", 0.5), ("sharpness", -0.5), ("equalize", 0.5))
    )
    differences = [abs(np.diff(pixels, axis=0)).mean() for pixels in (blurred, np.asarray(dark).astype(int), sharp)]
    assert differences == sorted(differences) and len({*differences}) == 3
    assert np.ptp(spread) > 2 * np.ptp(IMAGE // 4)


def test_views_of_randaugment_come_back_for_the_same_seed_and(fetched, tmp_path):
    wild = {"randaugment": 2, "magnitude": 30.0}
    once, again, calm = (augment(fetched, tmp_path / name, **given) for name, given in
                         (("once", wild), ("again", wild), ("calm", {})))  # fmt: skip
    for file, views in once.items():
        np.testing.assert_array_equal(views, again[file])
        np.testing.assert_array_equal(views[0], calm[file][0])
    assert any((views[1:] != calm[file][1:]).any() for file, views in once.items())


def test_no_view_is_stored_and_those_that_are_drawn_come_in_parts_of_any_size(fetched, tmp_path, monkeypatch):
    expected = augment(fetched, tmp_path / "augmented", views=5)
    augmented = Augmented.read(tmp_path / "augmented")
    assert augmented.array.nbytes == len(expected) * 10 * 10 * 3
    limits = ViewLimits(**augmented.facts.view_limits)
    for (file, views), (plain,) in zip(expected.items(), augmented.array, strict=True):
        transforms = [augmentation.draw_transform(limits, 1, file, number) for number in range(5)]
        np.testing.assert_array_equal(views, augmentation.apply_transforms(plain, transforms))
    rows = np.array([3, 1, 2, 0])
    for most, count, parts in ((1, 5, 4), (4000, 5, 2), (4000, 0, 1)):
        monkeypatch.setattr(augmentation, "AT_ONCE", most)
        drawn = augmentation.draw_views(augmented, count)
        found = [*drawn.parts(rows)]
        assert len(found) == parts and drawn.shape == (len(expected), 1 + count, 10, 10, 3)
        stacked = np.stack([expected[drawn.files[row]][: 1 + count] for row in rows])
        np.testing.assert_array_equal(np.concatenate(found), stacked)


def test_no_views_leave_the_plain_image(fetched, tmp_path):
    assert {views.shape for views in augment(fetched, tmp_path / "augmented", views=0).values()} == {(1, 10, 10, 3)}
