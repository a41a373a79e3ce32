"""The journal on servers and files that fail: no training is lost, one line says so, and all is written later."""

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import mlflow
import pytest
from mlflow.entities import Experiment

from components.data.artifacts import Classifier, Report
from components.data.records import Record
from components.machinery import executor
from components.machinery.code import ROOT
from components.machinery.running import run_step
from components.machinery.signature import load_step
from components.results import costs, tracking
from components.results.tracking import registry, runs, store, transport
from components.system.errors import UserError
from pipeline.__main__ import main
from tests.conftest import PARAMETERS, copy_recipe, evaluate, list_files_anew, recorded

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

LATER = "; `graft log` completes the journal later"
USER, PASSWORD = "hidden-user", "hidden-password"
Plan = Callable[[int], str | int]


class Proxy(ThreadingHTTPServer):
    """A server before the real one, which does with each request, counted from 0, what `plan` says.

    `pass` hands it on, `cut` breaks off before, `lost` after the real server has done its work; `hang` never answers;
    `sip` never has enough of the request; `dribble` answers a blank at a time, `endless` with all too many; a number is
    the status of the answer.
    """

    daemon_threads = False

    def __init__(self, server: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.real = urlsplit(server).netloc
        self.address = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.server_port}"
        self.released = threading.Event()
        self.follow(lambda number: "pass")

    def follow(self, plan: Plan) -> None:
        self.plan, self.requests, self.path = plan, 0, ""


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def handle_any(self) -> None:
        self.server.path = self.path
        action = self.server.plan(self.server.requests)
        self.server.requests += 1
        if action == "sip":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
            while not self.server.released.wait(0.05) and self.rfile.read(10_000):
                pass
            return
        body = self.read_body()
        headers = {name: value for name, value in self.headers.items() if name != "Transfer-Encoding"}
        if action == "hang":
            self.server.released.wait()
        elif action in ("dribble", "endless"):
            self.send_response(200)
            self.end_headers()
            blanks, pause = {"dribble": (1, 0.05), "endless": (100_000, 0)}[action]
            with suppress(ConnectionError):  # the client has had enough
                while not self.server.released.wait(pause):
                    self.wfile.write(b" " * blanks)
        elif isinstance(action, int):
            self.send_error(action, "refused by the test")
        elif action in ("pass", "lost"):
            real = HTTPConnection(self.server.real)
            real.request(self.command, self.path, body, headers)
            answer = real.getresponse()
            content = answer.read()
            real.close()
            if action == "pass":
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"] or "")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

    def read_body(self) -> bytes:
        """Return the body, which comes in chunks where it is an empty file."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while length := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def running(server) -> Iterator[Proxy]:
    with Proxy(server) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield proxy
        proxy.released.set()
        proxy.shutdown()
        thread.join()


@contextmanager
def at(address: str) -> Iterator[None]:
    """Keep the journal at an address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        tracking.client.cache_clear()
        yield
    tracking.client.cache_clear()


