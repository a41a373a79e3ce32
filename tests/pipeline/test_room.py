"""What has no room is refused before anything runs, and nothing that has."""

import shutil
from typing import Any

import pytest

from components.data.artifacts import Features, Tensors
from components.machinery.code import ROOT
from components.system.errors import UserError
from components.system.hardware import memory_size
from pipeline import planning, recipes, room
from tests.conftest import PARAMETERS, recipe_of, tasks_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder in which nothing has been made yet."""
    shutil.copytree(ROOT / "pretraining", tmp_path / "pretraining")
    monkeypatch.chdir(tmp_path)


def check(**said: dict[str, Any]) -> None:
    """Check the room for `digits`, of 1,797 images, with other values of some steps."""
    content = {**recipes.read(ROOT / "params.yaml"), "active": ["digits"]}
    recipe = content["recipes"]["digits"]
    content["recipes"]["digits"] = {**recipe, **{step: {**recipe.get(step, {}), **said[step]} for step in said}}
    room.check_room(planning.active_tasks(content))


def test_what_fits_is_not_refused():
    check()
    check(augment={"image_size": 128}, extract={"storage_limit": 10})


def test_tensors_beyond_their_limit_are_refused_from_their_shapes():
    with pytest.raises(UserError) as error:  # 1,797 images, 10 views of each, 16 x 16 positions of 64 numbers
        check(augment={"image_size": 128, "views": 9}, extract={"storage_limit": 1})
    words = "extract-digits-glyphs: its tensors take 1.18 GB; storage_limit is 1 GB: take fewer views"
    assert str(error.value).startswith(words)


def test_live_prefixes_and_half_the_bytes_find_room_where_the_whole_has_none():
    views: dict[str, Any] = {"image_size": 128}
    limit: dict[str, Any] = {"storage_limit": 0.5}
    with pytest.raises(UserError, match=r"tensors take 0\.589 GB"):
        check(augment=views, extract=limit)
    check(augment=views, extract={**limit, "prefix": "live"})
    check(augment=views, extract={**limit, "storage": "float16"})


def test_more_than_the_disk_has_is_refused_with_what_takes_most():
    with pytest.raises(
        UserError, match=r"extract-.*: it takes .* GB of disk, .* GB are free: free some, or take fewer"
    ):
        check(augment={"image_size": 2048, "views": 1000}, extract={"storage_limit": 1e12})


def test_a_batch_that_no_memory_holds_is_refused_unless_it_has_no_so_many_images():
    huge: dict[str, Any] = {"augment": {"image_size": 1024, "views": 0}, "extract": {"unfreeze": "all"}}
    with pytest.raises(UserError, match=r"fine_tune-digits-glyphs: it takes .* GB of memory or more, .* smaller batch"):
        check(**huge, split={"train": 0.9, "validation": 0.05, "test": 0.05}, fine_tune={"batch_size": 100000})
    check(**huge, fine_tune={"batch_size": 1})


def test_a_layer_that_there_is_not_is_refused_before_anything_runs():
    with pytest.raises(UserError, match="block9"):
        check(augment={"image_size": 512}, extract={"unfreeze": "block9", "storage_limit": 1})


@pytest.mark.parametrize("prefix", ["stored", "live"])
def test_the_bytes_from_shapes_are_those_that_are_written(source, made, monkeypatch, prefix):
    parameters = {**PARAMETERS, "extract": {**PARAMETERS["extract"], "prefix": prefix, "storage_limit": 1e-9}}
    extract = next(one for one in tasks_of(recipe_of(parameters), source, parameters) if one.step == "extract")
    monkeypatch.chdir(made["images"].parents[2])
    need = room.need_of(extract)
    features = Features.read(made["features"]).array
    tensors = Tensors.read(made["tensors"]).array
    written = tensors.nbytes if prefix == "stored" else len(tensors) * 32 * 32 * 3
    assert (need.tensors, need.disk) == (written, written + features.nbytes)


def test_the_memory_of_this_machine_is_known():
    assert 2**28 < memory_size() < 2**50


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (1.2345e9, "1.23"), (999e9, "999"), (1234.5e9, "1,234")])
def test_gigabytes_are_written_out(size, text):
    assert room.gigabytes(size) == text
