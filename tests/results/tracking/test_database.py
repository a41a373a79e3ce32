"""The store as a database: in a folder of any name, and after a move or a copy, which may be killed or done twice."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow.store.db import utils

from components.data.artifacts import Classifier
from components.machinery.code import ROOT
from components.results import tracking
from components.results.delivered import open_model
from components.results.tracking import database, registry
from components.system.errors import UserError
from tests.conftest import CLASSES, digests, recorded

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ODD = 'it\'s "x" 100%41 :b?#'


def address_of(folder: Path) -> str:
    return f"sqlite:///{quote(str(folder))}/mlflow.db"


def change(file: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def texts(file: Path) -> list[tuple[str, str, int, str]]:
    """Return every text in every table of a SQLite file, with table, column and row."""
    with closing(sqlite3.connect(file)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = []
        for table in tables:
            cursor = connection.execute(f"SELECT * FROM {table}")
            columns = [column for column, *_ in cursor.description]
            for number, row in enumerate(cursor):
                found += [(table, *pair[:1], number, pair[1]) for pair in zip(columns, row, strict=True)]
    return [entry for entry in found if isinstance(entry[-1], str)]


@pytest.fixture(scope="module")
def project(made, database, tmp_path_factory) -> Path:
    """A folder of an odd name with a store in which a model is champion, and a trace's tag; not to be changed."""
    folder = tmp_path_factory.mktemp("projects") / ODD
    folder.mkdir()
    file = Path(shutil.copy(database.removeprefix("sqlite:///"), folder / "mlflow.db"))
    for table in {table for table, *_ in texts(file)} - {"alembic_version", "workspaces"}:
        change(file, f"DELETE FROM {table}")  # what MLflow makes anew, as in a new store
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", address_of(folder))
        tracking.client.cache_clear()
        assert registry.promote(Classifier.read(made["classifiers/top"]), recorded(made["top"]))[0]
        tracking.client.cache_clear()
    trace = f"{(folder / 'mlruns').as_uri()}/1/traces/tr-1/artifacts"
    change(file, "INSERT INTO trace_tags (key, value, request_id) VALUES ('mlflow.artifactLocation', ?, 'tr-1')", trace)
    return folder


@pytest.fixture
def copy(project, tmp_path) -> Path:
    return shutil.copytree(project, tmp_path / "copy")


# A folder of any name


def test_a_store_lies_with_its_artifacts_in_a_folder_of_any_name(project, monkeypatch):
    files = {path for path in project.parent.rglob("*") if path.is_file()}
    assert all(project in path.parents for path in files)
    assert any(path.name == "model.keras" for path in files)
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address_of(project))
    tracking.client.cache_clear()
    assert open_model("models:/edges@champion").classes == [*CLASSES]
    tracking.client.cache_clear()
    assert database.ROOT not in os.environ


