"""Artifacts: a file that is missing, cut or exchanged is one line, whatever reads the artifact."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from components.data import artifacts
from components.data.artifacts import MANIFEST, Artifact, Augmented, Features, Page, Tensors
from components.data.json_files import read_json, write_json
from components.data.memory_maps import FileArray
from components.machinery.running import is_up_to_date, note_inputs, run_step
from components.system.errors import UserError
from pipeline.commands import results
from tests.conftest import MODELS, PARAMETERS, digests

KEYS = (
    "images", "weights", "audit", "splits", "test_split", "augmented", "chosen_precision", "features", "forecast",
    "tensors",
    "head", "classifiers/top", "exploration", "drawings", "top", "comparison", "page",
)  # fmt: skip


def linked(folder: Path, target: Path) -> Path:
    """Copy an artifact by links to its files, so that one can be exchanged but not written to."""
    return shutil.copytree(folder, target, copy_function=os.link)


def exchange(file: Path, content: bytes | None) -> None:
    """Give a linked file another content, or none."""
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)


def kind_of(folder: Path) -> type[Artifact]:
    return getattr(artifacts, read_json(folder / MANIFEST)["kind"])


def test_every_kind_of_artifact_is_tried(made):
    kinds = {kind for kind in vars(artifacts).values() if isinstance(kind, type) and issubclass(kind, Artifact)}
    of_no_recipe = {artifacts.Embeddings, artifacts.Probe}
    assert {kind_of(made[key]) for key in KEYS} == kinds - {Artifact, FileArray, artifacts.SavedModel} - of_no_recipe


@pytest.mark.parametrize("key", KEYS)
def test_every_file_that_is_missing_or_cut_is_one_line_that_names_it(key, made, tmp_path):
    kind, copy = kind_of(made[key]), linked(made[key], tmp_path / "copy")
    for name in digests(copy):
        if name.startswith("images/"):
            continue
        whole = (copy / name).read_bytes()
        for content in (None, whole[: len(whole) // 2], whole[:-2]):
            exchange(copy / name, content)
            with pytest.raises(UserError, match=r"make it again|run the step that makes it") as caught:
                kind.read(copy)
            assert "\n" not in str(caught.value) and str(copy / name).removesuffix(f"/{MANIFEST}") in str(caught.value)
        exchange(copy / name, whole)
        assert kind.read(copy).digest


def test_a_file_with_as_many_other_bytes_is_one_line(made, tmp_path):
    copy = linked(made["top"], tmp_path / "copy")
    whole = (copy / "metrics.json").read_bytes()
    exchange(copy / "metrics.json", whole.replace(b"1", b"2"))
    with pytest.raises(UserError, match=r"copy/metrics\.json is damaged \(not what was written: .*\): make it again"):
        run_step("compare", {"reports": [made["benchmark"], copy], "comparison": tmp_path / "comparison"}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_an_artifact_whose_manifest_lists_no_files_is_read_as_ever(made, tmp_path):
    """One that an earlier version made, pinned somewhere."""
    copy = linked(made["splits"], tmp_path / "copy")
    manifest = read_json(copy / MANIFEST)
    del manifest["files"]
    exchange(copy / MANIFEST, b"")
    write_json(copy / MANIFEST, manifest)
    assert artifacts.Splits.read(copy).part("train").equals(artifacts.Splits.read(made["splits"]).part("train"))


@pytest.mark.parametrize("section", ["facts", "parameters", "lineage", "files"])
def test_a_manifest_with_something_else_than_a_mapping_is_one_line(section, tmp_path):
    write_json(tmp_path / MANIFEST, {**artifacts.Images(tmp_path).manifest, section: []})
    with pytest.raises(UserError, match=rf"{MANIFEST} is damaged \(expected mappings under facts"):
        artifacts.Images.read(tmp_path)


def test_an_output_that_is_damaged_is_not_up_to_date(made, tmp_path):
    at = {**made, "splits": tmp_path / "splits", "test_split": tmp_path / "test_split"}
    note = tmp_path / "note"
    run_step("split", at, PARAMETERS["split"])
    note_inputs("split", at, PARAMETERS["split"], note)
    assert is_up_to_date("split", at, PARAMETERS["split"], note)
    exchange(tmp_path / "splits/leakage.csv", b"")
    assert not is_up_to_date("split", at, PARAMETERS["split"], note)


@pytest.mark.parametrize("content", [None, b"", 0.5])
@pytest.mark.parametrize("step", ["audit", "augment", "explore"])
def test_an_image_that_is_missing_or_cut_is_one_line(step, content, made, tmp_path):
    images = linked(made["images"], tmp_path / "images")
    for file in (images / "images").rglob("*.png"):
        whole = file.read_bytes()
        exchange(file, whole[: int(content * len(whole))] if isinstance(content, float) else content)
    own = dict.fromkeys(("audit", "augmented", "exploration"), tmp_path / "made")
    own |= {"augmented": made["augmented"]} if step == "explore" else {}
    with pytest.raises(UserError, match=r"\.png is damaged .*: fetch the data set again") as caught:
        run_step(step, {**made, **own, "images": images}, PARAMETERS[step])
    assert "\n" not in str(caught.value) and not (tmp_path / "made").exists()


# Arrays whose manifest is right, but which are not what the facts and the table of files say


def three_rows(array: np.ndarray) -> np.ndarray:
    return array[:3]


def halves(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16)


def one_view_more(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array[:, :1]], axis=1)


@pytest.mark.parametrize("change", [three_rows, halves, one_view_more])
@pytest.mark.parametrize("kind", [Augmented, Features, Tensors])
def test_an_array_of_other_rows_type_or_views_is_one_line(change, kind, made, tmp_path):
    copy = linked(made[kind.__name__.lower()], tmp_path / "copy")
    artifact = kind.read(copy)
    changed = change(np.array(artifact.array))
    (copy / kind.array_name).unlink()
    np.save(copy / kind.array_name, changed)
    (copy / MANIFEST).unlink()
    artifact.write_manifest()
    with pytest.raises(UserError, match=rf"{kind.array_name} is damaged \(expected \w+ \(48, .*; received .*make it"):
        _ = kind.read(copy).array


def test_images_that_are_not_those_of_the_files_are_not_extracted(made, tmp_path):
    copy = linked(made["augmented"], tmp_path / "augmented")
    array = np.array(Augmented.read(copy).array)
    (copy / "images.npy").unlink()
    np.save(copy / "images.npy", array[:3])
    at: Mapping[str, Path] = {**made, "augmented": copy, "features": tmp_path / "features", "tensors": tmp_path / "t"}
    with pytest.raises(UserError, match=r"images\.npy is damaged"):
        run_step("extract", at, PARAMETERS["extract"])
    assert [path.name for path in tmp_path.iterdir()] == ["augmented"]


def test_the_command_show_prints_pages_that_are_whole(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    linked(made["page"], tmp_path / "artifacts/edges/page")
    results.show()
    assert Page.read(made["page"]).path.joinpath("comparison.txt").read_text() in capsys.readouterr().out
    (tmp_path / "artifacts/edges/page/figures/comparison.png").unlink()
    with pytest.raises(UserError, match=r"comparison\.png is damaged \(No such file"):
        results.show()


def test_every_report_is_read_by_what_draws_it(made, tmp_path):
    """A damaged file of one of several reports is named, whichever of them it is."""
    reports = [linked(made[model], tmp_path / model) for model in MODELS.values()]
    exchange(reports[-1] / "classes.csv", (reports[-1] / "classes.csv").read_bytes()[:100])
    inputs = {
        **made,
        "reports": reports,
        "drawings": [made["drawings"]],
        "records": [tmp_path],
        "page": tmp_path / "page",
    }
    with pytest.raises(UserError, match=rf"{reports[-1]}/classes\.csv is damaged"):
        run_step("draw_comparison", inputs, {})
