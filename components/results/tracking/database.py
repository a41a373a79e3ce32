"""A store that is a database: made whole, in a folder of any name, and re-addressed where it was moved or copied.

MLflow keeps the address of every artifact with the folder in which the store was made.
"""

import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from components.system.project import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCAL = "sqlite:///mlflow.db"
SQLITE = "sqlite:///"
ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"  # MLflow's variable for where a store that it opens puts artifacts
ARTIFACTS = "mlruns"  # MLflow's name for that folder
COLUMNS = (  # of MLflow's tables, with addresses of artifacts
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)
PATIENCE = 20  # seconds for another process that writes


def open_client(address: str) -> "MlflowClient":
    """Return MLflow's client of a database; a missing SQLite file is made, and the project's own re-addressed if moved.

    Args:
        address: As SQLAlchemy takes it; it is MLflow's tracking address already.
    """
    import mlflow
    from mlflow.store.db import utils  # which an image of the steps has not

    utils.MAX_RETRY_COUNT = 1  # it would try a broken database for 100 seconds
    migrations = str(Path(utils._get_package_dir(), "store", "db_migrations"))
    utils._get_alembic_config = partial(  # which takes a % in a path for a variable
        utils._get_alembic_config, alembic_dir=migrations.replace("%", "%%")
    )
    with artifacts_in_project():
        create_tables(address)
        client = mlflow.MlflowClient(address)
    if address == LOCAL and (line := bring_along(Path(address.removeprefix(SQLITE)))):
        print(line, file=sys.stderr)
    return client


def resolve_in_project(address: str) -> str:
    """Return a relative SQLite address, in a copy of a project, with the project's path; any other address unchanged.

    That file is the project's, not one in the copy, which DVC throws away with the experiment's folder.
    """
    root, place = project_root(), address.removeprefix(SQLITE)
    if root == Path.cwd() or not address.startswith(SQLITE) or place.startswith("/"):
        return address
    return f"{SQLITE}{quote(str(root))}/{place}"


@contextmanager
def artifacts_in_project() -> Iterator[None]:
    """Let MLflow put the artifacts of a new store, opened in the block, into the project's `mlruns`, addressed by URI.

    MLflow takes a path for an address, and a quote or a colon in it for SQL.
    """
    if ROOT in os.environ:  # within a server of MLflow's
        yield
        return
    os.environ[ROOT] = (project_root() / ARTIFACTS).as_uri()
    try:
        yield
    finally:
        del os.environ[ROOT]


def create_tables(address: str) -> None:
    """Create the store if it is a missing SQLite file, in one process and under another name until it is whole.

    MLflow cannot make one in two processes, nor open one whose making was broken off.
    """
    import mlflow

    place = address.removeprefix(SQLITE).partition("?")[0]
    file, fresh = Path(unquote(place)), Path(unquote(f"{place}.unfinished"))
    if not address.startswith(SQLITE) or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with lock_store(file):
        if not file.exists():
            remove_database(fresh)
            mlflow.MlflowClient(f"{SQLITE}{place}.unfinished").search_experiments()
            fresh.replace(file)


@contextmanager
def lock_store(file: Path) -> Iterator[None]:
    """Let one process at a time into the block, by a lock beside the store's file."""
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_database(file: Path) -> None:
    """Remove a SQLite file, if there is one, and its journal, which would be played into the next of that name."""
    for ending in ("", "-journal", "-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)


def bring_along(file: Path) -> str:
    """Re-address a store to the artifacts beside it if it was moved or copied with them; return a line on it, else "".

    It was if MLflow's first experiment, which is made with the store, lies elsewhere than in `mlruns` beside the file.
    All addresses below its `mlruns` are changed, and no others, in one transaction, after a copy of the file. Where the
    artifacts have stayed behind nothing is changed, nor where the file is a link to a store that lies elsewhere.
    """
    here = file.absolute().with_name(ARTIFACTS)
    if file.is_symlink() or not former_artifacts(file, here):
        return ""
    with lock_store(file):
        there = former_artifacts(file, here)  # not where another process has changed it meanwhile
        if there is None:
            return ""
        backup = Path(f"{file}.before-move")
        changed = change_addresses(file, there, here, backup)
    return (
        f"{file} was moved or copied here from {there.parent}: {changed} addresses of artifacts lead to {here} now; "
        f"{backup} is the file as it was"
    )


def former_artifacts(file: Path, here: Path) -> Path | None:
    """Return the `mlruns` that a store names elsewhere, if that is gone or the one here holds anything; else None."""
    with closing(sqlite3.connect(file, timeout=PATIENCE)) as connection:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    first = local_path(row[0] if row else "")
    if first is None or first.name != "0" or first.parent.name != ARTIFACTS:
        return None
    there = first.parent
    with suppress(OSError):  # of a folder that is gone, or not ours to see
        there.stat()
        if not any(here.glob("*")) or there.samefile(here):
            return None
    return None if there == here else there


def local_path(address: str | None) -> Path | None:
    """Return the path that a `file:` address or an absolute path stands for; None for any other address."""
    parts = urlsplit(address or "")
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(address) if address and address.startswith("/") else None


def change_addresses(file: Path, there: Path, here: Path, backup: Path) -> int:
    """Put `here` in place of `there` in all addresses below it, in one transaction; return in how many.

    Args:
        file: The SQLite file.
        there: The folder of the artifacts before.
        here: The folder now.
        backup: Where a copy of the file as it was goes first.
    """
    unfinished, new, changed = Path(f"{backup}.unfinished"), f"{here.as_uri()}/", 0
    with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # from here on nobody else writes
        remove_database(unfinished)
        with closing(sqlite3.connect(file)) as reader, closing(sqlite3.connect(unfinished)) as copy:
            reader.backup(copy)
        unfinished.replace(backup)
        for table, column in COLUMNS:
            for old in (f"{there}/", f"{there.as_uri()}/"):
                changed += connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old), old),
                ).rowcount
        connection.execute("COMMIT")
    return changed