def test_an_experiment_in_a_copy_of_the_project_writes_the_project_s_journal(database, tmp_path, monkeypatch):
    """The copy goes with the experiment, and would take a journal of its own with it."""
    copy = tmp_path / ODD / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / ODD))
    for address in ("", "sqlite:///mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert tracking.store.tracking_address() == address_of(tmp_path / ODD)
    for address in ("off", "http://127.0.0.1:5000", address_of(tmp_path)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert tracking.store.tracking_address() == address
    shutil.copy(database.removeprefix("sqlite:///"), tmp_path / ODD / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    tracking.client.cache_clear()
    store = tracking.client()
    location = store.get_experiment(store.create_experiment("edges")).artifact_location
    assert location.startswith((tmp_path / ODD / "mlruns").as_uri())
    tracking.client.cache_clear()
    assert not [*copy.iterdir()]


def test_mlflow_may_be_installed_in_a_folder_with_a_percent_sign(project, tmp_path, monkeypatch):
    installed = tmp_path / "100%(here)s"
    installed.symlink_to(utils._get_package_dir())
    monkeypatch.setattr(utils, "_get_alembic_config", utils._get_alembic_config)
    monkeypatch.setattr(utils, "_get_package_dir", lambda: str(installed))
    shutil.copy(project / "mlflow.db", tmp_path / "100%25.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/100%2525.db")
    tracking.client.cache_clear()
    assert [*tracking.experiment_ids()] == ["edges"]
    tracking.client.cache_clear()


@pytest.mark.slow  # a new store
def test_a_new_store_is_made_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / ODD
    folder.mkdir()
    done = run_in(folder, "from components.results import tracking; print(tracking.experiment_ids())").communicate()
    assert done == ("{}\n", "")
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


# A folder that was moved or copied


def run_in(folder: Path, script: str) -> subprocess.Popen[str]:
    """Start Python in a folder, with the journal at its default address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": ""}
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("spell", [Path.as_uri, str], ids=["by its URI", "by its path, as MLflow does"])
def test_a_copy_leads_to_its_own_artifacts_and_all_else_stays(project, copy, spell):
    file, there, here = copy / "mlflow.db", project / "mlruns", copy / "mlruns"
    for table, column in database.COLUMNS:
        change(file, f"UPDATE {table} SET {column} = replace({column}, ?, ?)", there.as_uri(), spell(there))
    elsewhere = ["s3://bucket/mlruns/7", "/elsewhere/mlruns/8", f"{spell(there)}-2/9", f"s3:/{there}/10"]
    for number, address in enumerate(elsewhere, start=7):
        change(
            file,
            "INSERT INTO experiments (experiment_id, name, artifact_location, workspace) VALUES (?1, ?1, ?2, '')",
            str(number),
            address,
        )
    before = texts(file)
    line = database.bring_along(file)
    after = texts(file)
    changed = [(*old[:3], new[3]) for old, new in zip(before, after, strict=True) if old != new]
    expected = [
        (*key, text.replace(f"{spell(there)}/", f"{here.as_uri()}/"))
        for *key, text in before
        if text.startswith(f"{spell(there)}/")
    ]
    assert changed == expected
    assert {(table, column) for table, column, *_ in changed} | {("model_versions", "source")} == {*database.COLUMNS}
    assert [text for *_, text in after if str(there) in text or there.as_uri() in text] == elsewhere[2:]
    assert line == (
        f"{file} was moved or copied here from {project}: {len(changed)} addresses of artifacts lead to {here} now; "
        f"{file}.before-move is the file as it was"
    )
    assert texts(Path(f"{file}.before-move")) == before
    assert database.bring_along(file) == ""
    assert {path.name for path in copy.iterdir()} == {"mlflow.db", "mlflow.db.before-move", "mlflow.db.lock", "mlruns"}


USED = """
import mlflow
from components.results import tracking
client = tracking.client()
(run,) = client.search_runs([*tracking.experiment_ids().values()])
client.log_text(run.info.run_id, "text", "{name}")
print(mlflow.artifacts.download_artifacts("models:/edges@champion/MLmodel"))
"""


def test_two_processes_at_once_use_a_copy_and_leave_the_original_as_it_was(project, copy):
    """Each finds the champion, and writes; one of them says that the copy was re-addressed."""
    before = digests(project)
    running = [run_in(copy, USED.format(name=name)) for name in ("first", "second")]
    out, err = zip(*(process.communicate() for process in running), strict=True)
    assert [process.returncode for process in running] == [0, 0], err
    assert "".join(err).startswith("mlflow.db was moved or copied here from ") and "".join(err).count("\n") == 1
    assert all(Path(line.strip()).is_relative_to(copy / "mlruns") for line in out)
    assert {path.name for path in copy.rglob("*")} >= {"first", "second"}
    assert digests(project) == before
    assert texts(copy / "mlflow.db.before-move") == texts(project / "mlflow.db")


def test_a_model_whose_files_are_gone_is_one_line(copy, monkeypatch):
    database.bring_along(copy / "mlflow.db")
    shutil.rmtree(copy / "mlruns")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address_of(copy))
    tracking.client.cache_clear()
    with pytest.raises(UserError, match="the files of models:/edges@champion are no longer where MLflow says"):
        open_model("models:/edges@champion")
    tracking.client.cache_clear()


KILLED = """
import os
from itertools import chain
from pathlib import Path
from components.results.tracking import database
database.COLUMNS = chain(database.COLUMNS[:{number}], map(os.kill, [os.getpid()], [9]))
database.bring_along(Path("mlflow.db"))
"""


@pytest.mark.parametrize("number", [0, len(database.COLUMNS)])
def test_a_kill_midway_leaves_the_store_as_it_was_and_the_next_command_completes_it(project, copy, number):
    before = texts(copy / "mlflow.db")
    process = run_in(copy, KILLED.format(number=number))
    assert process.communicate() == ("", "") and process.returncode == -signal.SIGKILL
    assert texts(copy / "mlflow.db") == before
    (copy / "mlflow.db.before-move.unfinished").write_text("half")
    assert database.bring_along(copy / "mlflow.db")
    assert not [text for *_, text in texts(copy / "mlflow.db") if project.as_uri() in text]
    assert texts(copy / "mlflow.db.before-move") == before


def leave_artifacts(project: Path, folder: Path) -> None:
    shutil.copy(project / "mlflow.db", folder)


def link_file(project: Path, folder: Path) -> None:
    (folder / "mlflow.db").symlink_to(project / "mlflow.db")
    (folder / "mlruns/1").mkdir(parents=True)


def link_both(project: Path, folder: Path) -> None:
    os.link(project / "mlflow.db", folder / "mlflow.db")
    (folder / "mlruns").symlink_to(project / "mlruns")


def serve(project: Path, folder: Path) -> None:
    leave_artifacts(project, folder)
    (folder / "mlruns/1").mkdir(parents=True)
    change(
        folder / "mlflow.db", "UPDATE experiments SET artifact_location = 'mlflow-artifacts:/0' WHERE name = 'Default'"
    )


@pytest.mark.parametrize("place", [leave_artifacts, link_file, link_both, serve])
def test_a_store_whose_artifacts_are_where_it_says_stays_as_it_is(project, tmp_path, place: Callable):
    place(project, tmp_path)
    before = (tmp_path / "mlflow.db").read_bytes()
    assert database.bring_along(tmp_path / "mlflow.db") == ""
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_store_at_another_address_than_the_default_stays_as_it_is(copy, monkeypatch, capsys):
    monkeypatch.chdir(copy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address_of(copy))
    before = (copy / "mlflow.db").read_bytes()
    tracking.client.cache_clear()
    assert [*tracking.experiment_ids()] == ["edges"]
    tracking.client.cache_clear()
    assert (copy / "mlflow.db").read_bytes() == before
    assert capsys.readouterr().err == ""
