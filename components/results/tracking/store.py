"""Where the journal is: its address, its client, and one line for whatever goes wrong there."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from components.results.tracking import database
from components.results.tracking.database import LOCAL, resolve_in_project
from components.system.errors import UserError, redact
from components.system.libraries import without_collection

if TYPE_CHECKING:
    from mlflow import MlflowClient

Given = ParamSpec("Given")
Result = TypeVar("Result")

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request that was taken, though no answer came, is not to be done twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds without a byte; `transport` has the other limits
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",  # which would go past the limits, and to another server
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
}
FILES = ("sqlite", "file", "")  # schemes of stores that are a path
NETWORKED = ("http", "postgresql", "mysql", "mssql")
HOST = r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:\d*)?"
LATER = "`graft log` completes the journal later"
CONFLICT = "IntegrityError|UniqueViolation|already exists"  # what a store says to the second of two that make one thing
MOST_CONFLICTS = 10  # of one action: it has fewer things to make that other processes make too
TO_OPEN_A_FILE = "see to the rights of the file and its folder, or move it away: `graft log` writes a new one"
TO_OPEN_A_DATABASE = "correct MLFLOW_TRACKING_URI, or install the driver that it needs, or set it to `off`"


def tracking_address() -> str:
    """Return MLFLOW_TRACKING_URI or `sqlite:///mlflow.db`; in a copy of a project, SQLite's path is the project's."""
    return resolve_in_project(os.environ.get("MLFLOW_TRACKING_URI") or LOCAL)


def public_address() -> str:
    """Return the tracking address without credentials, and with `?...` in place of any query or fragment."""
    scheme, _, place, query = split_address(tracking_address())
    return f"{scheme}{place}{'?...' if query else ''}"


def split_address(address: str) -> tuple[str, str, str, str]:
    """Return an address's scheme with ://, credentials without @, host with path, and query or fragment.

    Where it can be read in several ways, all that can be a secret is taken for the credentials.
    """
    scheme, sign, rest = address.partition("://")
    if not sign:
        scheme, rest = "", address
    if scheme.partition("+")[0] in FILES and rest.startswith(("/", ".")):
        place, _, query = rest.partition("?")
        return scheme + sign, "", place, query
    signs_in, _, place = rest.rpartition("@")
    if re.search("[?#]", signs_in):  # in a password, or an @ in a query
        signs_in, place = rest, ""
    host = re.split("[?#]", place)[0]
    return scheme + sign, signs_in, host, place[len(host) + 1 :]


def check_address() -> None:
    """Check the tracking address before a library reads it, whose error could show a password that it takes for a host.

    Raises:
        UserError: It names no store, or its parts cannot be told from each other.
    """
    scheme, signs_in, place, query = split_address(tracking_address())
    if tracking_address() == "off":
        raise UserError("MLFLOW_TRACKING_URI is `off`: there is no journal")
    if re.fullmatch("https?:/*", tracking_address()):
        raise UserError(f"MLFLOW_TRACKING_URI names no server: {tracking_address()!r}; give http://HOST:PORT")
    if re.match(r"postgres[:+]", tracking_address()):
        raise UserError(
            "MLFLOW_TRACKING_URI begins with `postgres`, which SQLAlchemy does not know: give postgresql://"
        )
    if scheme and re.search(r"""[^\w!$&'()*+,;=:%.~-]""", signs_in):
        raise UserError(
            "the user name or password in MLFLOW_TRACKING_URI has a character that no address takes: "
            "percent-encode it, as %40 for @, %2F for / and %20 for a blank"
        )
    if is_server() and query:
        raise UserError(
            "MLFLOW_TRACKING_URI has a ? or a #, which no address of MLflow's server has: give http://HOST:PORT"
        )
    if scheme.startswith(NETWORKED) and not re.fullmatch(HOST, place.partition("/")[0]):
        raise UserError(
            "MLFLOW_TRACKING_URI has no host, or a port that is no number: give SCHEME://USER:PASSWORD@HOST:PORT/..."
        )


def is_server() -> bool:
    """Return whether the tracking address is one of an MLflow server, http or https; nothing is asked of it."""
    return tracking_address().startswith(("http://", "https://"))


@contextmanager
def one_line_errors(advice: str = "") -> Iterator[None]:
    """Turn any error but a UserError into a UserError of one line, on MLflow's server, without credentials.

    Args:
        advice: What to do then, at the end of the line.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(without_secrets(str(error).partition("[SQL:")[0]).split())[:300]
        raise UserError(
            f"MLflow at {public_address()} did not take this: {reason}{'; ' if advice else ''}{advice}"
        ) from None  # the error shows secrets


def repeat_on_conflict(action: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return an action that is repeated, ten times at most, where another process has just made what it makes."""

    @wraps(action)
    def repeat(*arguments: Given.args, **options: Given.kwargs) -> Result:
        for _ in range(MOST_CONFLICTS):
            try:
                return action(*arguments, **options)
            except Exception as error:
                if not re.search(CONFLICT, str(error)):
                    raise
        return action(*arguments, **options)

    return repeat


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of an action on the journal; if it fails, print one line on standard error and return None."""
    try:
        with one_line_errors():
            return repeat_on_conflict(action)(*arguments)
    except UserError as error:
        print(f"{error}; {LATER}", file=sys.stderr)
        return None


def without_secrets(text: str) -> str:
    """Return a text without the secrets of its addresses, and without MLflow's credentials in any spelling."""
    spellings = login_spellings()
    for secret in spellings:
        text = text.replace(f"://{secret}@", "://").replace(f"?{secret}", "?...")
    text = redact(text)
    for secret in spellings:
        # as a word: a user name of one letter is in every text
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "...", text)
    return text


def login_spellings() -> list[str]:
    """Return every spelling of MLflow's credentials and of its addresses' queries, the longest first; none is empty."""
    secrets = {os.environ.get(f"MLFLOW_TRACKING_{name}", "").strip() for name in ("USERNAME", "PASSWORD", "TOKEN")}
    for uri in (tracking_address(), os.environ.get("MLFLOW_REGISTRY_URI", "")):
        _, signs_in, _, query = split_address(uri)
        secrets |= {
            signs_in,
            *signs_in.split(":", 1),
            query,
            *(part.partition("=")[2] for part in re.split("[&;#]", query)),
        }
    secrets |= {unquote(secret) for secret in secrets} | {unquote_plus(secret) for secret in secrets}
    secrets |= {" ".join(secret.split()) for secret in secrets} | {
        re.sub(r"[\t\r\n]", "", secret) for secret in secrets
    }
    secrets |= {quote(secret, safe) for secret in secrets for safe in ("", ":", "/:", ":/?#[]@!$&'()*+,;=%~")}
    secrets |= {quote_plus(secret) for secret in secrets} | {repr(secret)[1:-1] for secret in secrets}
    return sorted((secret for secret in secrets if secret.strip()), key=len, reverse=True)


@cache
@one_line_errors()
def client() -> "MlflowClient":
    """Return MLflow's client of the store, quiet, with the timeouts of `SETTINGS` and the limits of `transport`.

    Raises:
        UserError: There is no store: the journal is off, or its address names none, or the store cannot be opened.
    """
    check_address()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with without_collection():
        import mlflow

        from components.results.tracking.transport import bound_requests

    bound_requests()
    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    mlflow.set_tracking_uri(tracking_address())
    if is_server():
        return mlflow.MlflowClient()
    with one_line_errors(TO_OPEN_A_FILE if tracking_address().startswith("sqlite") else TO_OPEN_A_DATABASE):
        return database.open_client(tracking_address())
