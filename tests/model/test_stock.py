"""The stock network: its top is kept where weights come with one, and `explore` lists what it calls the images."""

import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from keras.src.applications import imagenet_utils
from PIL import Image

from components.data import images as image_files
from components.data.artifacts import Exploration, Images, Weights
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.model import backbones, stock
from components.model.backbones.applications import APPLICATIONS
from components.system.errors import UserError
from pipeline.__main__ import main
from tests.conftest import CLASSES, PARAMETERS

BACKBONE = "mobilenet_025"


@pytest.fixture
def class_index(monkeypatch):
    """ImageNet's names, which keras.applications would download: a thousand made-up ones."""
    names = {str(number): [f"n{number:08}", f"thing_{number}"] for number in range(1000)}
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", names)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A network with its top, of random weights, and its file."""
    keras.utils.set_random_seed(3)
    network = keras.applications.MobileNet(alpha=0.25, weights=None)
    *_, kernel, bias = network.weights
    kernel.assign(50 * kernel)  # else all classes are as likely
    bias.assign(np.linspace(0, 1, 1000))
    file = tmp_path_factory.mktemp("whole") / "whole.weights.h5"
    network.save_weights(file)
    return network, file


def fetch_weights(folder, source, stock: str) -> Weights:
    run_step("fetch_weights", {"weights": folder}, {"backbone": BACKBONE, "source": str(source), "stock": stock})
    return Weights.read(folder)


@pytest.mark.parametrize("stock", ["keep", "leave"])
def test_a_file_with_a_top_gives_the_backbone_and_keeps_the_top_if_asked_to(stock, whole, class_index, tmp_path):
    network, file = whole
    weights = fetch_weights(tmp_path / "weights", file, stock)
    bare = backbones.get(BACKBONE).build(224, weights.file)
    for one, other in zip(bare.get_weights(), network.get_weights(), strict=False):
        np.testing.assert_array_equal(one, other)
    names = {path.name for path in weights.path.iterdir()}
    assert names - {"artifact.json", "backbone.weights.h5"} == (
        {"stock.weights.h5", "words.csv"} if stock == "keep" else set()
    )


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_network_without_its_top_has_the_first_weights_of_the_one_with_it(name):
    entry = backbones.get(name)
    if name == "vgg16_small":
        with pytest.raises(UserError, match="no ImageNet weights"):
            entry.build(32, top=True)
        return
    bare, network = entry.build(32), entry.build(32, top=True)
    assert network.output_shape == (None, 1000)
    assert [weight.shape for weight in bare.weights] == [weight.shape for weight in network.weights][
        : len(bare.weights)
    ]


def test_explore_says_what_the_stock_network_calls_the_images(whole, class_index, made, tmp_path):
    weights = fetch_weights(tmp_path / "weights", whole[1], "keep")
    at = {**made, "weights": weights.path, "exploration": tmp_path / "exploration"}
    run_step("explore", at, PARAMETERS["explore"])
    exploration, images = Exploration.read(tmp_path / "exploration"), Images.read(made["images"])
    words = exploration.table("stock_words.csv")
    assert words.groupby("file").size().unique().tolist() == [5]
    assert set(words["label"]) == set(CLASSES)
    for file, rows in words.groupby("file"):
        pixels = image_files.read_pixels(images.file(str(file)), 224)[None].astype(np.float32)
        expected = whole[0].predict_on_batch(keras.applications.mobilenet.preprocess_input(pixels))
        ((*likeliest,),) = imagenet_utils.decode_predictions(expected, top=5)
        assert rows["word"].tolist() == [word for _, word, _ in likeliest]
        np.testing.assert_allclose(rows["probability"], [probability for *_, probability in likeliest], rtol=1e-3)
    sample = pd.DataFrame({"file": ["wide.png"], "label": ["up"]})
    shutil.copytree(made["images"], tmp_path / "images")
    wide = np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)
    Image.fromarray(wide).save(tmp_path / "images" / "images" / "wide.png")
    Image.fromarray(wide[:, 25:65]).save(tmp_path / "images" / "images" / "middle.png")
    copied = Images(tmp_path / "images", images.manifest)
    cropped = stock.sample_words(weights, copied, sample, "crop")
    middle = stock.sample_words(weights, copied, sample.assign(file="middle.png"), "squash")
    np.testing.assert_allclose(cropped["probability"], middle["probability"], rtol=1e-5)
    assert cropped["word"].tolist() == middle["word"].tolist()
    run_step("draw_exploration", {"exploration": exploration.path, "drawings": tmp_path / "drawings"}, {})
    assert (tmp_path / "drawings" / "figures" / "stock_words.png").stat().st_size > 10_000


def test_words_says_what_the_stock_network_calls_any_photograph(
    whole, class_index, made, tmp_path, monkeypatch, capsys
):
    """A line an image, and all of it in a table; the same words as of a sample; weights without a top have none."""
    fetch_weights(tmp_path / "data/weights" / BACKBONE, whole[1], "keep")
    folder = tmp_path / "photographs"
    folder.mkdir()
    file, label = Images.read(made["images"]).table("images.csv")[["file", "label"]].iloc[0]
    (folder / "a.png").write_bytes(Images.read(made["images"]).file(file).read_bytes())
    (folder / "b.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["words", str(folder), "--network", BACKBONE, "--csv", "words.csv"])
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and "b.txt cannot be read (not an image" in err
    expected = stock.sample_words(
        Weights.read(tmp_path / "data/weights" / BACKBONE), Images.read(made["images"]),
        pd.DataFrame({"file": [file], "label": [label]}), "squash",
    )  # fmt: skip
    table = pd.read_csv("words.csv")
    assert table["file"].tolist() == [str(folder / "a.png")] * 5 and table["word"].tolist() == expected["word"].tolist()
    np.testing.assert_allclose(table["probability"], expected["probability"], rtol=1e-5)
    words = [f"{row.word} {row.probability:.2f}" for row in expected.itertuples()]
    assert out.splitlines()[-1] == f"{folder / 'a.png'}: {', '.join(words)}"

    for network, match in (
        ("mobilenet_25", "no network 'mobilenet_25'; did you mean 'mobilenet_025'"),
        ("resnet50", "no Weights at data/weights/resnet50: run the step that makes it"),
    ):
        with pytest.raises(UserError, match=match):
            main(["words", str(folder), "--network", network])
    shutil.rmtree(tmp_path / "data/weights" / BACKBONE)
    fetch_weights(tmp_path / "data/weights" / BACKBONE, whole[1], "leave")
    with pytest.raises(UserError, match="mobilenet_025 has no words: these weights came without the network's top"):
        main(["words", str(folder), "--network", BACKBONE])


def test_without_a_top_its_words_are_left_out_with_a_line(made, capsys, tmp_path):
    run_step("explore", {**made, "exploration": tmp_path / "exploration"}, PARAMETERS["explore"])
    assert "without the network's top: its words are left out" in capsys.readouterr().out
    assert Exploration.read(tmp_path / "exploration").table("stock_words.csv").empty
    assert not (made["drawings"] / "figures" / "stock_words.png").exists()


def test_names_that_cannot_be_had_are_an_error_that_says_what_to_do(whole, monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", None)
    monkeypatch.setattr(imagenet_utils.file_utils, "get_file", refuse)
    with pytest.raises(
        UserError, match=r"names of ImageNet's classes: URL fetch failure; put .* or set `stock: leave`"
    ):
        fetch_weights(tmp_path / "weights", whole[1], "keep")
    assert not list(tmp_path.iterdir())
