"""What DVC pinned: the same data set and weights as fetched otherwise, of the commit that is asked for, or one line."""

import functools
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data import layout
from components.data.artifacts import MANIFEST, Classifier, Images, Weights
from components.data.datasets import DATA_SETS, DataSet
from components.data.pinned import PinnedSource
from components.data.records import Record
from components.machinery import revisions
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.results import tracking
from components.system.errors import UserError
from tests.conftest import CLASSES, PARAMETERS, free_port, list_files_anew, write_images
from tests.pipeline.test_dvc import Checkout
from tests.results.tracking.test_tracking import IGNORED

NOWHERE = "1" * 40


@dataclass
class Collection:
    """A repository with two versions of a data set and of weights, and its DVC remotes.

    The remotes are `local`, the default, which holds all; `web`, the same by http; `mine`, which a test fills; `none`,
    which does not answer.
    """

    folder: Path
    server: str
    first: str
    second: str

    def source(self, revision: str = "", rest: str = "", address: str = "") -> str:
        return f"git+{address or self.folder}@{revision or self.second}{rest}"

    def fill(self, change: Callable[[bytes], bytes | None], file: str) -> None:
        """Fill the remote `mine`; change one file of the collection in it, or take that away."""
        remote = self.folder.parent / "mine"
        shutil.rmtree(remote, ignore_errors=True)
        shutil.copytree(self.folder.parent / "local", remote)
        digest = hashlib.md5((self.folder / "data" / file).read_bytes()).hexdigest()
        stored = remote / "files" / "md5" / digest[:2] / digest[2:]
        content = change(stored.read_bytes())
        stored.unlink()
        if content is not None:
            stored.write_bytes(content)


@pytest.fixture(scope="module")
def collection(tmp_path_factory, source) -> Iterator[Collection]:
    top = tmp_path_factory.mktemp("collection")
    folder, data = top / "project", top / "data"
    shutil.copytree(source, data)
    project = Checkout.begin(folder, data)
    handler = functools.partial(Silent, directory=str(top))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for name, url in {
            "local": str(top / "local"), "mine": str(top / "mine"), "web": f"{address}/local",
            "none": f"http://joe:geheim@127.0.0.1:{free_port()}/",
        }.items():  # fmt: skip
            project("dvc", "remote", "add", "-q", "-f", name, url)
        revisions = []
        for change in (lambda: None, lambda: grow(data)):
            change()
            images, weights = folder / "data/images/edges", folder / "data/weights/glyphs"
            values = {"data_set": "edges", "source": str(data), "max_quarantined": 1}
            run_step("fetch", {"images": images}, values)
            run_step("fetch_weights", {"weights": weights}, PARAMETERS["fetch_weights"])
            (weights / "stock.weights.h5").write_bytes(b"all the layers")
            (weights / "words.csv").write_text("word\n")
            list_files_anew(Weights, weights)
            project("python", "-m", "pipeline", "plan")
            project("python", "-m", "pipeline", "list_source", "list_source-edges")
            stages = (f"data/dvc.yaml:{name}" for name in ("fetch-edges", "fetch_weights-glyphs"))
            project("dvc", "commit", "-q", "-f", *stages)
            project.commit("more")
            project("dvc", "push", "-q")
            revisions.append(project("git", "rev-parse", "HEAD").strip())
        project("git", "update-server-info")
        yield Collection(folder, f"{address}/project/.git", *revisions)
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def grow(data: Path) -> None:
    """Add an image, groups, and what is no image."""
    shutil.copy(data / "up" / "00.png", data / "up" / "one more.png")
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    (data / "groups.csv").write_text("\n".join(["file,group", *(f"{name},{name[-6:]}" for name in names)]))
    (data / "up" / "notes.txt").write_text("no image")


def fetch(target: Path, source: str, data_set: str = "edges", max_quarantined: float = 1) -> Images:
    parameters = {"data_set": data_set, "source": source, "max_quarantined": max_quarantined}
    run_step("fetch", {"images": target}, parameters)
    return Images.read(target)


