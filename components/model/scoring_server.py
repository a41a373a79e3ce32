"""MLflow's scoring server, held to a limit of bytes: a request that it cannot read is status 400, the reason first."""

import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from components.data import images

LONGEST = 500  # characters of a reason
LOG = logging.getLogger(__name__)


def limit_server() -> bool:
    """Make MLflow's server answer by `answer` from now on, if this process is one; return whether it is.

    It has nothing that could be called before it parses a request: its function is replaced.
    """
    if "mlflow.pyfunc.scoring_server.app" not in sys.modules:
        return False
    from mlflow.pyfunc import scoring_server

    megabytes = images.setting("GRAFT_REQUEST_MEGABYTES", 100)
    scoring_server.invocations = partial(answer, scoring_server.invocations, megabytes)
    return True


def answer(
    invocations: Callable[..., Any], megabytes: int, data: bytes, content_type: str | None, model: Any, schema: Any
) -> Any:
    """Return what `invocations` answers to a request; to one of more than `megabytes` MB, an answer with status 413.

    Args:
        invocations: What answers it unless it is too large.
        megabytes: That it may have; beyond, the status is 413.
        data: The request's body.
        content_type: What it says that it is.
        model: The model, as MLflow loads it.
        schema: Of the model's input.

    Raises:
        MlflowException: The request cannot be read; the server answers with status 400.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import CONTENT_TYPE_CSV, InvocationsResponse

    if len(data) > megabytes * 1_000_000:
        reason = (
            f"{len(data):,} bytes: more than {megabytes} MB in one request; send several, or raise the server's "
            "environment variable GRAFT_REQUEST_MEGABYTES"
        )
        return InvocationsResponse(
            json.dumps({"error_code": "BAD_REQUEST", "message": reason}), 413, "application/json"
        )
    kind = content_type or "none"
    if kind.partition(";")[0].strip() == CONTENT_TYPE_CSV:
        schema = None  # by which MLflow cannot read a table whose column may be anything
    try:
        return invocations(data, kind, model, schema)
    except MlflowException as error:
        if trace := error.json_kwargs.pop("stack_trace", None):
            LOG.error("%s", trace)
        error.message = shorten_reason(str(error))
        raise
    except Exception as error:  # such as a RecursionError of deeply nested lists
        raise MlflowException.invalid_parameter_value(
            shorten_reason(f"the request cannot be read ({type(error).__name__}: {error})")
        ) from error


def shorten_reason(reason: str) -> str:
    """Return a reason without the request that MLflow repeats before it, and at most 500 characters of it."""
    if reason.startswith("Failed to enforce schema"):
        reason = reason.rpartition("'. Error: ")[2]
    return reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} ..."
