"""Where the journal is: its address, its client, and one line for whatever goes wrong there."""

import fcntl
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import UserError, public

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCAL = "sqlite:///mlflow.db"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request that was taken, though no answer came, is not to be done twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
}
LATER = "`python -m pipeline log` completes the journal later"


def address() -> str:
    """Return the tracking address: MLFLOW_TRACKING_URI, or a local SQLite file; `off` keeps no journal."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL


def shown() -> str:
    """Return the tracking address without what signs in there."""
    return without_secrets(address())


def served() -> bool:
    """Return whether a server keeps the journal."""
    return address().startswith(("http://", "https://"))


@contextmanager
def plain() -> Iterator[None]:
    """Turn whatever a server, a proxy or a database throws into one line, without user name, password and token."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(without_secrets(str(error).partition("[SQL:")[0]).split())[:300]
        raise UserError(f"MLflow at {shown()} did not take this: {reason}") from error


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the action gives, or None after one line on standard error: the training comes first."""
    try:
        with plain():
            return action(*arguments)
    except UserError as error:
        print(f"{error}; {LATER}", file=sys.stderr)
        return None


def without_secrets(text: str) -> str:
    """Return a text without the secrets of its addresses, and without what signs in to MLflow."""
    text = public(text)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        if secret := os.environ.get(f"MLFLOW_TRACKING_{name}", "").strip():
            text = text.replace(secret, "...")
    return text


@cache
def client() -> "MlflowClient":
    """Return a client of the store, which prints nothing and waits for no answer longer than its settings say.

    Raises:
        UserError: There is no store: the journal is off, or its address names no server.
    """
    if address() == "off":
        raise UserError("MLFLOW_TRACKING_URI is `off`: there is no journal")
    if re.fullmatch("https?:/*", address()):
        raise UserError(f"MLFLOW_TRACKING_URI names no server: {address()!r}; give http://HOST:PORT")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if not served():
        from mlflow.store.db import utils  # which an image of the steps has not

        utils.MAX_RETRY_COUNT = 1  # it would try a broken database for 100 seconds
        _make_tables()
    mlflow.set_tracking_uri(address())
    return mlflow.MlflowClient()


def _make_tables() -> None:
    """Make a SQLite store that is not there, in one process and under another name until it is whole.

    MLflow cannot make one in two processes, nor open one whose making was broken off.
    """
    import mlflow

    file = Path(address().removeprefix("sqlite:///").partition("?")[0])
    if not address().startswith("sqlite:///") or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            fresh = Path(f"{file}.unfinished")
            for left in file.parent.glob(f"{fresh.name}*"):  # its journal too, which would be played into the new one
                left.unlink()
            mlflow.MlflowClient(f"sqlite:///{fresh}").search_experiments()
            fresh.replace(file)