@pytest.fixture
def proxy(running, monkeypatch) -> Iterator[Proxy]:
    """The proxy, handing on all, before an empty journal."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    with at(running.address):
        put_away()
        running.follow(lambda number: "pass")
        yield running
        running.follow(lambda number: "pass")
        put_away()


def experiment() -> Experiment | None:
    return tracking.client().get_experiment_by_name("edges")


def put_away() -> None:
    """Give the experiment another name, so that the next begins with none."""
    if current := experiment():
        tracking.client().rename_experiment(current.experiment_id, f"edges {current.experiment_id}")


def files(folder: str, listed: Callable) -> dict[str, int | None]:
    sizes: dict[str, int | None] = {}
    for entry in listed(folder):
        sizes |= files(entry.path, listed) if entry.is_dir else {entry.path: entry.file_size}
    return sizes


def content() -> dict:
    """Return all that the journal holds, which is one run, without its own identifiers and times."""
    client, current = tracking.client(), experiment()
    assert current is not None
    (run,) = client.search_runs([current.experiment_id])
    run_id = run.info.run_id
    assert run.inputs is not None and run.outputs is not None
    (output,) = run.outputs.model_outputs
    (model,) = client.search_logged_models([current.experiment_id])
    assert model.model_id == output.model_id
    history = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    return {
        "experiment": set(current.tags),
        "tags": {name: value for name, value in run.data.tags.items() if name != runs.TRAINING},  # a live run's
        "params": run.data.params,
        "history": {name: sorted((point.step, point.value) for point in points) for name, points in history.items()},
        "status": run.info.status,
        "data": sorted(str(data_input.to_dictionary()) for data_input in run.inputs.dataset_inputs),
        "report": files("report", lambda folder: client.list_artifacts(run_id, folder)),
        "model": {*files("", lambda folder: client.list_logged_model_artifacts(model.model_id, folder))},
        "model status": model.status,
        "model params": model.params,
        "model metrics": sorted((metric.key, metric.value) for metric in model.metrics or []),
    }


def train(made: dict[str, Path], folder: Path) -> None:
    artifacts = {**made, "top": folder / "top", "classifier": folder / "classifier"}
    run_step("train_top", artifacts, {**PARAMETERS["train_top"], "seed": 9}, "edges")


def judge(made: dict[str, Path], folder: Path) -> None:
    evaluate({**made, "classifier": folder / "classifier", "report": folder / "report"})


def from_the(number: int, action: str | int) -> Plan:
    return lambda request: "pass" if request < number else action


PASS, DEAD = from_the(0, "pass"), from_the(0, "cut")
EPOCH = 7  # the request that logs the first epoch


@pytest.mark.parametrize(
    ("training", "evaluation", "lines"),
    [
        pytest.param(DEAD, DEAD, (1, 1), id="dead before"),
        pytest.param(from_the(EPOCH + 1, "cut"), DEAD, (1, 1), id="dead during"),
        pytest.param(PASS, DEAD, (0, 1), id="dead after"),
        pytest.param(lambda request: "cut" if request == EPOCH else "pass", PASS, (1, 0), id="restarted"),
        pytest.param(from_the(EPOCH, "lost"), from_the(12, "lost"), (1, 1), id="no answer comes"),
        pytest.param(from_the(0, 500), from_the(3, 500), (1, 1), id="500"),
        pytest.param(from_the(0, 401), from_the(0, 403), (1, 1), id="refused"),
        pytest.param(from_the(EPOCH, "dribble"), from_the(0, "hang"), (1, 1), id="dribbles, hangs"),
    ],
)
def test_no_training_is_lost_and_the_journal_is_the_same_later(
    made, proxy, tmp_path, monkeypatch, capfd, training, evaluation, lines
):
    if (training(EPOCH), evaluation(0)) == ("dribble", "hang"):
        monkeypatch.setattr(transport, "CALL_SECONDS", 1)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for do, plan, expected in ((train, training, lines[0]), (judge, evaluation, lines[1])):
        proxy.follow(plan)
        do(made, tmp_path)
        out, err = capfd.readouterr()
        assert [line.endswith(LATER) for line in err.splitlines() if "MLflow" in line] == [True] * expected
        assert "Traceback" not in err
        assert (out, PASSWORD in err, USER in err) == ("", False, False)
    proxy.follow(PASS)
    monkeypatch.undo()
    written = Classifier.read(tmp_path / "classifier"), recorded(tmp_path / "report")
    known = costs.report_costs(written[1], Record.read_all([made["comparison"].parent, tmp_path]))
    assert tracking.complete_run(*written) is (lines[1] > 0)
    tracking.complete_run(*written, known)
    later = content()
    assert known.keys() <= later["history"].keys()
    put_away()
    tracking.complete_run(*written, known)
    assert later == content()
    assert capfd.readouterr().out == ""


def test_a_slow_server_is_left_alone_and_the_evaluation_completes_the_run(made, proxy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "LIVE_SECONDS", 0)
    train(made, tmp_path)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "MLflow" in line]
    assert re.search(r"is too slow: \d+\.\d s for 1 epochs; .* later$", line)
    assert proxy.requests == EPOCH + 1
    judge(made, tmp_path)
    assert len(content()["history"]["epoch/loss"]) == PARAMETERS["train_top"]["epochs"]
    assert "MLflow" not in capsys.readouterr().err


def test_a_run_broken_off_at_any_request_is_completed_to_the_same(made, proxy, tmp_path):
    """The server takes N requests, of the last of which the answer is lost, for every N; the report is made smaller.

    Without GRAFT_SLOW, for every ninth.
    """
    every = 1 if os.environ.get("GRAFT_SLOW") else 9
    shutil.copytree(
        made["benchmark"], tmp_path / "report", ignore=shutil.ignore_patterns("*.png", "c*.csv", "slices.csv")
    )
    written = Classifier.read(made["classifiers/benchmark"]), list_files_anew(Report, tmp_path / "report")
    proxy.follow(PASS)
    tracking.complete_run(*written)
    needed = proxy.requests
    expected = content()
    assert needed > 30
    for number in range(0, needed, every):
        put_away()
        proxy.follow(from_the(number, "lost"))
        with pytest.raises(UserError):
            tracking.complete_run(*written)
        assert proxy.requests == number + 1
        proxy.follow(PASS)
        assert tracking.complete_run(*written) is (number < needed - 1)
        assert content() == expected, f"broken off at request {number}"


@pytest.mark.parametrize(("action", "problem"), [("dribble", "no whole answer within 0.5 s"), ("endless", "than 1 MB")])
def test_a_call_ends_whatever_comes(made, proxy, monkeypatch, action, problem):
    monkeypatch.setattr(transport, "CALL_SECONDS", 30 if action == "endless" else 0.5)
    monkeypatch.setattr(transport, "CALL_BYTES", 1_000_000)
    proxy.follow(from_the(0, action))
    with pytest.raises(UserError, match=problem):
        tracking.experiment_ids()


def test_a_file_goes_up_and_down_as_long_as_it_moves(proxy, tmp_path, monkeypatch):
    """It is larger than any answer to a call may be, and than all buffers on its way."""
    monkeypatch.setattr(transport, "CALL_BYTES", 1_000_000)
    file = tmp_path / "large"
    file.write_bytes(bytes(20_000_000))
    client = tracking.client()
    run = client.create_run(client.create_experiment("edges")).info

    def upload() -> None:
        client.log_artifact(run.run_id, str(file))

    def download() -> int:
        with TemporaryDirectory(dir=tmp_path) as folder:
            back = mlflow.artifacts.download_artifacts(f"{run.artifact_uri}/large", dst_path=folder)
            return Path(back).stat().st_size

    upload()
    assert download() == 20_000_000
    monkeypatch.setattr(transport, "RATE_SECONDS", 0.5)
    monkeypatch.setattr(transport, "SLOWEST", 1_000_000)
    for move, action in ((upload, "sip"), (download, "dribble")):
        proxy.follow(lambda request, action=action: action if "/large" in proxy.path else "pass")
        with pytest.raises(UserError, match=r"less than 1000 kB/s for 0.5 s"), store.one_line_errors():
            move()


def test_what_another_process_makes_meanwhile_is_used(made, proxy, server):
    others = mlflow.MlflowClient(server)
    makers = {
        "experiments/create": lambda: others.create_experiment("edges"),
        "registered-models/create": lambda: others.create_registered_model("edges"),
    }

    def make_it_first(request: int) -> str:
        for path in [path for path in makers if proxy.path.endswith(path)]:
            makers.pop(path)()
        return "pass"

    proxy.follow(make_it_first)
    try:
        assert registry.promote(Classifier.read(made["classifiers/top"]), Report.read(made["top"]))[0]
        assert not makers
        assert content()["status"] == "FINISHED"
        assert len(others.search_model_versions("name = 'edges'")) == 1
    finally:
        others.delete_registered_model("edges")


def test_an_experiment_that_was_deleted_is_restored_and_a_line_says_so(made, proxy, capsys):
    written = Classifier.read(made["classifiers/top"]), Report.read(made["top"])
    tracking.complete_run(*written)
    before, current = content(), experiment()
    assert current is not None
    tracking.client().delete_experiment(current.experiment_id)
    assert not tracking.complete_run(*written)
    assert capsys.readouterr().err == "the experiment 'edges' was deleted in MLflow: it is restored, with its runs\n"
    assert content() == before


def test_no_password_arrives_anywhere(made, proxy, database, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hidden-token")
    tracking.complete_run(Classifier.read(made["classifiers/top"]), Report.read(made["top"]))
    folder = Path(database.removeprefix("sqlite:///")).parent
    stored = [path for path in folder.rglob("*") if path.is_file()]
    assert len(stored) > 15
    for path in stored:
        for secret in (PASSWORD, "hidden-token", USER):
            assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no http://a:b@host:5/x here", "no http://host:5/x here"),
        ("postgresql+x://a:b/c@d?e@host/db?sslpassword=f&g=h.", "postgresql+x://host/db?..."),
        ("https://host/x?token=f, /api?name=edges", "https://host/x?... /api?name=edges"),
        ("b'Bearer hidden-token\\n' is no header; hidden-user", "b'Bearer ...\\n' is no header; ..."),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_what_signs_in_is_taken_out_of_a_text(monkeypatch, text, expected):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hidden-token\n")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "hidden-user")
    assert store.without_secrets(text) == expected


SECRETS = (
    "hi den",
    "hi%20den",
    "hi+den",
    "hid/den",
    "hid@den",
    "hid%40den",
    "hid?den",
    "hid#den",
    "hid'den",
    'hid"den',
)
BAD = [
    "postgres://user:hid'den@127.0.0.1:1/db",
    "postgresql://user:hi den@127.0.0.1:1/db",
    "postgresql://user:hid/den@127.0.0.1:1/db",
    "postgresql://user:hid@den@127.0.0.1:1/db",
    "postgresql://user:hid%40den@127.0.0.1:1/db",
    "postgresql+psycopg2://user:hid%40den@127.0.0.1:1/db?sslmode=hi%20den",
    "postgresql+psycopg2://user:hid'den@127.0.0.1:1/db?options=hid@den",
    "postgresql://user:hid'den",
    "mysql://user:hid'den@127.0.0.1:1/db",
    "sqlite://user:hi den@127.0.0.1/db",
    "sqlite:////proc/%/mlflow.db?key=hi den",
    "http://user:hi den@127.0.0.1:1",
    "http://user:hi%20den@127.0.0.1:1",
    "http://user:hid?den@127.0.0.1:1/",
    "http://user:hid#den@127.0.0.1:1",
    'http://user:hid"den@127.0.0.1:1',
    "http://user:hid'den@127.0.0.1:1",
    "http://user:hi+den@127.0.0.1:port",
    "http://127.0.0.1:1/?token=hi%20den#hid'den",
    "http://[127.0.0.1:1/?token=hi+den",
    "user:hi den@127.0.0.1",
    "postgresql:/user:hid/den@127.0.0.1/db",
    "other://user:hi den@127.0.0.1",
]


def check_plain(text: str) -> None:
    """Check that a text is one line, without what signs in, whole or in part."""
    assert text.strip() and text.strip().count("\n") == 0, text
    assert not [secret for secret in SECRETS if secret in text] and not re.search(
        r"\b(user(?! name)|hid?|den)\b", text
    ), text
    assert "Traceback" not in text


@pytest.mark.parametrize("address", BAD)
def test_no_secret_of_an_address_is_shown(made, address, tmp_path, monkeypatch, capfd):
    """Of whatever spelling: by what is asked of the journal, by a training, and by what Kubeflow is told."""
    monkeypatch.chdir(tmp_path)
    classifier = Classifier.read(made["classifiers/top"])
    with at(address):
        for action in (tracking.experiment_ids, lambda: tracking.complete_run(classifier, Report.read(made["top"]))):
            with pytest.raises(UserError) as refused:
                action()
            check_plain(str(refused.value))
        capfd.readouterr()
        with tracking.live_run(classifier, "top"):
            pass
        check_plain(capfd.readouterr().err)
        executor.mlflow_metadata(classifier)
        out, err = capfd.readouterr()
        assert out == ""
        if err:
            check_plain(err)


MYSQL = "mysql://user:hid'den@127.0.0.1:1/db", "MLflow at mysql://127.0.0.1:1/db did not take this: "


@pytest.mark.parametrize(
    ("command", "address", "message"),
    [
        *((command, *MYSQL) for command in ("predict", "export", "ui", "log", "promote")),
        ("predict", "postgres://user:hid'den@host/db", "give postgresql://"),
        ("ui", "postgresql://user:hi den@host/db", "percent-encode it"),
    ],
)
def test_a_command_whose_store_is_none_says_so_in_a_line(made, tmp_path, command, address, message):
    copy_recipe(made, tmp_path / "artifacts/edges")
    model = ("--model", "models:/edges@champion")
    arguments = {"predict": (*model, "a"), "export": (*model, "--to", "onnx", "a.onnx"), "promote": ("edges",)}
    (tmp_path / "a").touch()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", command, *arguments.get(command, ())],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": address, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    check_plain(done.stderr)


@pytest.mark.parametrize("command", ["predict", "export", "ui", "log", "promote"])
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgres://user:pass@host/db", "`postgres`, which SQLAlchemy does not know: give postgresql://"),
        ("mssql+pyodbc://host/db", "No module named 'pyodbc'; correct MLFLOW_TRACKING_URI, or install the driver"),
        ("foo://bar", "unsupported URI 'foo://bar' .*; correct MLFLOW_TRACKING_URI, or install the driver"),
        ("sqlite:///a", "file is not a database; see to the rights of the file and its folder, or move it away"),
        ("sqlite:///locked/mlflow.db", "; see to the rights of the file and its folder, or move it away"),
    ],
)
def test_a_store_that_cannot_be_opened_is_one_line_with_advice(made, tmp_path, monkeypatch, command, address, message):
    monkeypatch.chdir(tmp_path)
    copy_recipe(made, tmp_path / "artifacts/edges")
    Path("a").write_text("this is no database, though it is long enough to be one" * 20)
    Path("locked").symlink_to("/proc/self")  # where nobody, root neither, makes a file
    model = ("--model", "models:/edges@champion")
    arguments = {"predict": (*model, "a"), "export": (*model, "--to", "onnx", "a.onnx"), "promote": ("edges",)}
    with at(address), pytest.raises(UserError, match=message) as refused:
        main([command, *arguments.get(command, ())])
    assert "pass" not in str(refused.value)


def log_badly(made: dict[str, Path], capfd: pytest.CaptureFixture, message: str) -> None:
    """Go through a training and an evaluation on a store that fails, which say one line each."""
    classifier = Classifier.read(made["classifiers/top"])
    tracking.client.cache_clear()
    with tracking.live_run(classifier, "top") as log_epoch:
        for epoch in (1, 2):
            log_epoch(epoch, {"loss": 1.0})
    tracking.complete_run_or_warn(classifier, Report.read(made["top"]))
    out, err = capfd.readouterr()
    assert [message in line and line.endswith(LATER) for line in err.splitlines()] == [True, True], err
    assert out == ""
    assert PASSWORD not in err


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("foo://bar", "unsupported URI 'foo://bar'"),
        ("http://", "names no server: 'http://'"),
        (f"postgresql://{USER}:{PASSWORD}@127.0.0.1:1/db?sslpassword={PASSWORD}", "MLflow at postgresql://127.0.0.1:1/db?..."),
        ("sqlite:///text.db", "file is not a database"),
        ("sqlite:////proc/mlflow.db", "MLflow at sqlite:////proc/mlflow.db"),
        ("sqlite:///file:read_only.db?mode=ro&uri=true", "attempt to write a readonly database"),
    ],
)  # fmt: skip
def test_a_store_that_is_none_costs_a_line(made, database, tmp_path, monkeypatch, capfd, address, message):
    monkeypatch.chdir(tmp_path)
    Path("text.db").write_text("this is no database, though it is long enough to be one" * 20)
    shutil.copy(database.removeprefix("sqlite:///"), "read_only.db")
    with at(address):
        log_badly(made, capfd, message)
    assert Path("text.db").read_text().startswith("this is no database")


def test_a_full_disk_costs_a_line_and_the_journal_is_written_later(made, database, tmp_path, monkeypatch, capfd):
    """No file may grow beyond two pages of SQLite, as on a full disk."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(database.removeprefix("sqlite:///"), "mlflow.db")
    with at("sqlite:///mlflow.db"):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        try:
            log_badly(made, capfd, "MLflow at sqlite:///mlflow.db did not take this: ")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        put_away()
        assert tracking.complete_run(Classifier.read(made["classifiers/top"]), Report.read(made["top"]))
        assert content()["status"] == "FINISHED"