def fetch_weights(target: Path, source: str, backbone: str = "vgg16_small", stock: str = "leave") -> Weights:
    run_step("fetch_weights", {"weights": target}, {"backbone": backbone, "source": source, "stock": stock})
    return Weights.read(target)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("address", "rest"),
    [
        ("{folder}", ""),
        ("file://{folder}", "#remote=web"),
        ("{server}", "#name=edges&remote=local"),
    ],
)
def test_the_pinned_images_are_those_fetched_otherwise_and_know_their_commit(address, rest, collection, tmp_path):
    place = address.format(folder=collection.folder, server=collection.server)
    images = fetch(tmp_path / "images", collection.source(rest=rest, address=place))
    otherwise = Images.read(collection.folder / "data/images/edges")
    assert contents(images.path) == contents(otherwise.path)
    assert images.manifest == otherwise.manifest
    assert Record.read(tmp_path / "images.record.json").revisions["dvc_revision"] == collection.second
    assert {path.name for path in tmp_path.iterdir()} == {"images", "images.record.json"}


def test_an_older_commit_gives_the_older_images(collection, source, tmp_path):
    images = fetch(tmp_path / "images", collection.source(collection.first), max_quarantined=0)
    otherwise = fetch(tmp_path / "otherwise", str(source))
    assert (images.digest, contents(images.path)) == (otherwise.digest, contents(otherwise.path))
    assert images.digest != Images.read(collection.folder / "data/images/edges").digest


@pytest.mark.parametrize("stock", ["keep", "leave"])
def test_the_pinned_weights_are_those_fetched_otherwise(stock, collection, tmp_path):
    weights = fetch_weights(tmp_path / "weights", collection.source(rest="#name=glyphs"), stock=stock)
    otherwise = Weights.read(collection.folder / "data/weights/glyphs")
    assert {**weights.manifest, "files": {}} == {**otherwise.manifest, "files": {}}
    names = {"backbone.weights.h5"} | ({"stock.weights.h5", "words.csv"} if stock == "keep" else set())
    assert contents(weights.path) == {name: (otherwise.path / name).read_bytes() for name in names}


def test_pinned_weights_take_no_keras(collection, tmp_path):
    """The image that has DVC has no TensorFlow."""
    parameters = {"backbone": "vgg16_small", "source": collection.source(rest="#name=glyphs"), "stock": "leave"}
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("keras", "tensorflow")))
from components.machinery.running import run_step
run_step("fetch_weights", {{"weights": {str(tmp_path / "weights")!r}}}, {parameters!r})
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert Weights.read(tmp_path / "weights").facts.backbone == "vgg16_small"


@IGNORED
def test_the_commit_is_the_version_of_all_that_is_made_of_it(collection, source, tmp_path, database, monkeypatch):
    """As recorded and as tagged in the journal; artifacts do not tell which way the images came."""
    monkeypatch.setattr(revisions, "ROOT", tmp_path)  # as in an image, where there is no git
    classifiers = {}
    for way in ("folder", "pinned"):
        names = ("images", "audit", "splits", "test_split", "augmented", "classifier")
        at = {name: tmp_path / way / name for name in names}
        fetch(at["images"], str(source) if way == "folder" else collection.source(collection.first))
        for name in ("audit", "split", "augment"):
            run_step(name, at, PARAMETERS[name])
        if way == "pinned":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
            monkeypatch.setenv("GRAFT_DVC_REVISION", collection.first)
            tracking.client.cache_clear()
        run_step("train_benchmark", at, {**PARAMETERS["train_benchmark"], "epochs": 1})
        classifiers[way] = Classifier.read(at["classifier"])
    records = {way: Record.read(tmp_path / way / "classifier.record.json") for way in classifiers}
    assert records["pinned"].revisions["dvc_revision"] == collection.first
    assert records["folder"].revisions.get("dvc_revision") != collection.first
    assert classifiers["folder"].manifest == classifiers["pinned"].manifest
    experiment = tracking.experiment_ids()["edges"]
    (run,) = tracking.client().search_runs([experiment], f"tags.dvc_revision = '{collection.first}'")
    assert run.data.params["train_benchmark.epochs"] == "1"
    tracking.client().rename_experiment(experiment, f"edges of {tmp_path}")
    tracking.client.cache_clear()


@pytest.mark.parametrize("inside", [True, False])
def test_an_image_says_the_revision_of_its_code(inside, collection, tmp_path, monkeypatch):
    monkeypatch.setattr(revisions, "ROOT", collection.folder if inside else tmp_path)
    monkeypatch.setenv("GRAFT_REVISION", NOWHERE)
    monkeypatch.setenv("GRAFT_DVC_REVISION", collection.first)
    here = {"git_revision": collection.second, "dvc_revision": collection.second}
    found = {name: one for name, one in revisions.revisions().items() if name != "recipe_revision"}
    assert found == (here if inside else {"git_revision": NOWHERE, "dvc_revision": collection.first})


