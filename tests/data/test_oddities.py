"""Odd images: each kind is found among usual ones, by measures that do not take one kind for another."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from components.data import oddities

SIZE = 48


def usual_images(number: int, seed: int = 0) -> np.ndarray:
    """Return so many images with edges, of unlike sharpness, brightness and contrast, uint8 (n, 48, 48, 3)."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(number):
        coarse = random.normal(random.uniform(90, 160), random.uniform(25, 45), (12, 12, 3))
        pixels = np.clip(np.kron(coarse, np.ones((4, 4, 1))), 0, 255).astype(np.uint8)
        images.append(np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.9)))))
    return np.stack(images)


def changed(image: np.ndarray, oddity: str) -> np.ndarray:
    if oddity == "blurred":
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(5)))
    return {"dark": image // 12, "bright": 255 - (255 - image) // 12}.get(oddity, image)


def oddities_of(images: np.ndarray, sizes: list[tuple[int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(sizes, columns=["width", "height"])
    return oddities.find_oddities(oddities.measure_pictures(images, np.arange(len(images)), table), SIZE)


@pytest.mark.parametrize("oddity", [*oddities.MEASURES])
@pytest.mark.parametrize("seed", range(5))
def test_an_odd_image_is_found_as_what_it_is(oddity, seed):
    images, sizes = usual_images(60, seed), [(300 + 5 * number, 300) for number in range(60)]
    images[7] = changed(images[7], oddity)
    sizes[7] = {"tiny": (30, 28), "narrow": (3000, 300)}.get(oddity, sizes[7])
    found = oddities_of(images, sizes)
    assert len(found) <= 2, "usual images are hardly ever odd"
    found = found[found["row"] == 7]
    assert found["oddity"].tolist() == [oddity]
    measure, side = oddities.MEASURES[oddity]
    assert found["measure"].item() == measure and side * (found["value"] - found["usual"]).item() > 0
    assert abs(found["z"].item()) > oddities.LARGEST_Z


def test_small_images_of_a_small_set_are_not_tiny_unless_they_have_to_be_enlarged():
    images = usual_images(30)
    assert oddities_of(images, [(400, 400)] * 29 + [(60, 60)])["oddity"].tolist() == []
    assert oddities_of(images, [(400, 400)] * 29 + [(40, 40)])["oddity"].tolist() == ["tiny"]


def test_the_farthest_come_first_and_equal_images_are_all_usual():
    images = usual_images(40)
    images[3], images[5] = changed(images[3], "dark"), images[5] // 60
    found = oddities_of(images, [(300, 300)] * 40)
    assert found["row"].tolist()[:1] == [5] and {*found["row"]} == {3, 5} and (found["z"].abs().diff()[1:] <= 0).all()
    assert oddities_of(np.repeat(images[:1], 10, axis=0), [(300, 300)] * 10).empty


def test_of_normal_values_the_robust_z_is_the_usual_one_and_an_outlier_does_not_move_it():
    values = np.random.default_rng(0).normal(3, 2, 20_000)
    assert oddities.robust_z(values).std() == pytest.approx(1, abs=0.02)
    with_outlier = oddities.robust_z(np.append(values, 1e9))
    assert with_outlier[:-1] == pytest.approx(oddities.robust_z(values), abs=0.01) and with_outlier[-1] > 1e8
    assert (oddities.robust_z(np.full(5, 2.0)) == 0).all()
    assert oddities.robust_z(np.array([1.0] * 9 + [2.0]))[-1] > oddities.LARGEST_Z


def test_sharpness_is_that_of_edges_whatever_the_contrast():
    (image,) = usual_images(1)
    sharp, blurred = oddities.sharpness(image), oddities.sharpness(changed(image, "blurred"))
    assert blurred < sharp / 10
    assert oddities.sharpness(60 + 0.3 * image) == pytest.approx(sharp)
    assert oddities.sharpness(np.full((5, 5, 3), 9)) == 0
