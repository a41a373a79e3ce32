"""Delivered models in use: predictions on the command line and over HTTP."""

import base64
import io
import json
import os
import shutil
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from PIL import Image

from components.data import images
from components.data.artifacts import Augmented, Classifier, Report, Splits
from components.data.resizing import RESIZINGS
from components.machinery.code import ROOT
from components.model import file_predictions
from components.model.served import _load_pyfunc
from components.results.delivered import open_model
from components.scores import abstention, conformal, selective
from components.system.errors import UserError
from pipeline.__main__ import main
from pipeline.running import run_tasks
from tests.conftest import CLASSES, PARAMETERS, free_port, list_files_anew, paths_of, recipe_of, serving, tasks_of
from tests.machinery.test_bad_days import disk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def photographs(source, tmp_path_factory) -> Path:
    """Images as they come: upright by EXIF alone, transparent, of 16 bits, large, and one whose name misleads."""
    folder = tmp_path_factory.mktemp("photographs")
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    with Image.open(source / "up" / "00.png") as image:
        image.save(folder / "turned.jpg", exif=exif)
        image.putalpha(128)
        image.save(folder / "clear.png")
        image.convert("RGB").resize((300, 200)).save(folder / "large.bmp")
    Image.fromarray(np.arange(144, dtype=np.uint16).reshape(12, 12) * 400).save(folder / "deep.png")
    shutil.copy(source / "left" / "01.png", folder / "misnamed.jpg")
    return folder


def run_command(capsys, *arguments: str) -> tuple[list[str], list[str]]:
    """Return the lines that a command prints, and those on standard error."""
    main([*arguments])
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


# The command line


def test_predict_gives_what_the_report_has(made, source, journal, tmp_path, capsys):
    expected = Report.read(made["fine_tuned"]).table("predictions.csv")
    files = [str(source / file) for file in expected["file"]]
    for number, model in enumerate((str(made["classifiers/fine_tuned"]), journal)):
        out, err = run_command(capsys, "predict", "--model", model, *files, "--csv", str(tmp_path / f"{number}.csv"))
        table = pd.read_csv(tmp_path / f"{number}.csv")
        columns = [f"probability_{name}" for name in CLASSES]
        assert table.columns.tolist() == ["file", "predicted", "probability", "unlike", *columns]
        assert table["unlike"].between(0, 1).all()
        assert table["file"].tolist() == files and table["predicted"].tolist() == expected["predicted"].tolist()
        np.testing.assert_allclose(table[columns], expected[columns], atol=1e-6)
        assert out[0].split() == ["file", "predicted", "probability", "unlike"] and len(out) == 1 + len(files)
        shares = [f"{table[column][0]:.4f}" for column in ("probability", "unlike")]
        assert out[1].split() == [files[0], table["predicted"][0], *shares]
        assert err == []