@pytest.mark.parametrize("home", [None, "", "/proc"])
def test_no_home_is_needed_and_nothing_stays(home, collection, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    fetch(tmp_path / "images", collection.source())
    with pytest.raises(UserError, match="no commit"):
        fetch(tmp_path / "images", collection.source(NOWHERE))
    assert {path.name for path in tmp_path.iterdir()} == {"images", "images.record.json", "temporary"}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("revision", "rest", "match"),
    [
        (NOWHERE, "", f"project has no commit {NOWHERE} on a branch or tag"),
        ("main", "", "40 hexadecimal digits of a commit, which `git rev-parse REVISION` prints; received 'main'"),
        ("", "#name=shapes", "cannot get data/images/shapes of .* at .*: 'data/images/shapes' is not there; check"),
        ("", "#remote=s4", "remote 's4' doesn't exist; check"),
        ("", "#remote=none", "127.0.0.1.*onnect.*; check"),
        ("", "#name=../weights/glyphs", "Weights; Images is needed"),
        ("", "#branch=main", "expected #name=NAME, #remote=REMOTE or #name=NAME&remote=REMOTE"),
        ("", "#edges", "expected #name=NAME, #remote=REMOTE or #name=NAME&remote=REMOTE"),
        ("", "#name=%00", "null byte"),
    ],
)  # fmt: skip
def test_what_cannot_be_got(revision, rest, match, collection, tmp_path):
    with pytest.raises(UserError, match=match) as caught:
        fetch(tmp_path / "images", collection.source(revision, rest))
    assert "\n" not in str(caught.value) and "geheim" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("/nowhere", "cannot clone /nowhere: .*does not exist; check"),
        ("--upload-pack=x", "cannot clone --upload-pack=x: "),
        ("", "received none"),
        ("http://127.0.0.1:9/x", "cannot clone http://127.0.0.1:9/x: .*onnect"),
        ("https://joe:geheim@127.0.0.1:9/x", "password"),
        ("https://geheim@127.0.0.1:9/x", "password"),
        ("HTTPS://127.0.0.1:9/x?token=geheim", "password"),
        ("https://joe:geh@eim/geheim#geheim@127.0.0.1:9/x", "password"),
        ("ssh://git:geheim@127.0.0.1:9/x", "password"),
        ("joe:geheim@127.0.0.1:x", "password"),
    ],
)
def test_an_address_that_cannot_be_cloned_or_says_too_much(address, match, tmp_path):
    with pytest.raises(UserError, match=match) as caught:
        fetch(tmp_path / "images", f"git+{address}@{NOWHERE}")
    assert "\n" not in str(caught.value) and "geheim" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["git@host:path", "host:path", "ssh://git@host:22/a/b@c", "/a:b@c", "file:///a:b@c"]
)
def test_addresses_without_a_secret(address):
    assert PinnedSource.parse(f"git+{address}@{NOWHERE}#remote=s3", "data/images", "edges") == PinnedSource(
        address, NOWHERE, "data/images/edges", "s3"
    )