BOTH = """
from components.__main__ import main
main(["train_top", *{training}])
main(["evaluate", *{evaluation}])
"""


@pytest.mark.slow  # processes, each with MLflow
def test_two_processes_make_one_new_store(made, tmp_path):
    """Each trains and evaluates by the command line, at the same time."""
    address = f"sqlite:///{tmp_path}/new/mlflow.db"
    running = []
    for seed in ("21", "22"):
        folder = tmp_path / seed
        folder.mkdir()
        parameters = {"train_top": {**PARAMETERS["train_top"], "seed": seed}, "evaluate": PARAMETERS["evaluate"]}
        at_hand = {**made, "top": folder / "top", "classifier": folder / "classifier", "report": folder / "report"}
        lines = {
            name: [f"--{key}={value}" for key, value in {**parameters[name], **artifacts_of(name, at_hand)}.items()]
            for name in parameters
        }
        code = BOTH.format(training=lines["train_top"], evaluation=lines["evaluate"])
        environment = {**os.environ, "MLFLOW_TRACKING_URI": address, "PYTHONPATH": str(ROOT)}
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", code], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
            )
        )
    for process in running:
        output = process.communicate()[1]
        assert process.returncode == 0, output
        assert "MLflow" not in output and "Traceback" not in output
    with at(address):
        current = experiment()
        assert current is not None
        trained = tracking.client().search_runs([current.experiment_id])
    assert {run.data.params["train_top.seed"] for run in trained} == {"21", "22"}
    assert [run.data.tags[runs.COMPLETE] for run in trained] == ["true", "true"]