@pytest.fixture(scope="module")
def promising(made, source, tmp_path_factory) -> Path:
    """A classifier whose validation, of 60 images, promises 0.95 of the answers for half of the images here."""
    folder = shutil.copytree(made["classifiers/fine_tuned"], tmp_path_factory.mktemp("promising") / "classifier")
    served = _load_pyfunc(str(folder))
    pixels = np.stack([images.read_pixels(file, 32) for file in sorted(source.rglob("*.png"))])
    ordered = np.sort(abstention.margins(served.probabilities(pixels)))[::-1]
    middle, lowest = ordered[len(ordered) // 2 - 1 : len(ordered) // 2 + 1].mean(), ordered[-1] - 1
    outcomes = np.stack([np.zeros(120), np.repeat([middle, lowest], 60), np.repeat([0, 1], 60)])
    table = selective.promise_table(selective.answer_crosswise(selective.Candidates(outcomes[None]), None))
    list_files_anew(Classifier, folder).write_table("promises.csv", table)
    list_files_anew(Classifier, folder)
    return folder


def test_predict_answers_only_what_validation_promises_and_says_how_many_are_left(promising, source, tmp_path, capsys):
    command = ["predict", "--model", str(promising), str(source), "--csv", str(tmp_path / "t.csv")]
    out, err = run_command(capsys, *command, "--at-least", "0.95")
    table = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    answered = table["predicted"] != ""
    sure = abstention.margins(table.filter(like="probability_").to_numpy())
    assert answered.sum() == 24 and len(table) == 48 and sure[~answered].max() < sure[answered].min()
    assert err[-1].startswith("At least 95.0% of the answers are right, by the 95 % limit on validation")
    assert err[-1].endswith("leaves about 50% to a person. Of these 48 images 24 are left.")
    assert sum(len(line.split()) == 3 for line in out) == 24  # of those left there is no class
    with pytest.raises(UserError, match=r"cannot promise that 0.99 of the answers are right: at most 0.95"):
        main([*command, "--at-least", "0.99"])


def test_an_average_promises_nothing_and_a_model_of_an_earlier_version_neither(made, source, tmp_path, capsys):
    folder = shutil.copytree(made["classifiers/top"], tmp_path / "earlier")
    for name in ("promises.csv", "coverages.csv", "unlikeness.npz"):
        (folder / name).unlink()
    list_files_anew(Classifier, folder)
    with pytest.raises(UserError, match="validation promises nothing of this model"):
        main(["predict", "--model", str(folder), str(source), "--at-least", "0.5"])
    with pytest.raises(UserError, match="validation states no coverage for this model"):
        main(["predict", "--model", str(folder), str(source), "--sets", "0.5"])
    out, _ = run_command(capsys, "predict", "--model", str(folder), str(source / "up" / "00.png"))
    assert out[0].split() == ["file", "predicted", "probability"]


@pytest.mark.parametrize("model", ["benchmark", "top", "fine_tuned"])
def test_noise_is_unlike_and_validation_is_as_unlike_as_its_shares(model, made, source, tmp_path, capsys):
    """Of validation's images, which are compared with themselves, each has the share up to the one below it."""
    splits = Splits.read(made["splits"]).part("validation")["file"]
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    files = [*(str(source / file) for file in splits), str(tmp_path / "noise.png")]
    run_command(
        capsys, "predict", "--model", str(made[f"classifiers/{model}"]), *files, "--csv", str(tmp_path / "t.csv")
    )
    *known, noise = pd.read_csv(tmp_path / "t.csv")["unlike"]
    assert noise >= 0.9
    np.testing.assert_allclose(sorted(known), np.arange(len(known)) / len(known), atol=1.01 / len(known))


def test_predict_gives_sets_of_a_stated_coverage(made, source, tmp_path, capsys):
    """Those of all validation images whose loss is within the limit, which the table of the classifier has."""
    folder = made["classifiers/fine_tuned"]
    coverages = Classifier.read(folder).table("coverages.csv")
    stated = float(coverages["coverage"].max())
    command = ["predict", "--model", str(folder), str(source), "--csv", str(tmp_path / "t.csv"), "--sets"]
    out, err = run_command(capsys, *command, f"{stated}")
    table = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    probabilities, loss = table.filter(like="probability_").to_numpy(), float(coverages["loss"].iloc[-1])
    expected = conformal.name_sets(probabilities, loss, CLASSES)
    assert table["set"].tolist() == [" | ".join(names) for names in expected] and out[0].split()[-1] == "set"
    assert err[-1].startswith(f"Sets hold the true class of at least {stated:.1%} of images like those of validation")
    mean = np.mean([len(names) for names in expected])
    assert err[-1].endswith(f"Those of these {len(table)} images have {mean:.2f} of {len(CLASSES)} classes on average.")
    _, err = run_command(capsys, *command, "0.9999")
    assert err[-1].startswith("Every set is all classes") and f"have {len(CLASSES)}.00 of" in err[-1]
    with pytest.raises(UserError, match=r"the coverage of sets lies between 0 and 1, as in 0.90; received 90"):
        main([*command, "90"])


def test_a_table_of_predictions_is_whole_or_the_earlier_one_and_has_names_of_any_bytes(
    made, photographs, tmp_path, monkeypatch
):
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(photographs / "clear.png", tmp_path / name)
    command = [
        "predict",
        "--model",
        str(made["classifiers/top"]),
        str(tmp_path / name),
        "--csv",
        str(tmp_path / "t.csv"),
    ]
    main(command)
    content = (tmp_path / "t.csv").read_bytes()
    assert content.splitlines()[1].startswith(os.fsencode(tmp_path / name) + b",")

    def break_off(table: pd.DataFrame, file: Path, **how: object) -> None:
        Path(file).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", break_off)
    with pytest.raises(KeyboardInterrupt):
        main(command)
    assert (tmp_path / "t.csv").read_bytes() == content


@pytest.mark.parametrize("path", ["", ".", "folder", "file/table.csv", "file/folder/table.csv"])
@pytest.mark.parametrize("command", [["predict", "--csv"], ["export", "--to", "litert"]])
def test_a_file_that_cannot_be_written_is_one_line(command, path, made, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    images = [str(photographs / "clear.png")]
    rest = ["--images", *images] if command[0] == "export" else images
    with pytest.raises(UserError, match=r"give (the path of a file to write|another path)"):
        main([command[0], *rest, "--model", str(made["classifiers/top"]), *command[1:], path])
    assert {file.name for file in tmp_path.rglob("*")} == {"folder", "file"}


def test_a_disk_without_inodes_is_one_line(made, photographs, tmp_path):
    with disk(tmp_path / "disk", 2**20, "nr_inodes=1") as small:
        command = ["predict", str(photographs / "clear.png"), "--model", str(made["classifiers/top"])]
        with pytest.raises(UserError, match=r"cannot write .*/t\.csv: No space left on device; free some space"):
            main([*command, "--csv", str(small / "t.csv")])


def test_a_name_that_a_spreadsheet_would_run_has_an_apostrophe_before_it(made, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(photographs / "clear.png", "=1+1.png")
    main(["predict", "=1+1.png", "--model", str(made["classifiers/top"]), "--csv", "t.csv"])
    assert Path("t.csv").read_text().splitlines()[1].startswith("'=1+1.png,")


def test_an_image_that_cannot_be_read_is_a_line_and_the_others_are_predicted(made, photographs, tmp_path, capsys):
    shutil.copytree(photographs, tmp_path / "all" / "more")
    (tmp_path / "all" / "notes.txt").write_text("no image")
    (tmp_path / "all" / ".hidden").write_text("no image")
    (tmp_path / "all" / "short.png").write_bytes((photographs / "clear.png").read_bytes()[:60])
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--model", str(made["classifiers/top"]), str(tmp_path / "all")])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    names = [Path(line.split()[0]).name for line in out.splitlines()[1:]]
    assert names == ["clear.png", "deep.png", "large.bmp", "misnamed.jpg", "turned.jpg"]
    assert [Path(line.split(" cannot be read (")[0]).name for line in err.splitlines()] == ["notes.txt", "short.png"]


@pytest.mark.parametrize(
    ("model", "image", "message"),
    [
        ("nowhere", "", "no Classifier at nowhere"),
        ("models:/no_such@champion", "", "MLflow at sqlite:///.* did not take this: "),
        ("top", "no_such.png", "no image .*no_such.png: give files, or folders of images"),
        ("top", "empty", "no file in .*empty: give files"),
    ],
)
def test_what_is_no_model_or_no_image_is_one_line(made, journal, tmp_path, monkeypatch, model, image, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("there.png").touch()
    with pytest.raises(UserError, match=message):
        main(["predict", "--model", str(made["classifiers/top"]) if model == "top" else model, image or "there.png"])


# Over HTTP


@pytest.fixture(scope="module")
def server(journal, tmp_path_factory) -> Iterator[str]:
    """KServe's manifest's command, which can import nothing of the repository; stopped with all that it started."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for package in ("components", "pipeline"):
        (folder / f"{package}.py").write_text("raise ImportError('the repository is not here')")
    limits = {"GRAFT_REQUEST_IMAGES": "40", "GRAFT_REQUEST_MEGABYTES": "1"}
    environment = {**os.environ, **limits, "PYTHONPATH": str(folder)}
    manifest = yaml.safe_load((ROOT / "deploy/kserve/inference.yaml").read_text())
    (container,) = manifest["spec"]["predictor"]["containers"]
    assert container["args"] == ["--host", "0.0.0.0", "--port", "8080"]  # here 127.0.0.1, and a port that is free
    program, *command = [journal if word == "models:/digits@champion" else word for word in container["command"]]
    assert program == "mlflow"
    with serving(command, free_port(), environment, folder) as address:
        yield address


def post(server: str, request: object, kind: str = "application/json") -> tuple[int, dict]:
    """Return the status and the answer of a request."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    posted = urllib.request.Request(f"{server}/invocations", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(posted, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def base64_of(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def test_the_served_model_answers_as_predict_does(made, server, source, photographs, tmp_path, capsys):
    files = [*sorted(photographs.iterdir()), source / "down" / "00.png"]
    main(
        ["predict", "--model", str(made["classifiers/fine_tuned"]), *map(str, files), "--csv", str(tmp_path / "t.csv")]
    )
    expected = pd.read_csv(tmp_path / "t.csv")
    texts, raw = [base64_of(file) for file in files], [images.read_pixels(file, 32).tolist() for file in files]
    status, answer = post(server, pd.DataFrame({"image": texts}).to_csv(index=False).encode(), "text/csv")
    assert status == 200 and [row["predicted"] for row in answer["predictions"]] == expected["predicted"].tolist()
    for request in (
        {"dataframe_records": [{"image": text} for text in texts]},
        {"dataframe_split": {"columns": ["image"], "data": [[text] for text in texts]}},
        {"instances": [{"image": text} for text in texts]},
        {"inputs": texts},
        {"inputs": [f"data:image/png;base64,{text}" for text in texts]},
        {"inputs": [base64.encodebytes(file.read_bytes()).decode() for file in files]},
        {"inputs": {"image": texts}},
        {"inputs": raw},
        {"instances": raw},
        {"dataframe_records": [{"image": one} for one in [*raw[:3], *texts[3:]]]},
    ):
        status, answer = post(server, request)
        assert status == 200, answer
        table = pd.DataFrame(answer["predictions"])
        assert table["predicted"].tolist() == expected["predicted"].tolist()
        np.testing.assert_allclose(table["probability"], expected["probability"], atol=1e-5)
        shares = pd.DataFrame([*table["probabilities"]])
        assert shares.columns.tolist() == [*CLASSES]
        np.testing.assert_allclose(shares, expected.filter(like="probability_"), atol=1e-5)
        np.testing.assert_allclose(table["unlike"], expected["unlike"], atol=0.1)  # one of 12, where two scores meet


def test_the_served_model_answers_only_what_validation_promises(promising, source, server):
    files = sorted(source.rglob("*.png"))
    served = _load_pyfunc(str(promising))
    table = served.predict(pd.DataFrame({"image": [file.read_bytes() for file in files]}), {"at_least": 0.95})
    answered, sure = table["predicted"].notna(), abstention.margins(pd.DataFrame([*table["probabilities"]]).to_numpy())
    assert answered.sum() == 24 and sure[~answered].max() < sure[answered].min()
    with pytest.raises(MlflowException, match=r"cannot promise that 0.99 of the answers are right"):
        served.predict(pd.DataFrame({"image": [files[0].read_bytes()]}), {"at_least": 0.99})
    status, answer = post(server, {"inputs": [base64_of(files[0])], "params": {"at_least": 0.99}})
    assert status == 400 and "validation cannot promise that 0.99 of the answers are right" in answer["message"]
    status, answer = post(server, {"inputs": [base64_of(files[0])], "params": {"at_least": 0.1}})
    assert status == 200 and "predicted" in answer["predictions"][0]


def test_the_served_model_gives_sets_of_a_stated_coverage(made, source, server):
    files = sorted(source.rglob("*.png"))[:5]
    served = _load_pyfunc(str(made["classifiers/fine_tuned"]))
    inputs = pd.DataFrame({"image": [file.read_bytes() for file in files]})
    assert "set" not in served.predict(inputs)
    for stated in (0.6, 0.9999):
        table = served.predict(inputs, {"sets": stated})
        loss = served.coverage(stated).loss
        for names, shares in zip(table["set"], table["probabilities"], strict=True):
            assert set(names) == {name for name, share in shares.items() if -np.log(share) <= loss} | {names[0]}
    status, answer = post(server, {"inputs": [base64_of(files[0])], "params": {"sets": 0.9999}})
    assert status == 200 and set(answer["predictions"][0]["set"]) == {*CLASSES}
    status, answer = post(server, {"inputs": [base64_of(files[0])], "params": {"sets": 90}})
    assert status == 400 and "the coverage of sets lies between 0 and 1" in answer["message"]


def test_deep_images_are_read_as_those_of_the_data_set_and_a_brighter_one_is_refused(made, tmp_path, capsys):
    """By `predict` and by the served model, to the last digit."""
    shutil.copytree(made["classifiers/top"], tmp_path / "top")
    manifest = json.loads((tmp_path / "top" / "artifact.json").read_text())
    manifest["facts"]["white_level"] = 4095
    (tmp_path / "top" / "artifact.json").write_text(json.dumps(manifest))
    grey = np.arange(0, 144, dtype=np.uint16).reshape(12, 12)
    for name, samples in (("12.png", grey * 28), ("brighter.png", grey * 29)):
        Image.fromarray(samples).save(tmp_path / name)
    Image.fromarray(np.round(grey * 28 / 4095 * 255).astype(np.uint8)).save(tmp_path / "8.png")
    files = [tmp_path / name for name in ("12.png", "8.png")]
    main(["predict", "--model", str(tmp_path / "top"), *map(str, files), "--csv", str(tmp_path / "t.csv")])
    table = pd.read_csv(tmp_path / "t.csv").drop(columns="file")
    assert table.iloc[0].tolist() == table.iloc[1].tolist()
    served = _load_pyfunc(str(tmp_path / "top"))
    answers = served.predict(pd.DataFrame({"image": [file.read_bytes() for file in files]}))
    assert answers["probability"].tolist() == table["probability"].tolist()
    with pytest.raises(SystemExit):
        main(["predict", "--model", str(tmp_path / "top"), str(tmp_path / "brighter.png")])
    assert "its pixels run to 4147, brighter than white, 4095" in capsys.readouterr().err
    with pytest.raises(MlflowException, match=r"image 1 cannot be read .its pixels run to 4147, brighter than white"):
        served.predict(pd.DataFrame({"image": [(tmp_path / "brighter.png").read_bytes()]}))


@pytest.mark.parametrize("resize", RESIZINGS)
def test_photographs_become_squares_as_in_training(resize, source, tmp_path):
    """By `predict`, by the served model and for an export, which all give what the report has of oblong images."""
    for file in source.rglob("*.png"):
        oblong = tmp_path / "oblong" / file.relative_to(source)
        oblong.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as image:
            image.resize((31, 12) if int(file.stem) % 2 else (12, 18)).save(oblong)
    parameters = {**PARAMETERS, "augment": {**PARAMETERS["augment"], "resize": resize, "views": 0, "image_size": 16}}
    parameters["train_benchmark"] = {**PARAMETERS["train_benchmark"], "epochs": 1}
    tasks = tasks_of(recipe_of(parameters, models=("benchmark",)), tmp_path / "oblong", parameters)
    run_tasks([task for task in tasks if task.step not in ("explore", "draw_exploration", "draw_comparison")], tmp_path)
    at = paths_of(tasks, tmp_path)
    model, expected = at["classifiers/benchmark"], Report.read(at["benchmark"]).table("predictions.csv")
    files = [tmp_path / "oblong" / file for file in expected["file"]]
    probabilities = expected.filter(like="probability_").to_numpy()

    main(["predict", "--model", str(model), *map(str, files), "--csv", str(tmp_path / "t.csv")])
    found = pd.read_csv(tmp_path / "t.csv").filter(like="probability_")
    np.testing.assert_allclose(found, probabilities, rtol=1e-5)
    answers = _load_pyfunc(str(model)).predict(pd.DataFrame({"image": [file.read_bytes() for file in files]}))
    np.testing.assert_allclose(answers["probability"], probabilities.max(axis=1), rtol=1e-5)
    augmented, opened = Augmented.read(at["augmented"]), open_model(str(model))
    stored = augmented.array[augmented.rows(expected["file"].tolist()), 0]
    np.testing.assert_array_equal(file_predictions.read_images(opened, files), stored)
    np.testing.assert_array_equal(Report.read(at["benchmark"]).examples, stored[:2])


def png_of(width: int, height: int) -> str:
    """Return a PNG's header in base64."""
    file = io.BytesIO()
    Image.new("1", (1, 1)).save(file, "PNG")
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head = b"IHDR" + size + file.getvalue()[24:29]
    content = file.getvalue()[:12] + head + zlib.crc32(head).to_bytes(4, "big") + file.getvalue()[33:]
    return base64.b64encode(content).decode()


BLACK = np.zeros((32, 32, 3))
LONG = "bm8gaW1hZ2U=" * 50_000
BAD = {
    "no base64": ({"inputs": ["&&&"]}, "image 1 cannot be read (no base64: "),
    "base64 of no image": ({"inputs": ["bm8gaW1hZ2U="]}, "image 1 cannot be read (not an image in a supported format"),
    "wrong shape": ({"inputs": [np.zeros((8, 8, 3)).tolist()]}, "(32, 32, 3), or a file in base64; received (8,"),
    "one image, no list": ({"inputs": BLACK.tolist()}, "(32, 32, 3), or a file in base64; received (32, 3)"),
    "broken off": ({"inputs": ["bm8gaW1hZ2U"]}, "image 1 cannot be read (no base64: "),
    "ragged": ({"inputs": [[[1, 2], [3]]]}, "image 1 is neither base64 nor an array of numbers"),
    "out of range": ({"inputs": [(BLACK - 1).tolist()]}, "raw RGB in [0, 255]; received values from -1.0 to -1.0"),
    "the second": ({"dataframe_records": [{"image": BLACK.tolist()}, {"image": 7}]}, "image 2: expected raw RGB"),
    "null": ({"dataframe_records": [{"image": None}]}, "image 1: expected raw RGB"),
    "fractions": ({"inputs": [(BLACK + 0.5).tolist()]}, "in [0, 255]; received fractions, 0.5 to 0.5: "),
    "words": ({"inputs": [BLACK.astype(str).tolist()]}, "image 1 is neither base64 nor an array of numbers"),
    "too many": ({"inputs": ["bm8gaW1hZ2U="] * 41}, "41 images: more than 40 in one request; send several, or raise"),
    "too large an image": ({"inputs": [png_of(20_000, 10_000)]}, "image 1 cannot be read (20000 x 10000 pixels: "),
    "nested": (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the request cannot be read (RecursionError"),
    "nested less": (b'{"inputs": ' + b"[" * 500 + b"]" * 500 + b"}", ""),
    "long text": ({"inputs": [LONG]}, "image 1 cannot be read (no base64: "),
    "long unknown column": ({"inputs": {"picture": [LONG]}}, "Model is missing inputs ['image']"),
    "long column": ({"inputs": {LONG: ["bm8gaW1hZ2U="]}}, "Model is missing inputs ['image']"),
    "long and no UTF-8": (b"\xff" * 900_000, "valid JSON"),
    "unknown column": ({"dataframe_records": [{"picture": "bm8gaW1hZ2U="}]}, "missing inputs ['image']"),
    "empty list": ({"inputs": []}, "no image: give one or more"),
    "no records": ({"dataframe_records": []}, "missing inputs ['image']"),
    "no input": ({}, "exactly one of the input fields"),
    "no JSON": (b"{", "valid JSON"),
    "no object": ([], "Received a list"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_answered_with_400_and_why_and_the_next_is_served(name, server, source):
    request, message = BAD[name]
    status, answer = post(server, request)
    assert status == 400
    assert message in answer["message"][:200] and len(answer["message"]) < 600
    assert "Traceback" not in json.dumps(answer)
    assert post(server, {"inputs": [base64_of(source / "up" / "00.png")]})[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b" " * 1_000_001, "application/json", 413, "1,000,001 bytes: more than 1 MB in one request; send several, or"),
        (b"picture\nx\n", "text/csv", 400, "Model is missing inputs ['image']"),
        (b"image\nx,y,z\n1,2,3,4\n", "text/csv", 400, "Failed to parse input as a Pandas DataFrame"),
        (b"\xff", "text/csv", 400, "valid UTF-8"),
        (b"no table", "application/vnd.apache.parquet", 400, "Failed to parse input as a Pandas DataFrame"),
    ],
)
def test_a_request_of_another_kind_or_size_is_answered_with_why(body, kind, status, message, server):
    received, answer = post(server, body, kind)
    assert received == status
    assert message in answer["message"] and "Traceback" not in json.dumps(answer)