def test_a_secret_is_not_shown_on_the_command_line(tmp_path):
    command = [sys.executable, "-m", "components", "fetch", "--data_set", "edges", "--max_quarantined", "0"]
    source = f"git+https://joe:geheim@127.0.0.1:9/x@{NOWHERE}"
    done = subprocess.run(
        [*command, "--source", source, "--images", str(tmp_path / "images")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: an address of git must not contain") and done.stderr.count("\n") == 1
    assert "geheim" not in done.stderr and list(tmp_path.iterdir()) == []


def flip_a_bit(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


NOT_WRITTEN = r"is not an artifact that a step made .*images\.csv is damaged .not what was written"


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("images/up/01.png", flip_a_bit, "edges is damaged, up/01.png first"),
        ("images/up/01.png", lambda content: None, "No storage files available: 'data/images/edges/images/up/01.png'"),
        ("images.csv", lambda content: content.replace(b",up,", b",down,"), NOT_WRITTEN),
        ("images.csv", lambda content: content.replace(b"up/01", b"up/91"), NOT_WRITTEN),
        ("images.csv", lambda content: content.replace(b"sha256", b"sha255"), NOT_WRITTEN),
        ("images.csv", lambda content: content.replace(b",01.png", b",02.png"), NOT_WRITTEN),
        ("images.csv", lambda content: b"", NOT_WRITTEN),
        ("artifact.json", lambda content: content[:99], "is not an artifact that a step made .*damaged"),
        ("artifact.json", lambda content: b"{}", "is not an artifact that a step made .*another version of Graft"),
        ("artifact.json", lambda content: content.replace(b"edges", b"wedges"), "the data set 'wedges', not 'edges'"),
    ],
)  # fmt: skip
def test_images_that_are_damaged_in_the_remote(file, change, match, collection, tmp_path):
    collection.fill(change, f"images/edges/{file}")
    with pytest.raises(UserError, match=match):
        fetch(tmp_path / "images", collection.source(rest="#remote=mine"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "match"), [(flip_a_bit, "the pinned weights are damaged"), (lambda content: None, "No storage files")]
)
def test_weights_that_are_damaged_in_the_remote(change, match, collection, tmp_path):
    collection.fill(change, "weights/glyphs/backbone.weights.h5")
    with pytest.raises(UserError, match=match):
        fetch_weights(tmp_path / "weights", collection.source(rest="#name=glyphs&remote=mine"))
    assert list(tmp_path.iterdir()) == []


def test_weights_are_of_the_backbone_that_is_asked_for(collection, tmp_path):
    with pytest.raises(UserError, match="of the backbone 'vgg16_small', not 'vgg16': name that"):
        fetch_weights(tmp_path / "weights", collection.source(rest="#name=glyphs"), "vgg16")
    with pytest.raises(UserError, match="'data/weights/vgg16_small' is not there"):
        fetch_weights(tmp_path / "weights", collection.source())


def test_what_was_unreadable_counts_again(collection, tmp_path):
    with pytest.raises(UserError, match=r"1 of 50 files are not readable images, .* that is allowed: up/notes\.txt"):
        fetch(tmp_path / "images", collection.source(), max_quarantined=0.01)


def test_a_registered_name_is_not_given_to_other_pinned_content(collection, tmp_path, monkeypatch):
    monkeypatch.setitem(DATA_SETS, "edges", DataSet("Edges", "CC0", "nobody", CLASSES, 48, NOWHERE))
    with pytest.raises(UserError, match=r"data/images/edges of .* is not the published edges"):
        fetch(tmp_path / "images", collection.source())


LISTS = {f"test{number}.txt": f"https://example.org/test{number}.txt" for number in range(2)}


def test_published_splits_are_part_of_what_is_whole(tmp_path, monkeypatch):
    source = write_images(tmp_path / "edges", 2)
    for number in range(2):
        lines = [f"{name}/0{number}.png {name}" for name in CLASSES]
        (tmp_path / "edges" / f"test{number}.txt").write_text("\n".join(lines))
    monkeypatch.setitem(DATA_SETS, "edges", DataSet("Edges", "CC0", "nobody", CLASSES, 6, "", test_lists=LISTS))
    images = fetch(tmp_path / "images", str(source))
    layout.check_pinned_images(images, 0)
    table = images.table("images.csv")
    images.write_table("images.csv", table.assign(part="0"))
    with pytest.raises(UserError, match=r"edges is damaged, images\.csv"):
        layout.check_pinned_images(images, 0)


def test_an_end_by_force_leaves_nothing(tmp_path):
    """Git's own children, which wait for a server that says nothing, end too: it sees the connection close."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"git+http://127.0.0.1:{server.getsockname()[1]}/x@{NOWHERE}"
        parameters = ["--data_set", "edges", "--max_quarantined", "0", "--source", source]
        (tmp_path / "temporary").mkdir()
        with subprocess.Popen(
            [sys.executable, "-m", "components", "fetch", *parameters, "--images", str(tmp_path / "images")],
            cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path / "temporary")}, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            connection, _ = server.accept()
            process.terminate()
            assert process.wait() == 130
        with connection:
            while connection.recv(1000):
                pass
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


@pytest.mark.parametrize("lacking", ["dvc", "git"])
def test_without_dvc_or_git(lacking, tmp_path, monkeypatch):
    if lacking == "dvc":
        monkeypatch.setitem(sys.modules, "dvc", None)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match="takes git and DVC: use the image `fetch`, or install git and `pip install dvc`"
    ):
        fetch(tmp_path / "images", f"git+/nowhere@{NOWHERE}")