@pytest.mark.slow  # eight processes, each with MLflow
@pytest.mark.parametrize("kind", ["file", "server"])
def test_any_number_of_processes_log_the_same_results_at_once(made, tmp_path, request, kind):
    """All end well, and what they write is there once."""
    address = f"sqlite:///{tmp_path}/mlflow.db" if kind == "file" else request.getfixturevalue("server")
    copy_recipe(made, tmp_path / "artifacts/edges")
    with at(address):
        put_away()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pipeline", "log"]
        running = [
            subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert [(process.communicate()[1], process.returncode) for process in running] == [("", 0)] * 4
        current = experiment()
        assert current is not None
        runs_logged = tracking.client().search_runs([current.experiment_id])
        fingerprints = [run.data.tags[runs.FINGERPRINT] for run in runs_logged]
        models = [model.source_run_id for model in tracking.client().search_logged_models([current.experiment_id])]
        assert len({*fingerprints}) == len(fingerprints) == len(Report.list_in(tmp_path / "artifacts/edges"))
        assert len({*models}) == len(models) > 0
        put_away()


def artifacts_of(name: str, at_hand: dict[str, Path]) -> dict[str, Path]:
    step = load_step(name)
    return {key: at_hand[key] for key in (*step.inputs, *step.outputs)}


def size(file: Path) -> int:
    """Return the bytes of a file, none where it is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.slow  # five processes, each with MLflow
def test_a_store_whose_making_is_killed_is_made_anew(tmp_path):
    """MLflow alone is left with a store that it never opens again."""
    database = tmp_path / "mlflow.db"
    script = "from components.results import tracking; print(tracking.experiment_ids())"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)}
    fresh, midway = Path(f"{database}.unfinished"), 0
    for half in (1, 20_000, 200_000, 600_000):  # bytes
        with subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL) as making:
            while making.poll() is None and size(fresh) < half:
                time.sleep(0.001)
            making.kill()
        midway += fresh.exists()
        database.unlink(missing_ok=True)  # where it was quicker than the kill
    assert midway
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
