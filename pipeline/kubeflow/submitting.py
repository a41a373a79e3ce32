"""Sends compiled pipelines to a Kubeflow Pipelines server with kfp's client, and follows their runs.

Credentials come from the environment, since a list of processes shows what a command line holds: KF_PIPELINES_TOKEN,
KF_PIPELINES_COOKIES, and by kfp itself KF_PIPELINES_SA_TOKEN_PATH and KF_PIPELINES_IAP_OAUTH2_CLIENT_ID.
"""

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from time import sleep
from typing import Any

import kfp
import yaml
from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, ServiceAccountTokenVolumeCredentials
from kfp_server_api import ApiException, V2beta1Experiment, V2beta1Pipeline, V2beta1Run
from urllib3 import Retry
from urllib3.exceptions import HTTPError, SSLError

from components.system.errors import UserError, one_line, redact

SECRETS = ("KF_PIPELINES_TOKEN", "KF_PIPELINES_COOKIES")
SIGN_IN = f"sign in by {', '.join(SECRETS)} or {KF_PIPELINES_SA_TOKEN_ENV} (docs/kubeflow.md)"
TIMEOUT = (10, 60)  # seconds to connect, and for each answer
POLL = 10  # seconds between two looks at a run
PATIENCE = 30  # looks in a row without an answer before the waiting ends: about 5 minutes of a server's restart
ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR")
LONGEST = 500  # characters of a message, with the server's own words
kfp.Client._LOCAL_KFP_CONTEXT = ""  # a file in the home that could name another namespace and other cookies


class NoAnswer(UserError):
    """The server gave no answer; another try may bring one."""


class FailureAnswer(NoAnswer):
    """The server's answer is that it failed, in its own words; another try may succeed."""


@dataclass(frozen=True)
class Run:
    """A run on the server, where a browser shows it, and the names of its tasks there, by key in the pipeline."""

    id: str
    address: str
    tasks: Mapping[str, str]


def connect(host: str, namespace: str = "") -> kfp.Client:
    """Sign in at a server, check that it answers, and return kfp's client of it, whose failed requests are UserErrors.

    Args:
        host: http(s)://HOST[:PORT][/PATH], under which /apis/v2beta1 lies.
        namespace: of the profile whose runs they are, where the server has several users; "" where it has not.

    Raises:
        UserError: The server does not answer, is not Kubeflow's, refuses access, or has several users.
    """
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", host):
        form = f"http(s)://HOST[:PORT][/pipeline], without user name, password and query, and {SIGN_IN}"
        raise UserError(f"no server's address: {redact(host)!r}; give {form}")
    secrets = {name: os.environ.get(name, "").strip() for name in SECRETS}
    for name, secret in secrets.items():
        if not (secret.isascii() and secret.isprintable()):
            raise UserError(f"{name} has letters that no request can carry; set it anew")
    file = os.environ.get(KF_PIPELINES_SA_TOKEN_ENV)
    if file and not os.access(file, os.R_OK):
        raise UserError(f"{KF_PIPELINES_SA_TOKEN_ENV} is no file that can be read: {file!r}")
    token, cookies = secrets.values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about servers of version 1
        try:
            client = kfp.Client(
                host.rstrip("/"),
                namespace=namespace or "-",  # without one, the server is asked here, five times
                existing_token=token,
                cookies=cookies,
                credentials=ServiceAccountTokenVolumeCredentials() if file else None,
                ssl_ca_cert=os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE"),
            )
        except Exception as error:  # whatever Google's libraries throw
            raise UserError(f"kfp cannot sign in at {host}: {' '.join(str(error).split())[:300]}") from error
    client._context_setting["namespace"] = namespace
    _guard_requests(client, host)
    if client.healthzs.healthz_service_get_healthz().multi_user and not namespace:
        raise UserError(f"{host} has several users: give the namespace of your profile, --namespace NAME")
    return client


def submit(client: kfp.Client, package: Path, pipeline: str, run: str, experiment: str, service_account: str) -> Run:
    """Upload a compiled pipeline, unless the server has the same content, start it with its defaults, return the run.

    It is not waited for. The defaults are sent with it: Kubeflow shows and compares those parameters alone. If the
    server refuses it, what was made here is deleted again.

    Args:
        client: what `connect` returned.
        package: the YAML file.
        pipeline: its name on the server; a version's name is that and the digest of the file.
        run: the name of the run.
        experiment: the name of the experiment, made where there is none.
        service_account: of the run's pods; "" for the server's default.

    Raises:
        UserError: The server refuses something, or does not answer.
    """
    version = f"{pipeline}-{sha256(package.read_bytes()).hexdigest()[:12]}"
    namespace = client.get_user_namespace()
    with (
        redirect_stdout(StringIO()),
        _deletions_if_refused() as deletions,
    ):  # it would print the address of what it makes
        pipelines = client.list_pipelines(filter=_name_filter(pipeline), namespace=namespace).pipelines
        if not pipelines:  # upload_pipeline would name the version
            draft = V2beta1Pipeline(display_name=pipeline, namespace=namespace)
            pipelines = [client.pipelines.pipeline_service_create_pipeline(draft)]
            deletions.callback(client.delete_pipeline, pipelines[0].pipeline_id)
        pipeline_id = pipelines[0].pipeline_id
        versions = client.list_pipeline_versions(pipeline_id, filter=_name_filter(version)).pipeline_versions
        if not versions:
            versions = [client.upload_pipeline_version(str(package), version, pipeline_id)]
            deletions.callback(client.delete_pipeline_version, pipeline_id, versions[0].pipeline_version_id)
        experiments = client.list_experiments(filter=_name_filter(experiment), namespace=namespace).experiments
        if not experiments:
            unmade = V2beta1Experiment(display_name=experiment, namespace=namespace)
            experiments = [client.experiments.experiment_service_create_experiment(unmade)]
            deletions.callback(client.delete_experiment, experiments[0].experiment_id)
        root = next(yaml.load_all(package.read_bytes(), yaml.CSafeLoader))["root"]
        parameters = root.get("inputDefinitions", {}).get("parameters", {})
        answer = client.run_pipeline(
            experiments[0].experiment_id,
            run,
            params={name: one["defaultValue"] for name, one in parameters.items() if "defaultValue" in one},
            pipeline_id=pipeline_id,
            version_id=versions[0].pipeline_version_id,
            service_account=service_account or None,
        )
    tasks = {key: task["taskInfo"]["name"] for key, task in root["dag"]["tasks"].items()}
    return Run(answer.run_id, f"{client._get_url_prefix()}/#/runs/details/{answer.run_id}", tasks)


@contextmanager
def _deletions_if_refused() -> Iterator[ExitStack]:
    """Yield a stack for what deletes each thing made; all of it is called, last first, if the server refuses the rest.

    Nothing is deleted where no answer came, as what was asked for may have begun. A refused deletion is not told.
    """
    deletions = ExitStack()
    try:
        yield deletions
    except UserError as error:
        if isinstance(error, FailureAnswer) or not isinstance(error, NoAnswer):
            with suppress(UserError):
                deletions.close()
        raise


def wait(client: kfp.Client, run: Run) -> str:
    """Print each change of state of a run and its tasks until it has ended; return its last state, also of a failure.

    Raises:
        UserError: The server refuses access, or has not answered for long; the run itself goes on.
    """
    states: dict[str, str] = {}
    silent = 0
    while True:
        try:
            answer = client.get_run(run.id)
            silent = 0
        except UserError as error:
            silent += 1
            if not isinstance(error, NoAnswer) or silent > PATIENCE:
                raise UserError(f"{error} (the run {run.id} itself goes on)") from error
        else:
            for name, one in _named_states(answer, run.tasks):
                if one.state and states.get(name) != one.state:
                    states[name] = one.state
                    print(f"{name}: {one.state}", *_error_words(one), flush=True)
            if answer.state in ENDED:
                return str(answer.state)
        sleep(POLL)


def _named_states(run: V2beta1Run, tasks: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield each begun task's name and entry, or its failed driver's entry, and last `the run` with the run itself.

    The server lists each node of Argo's graph: besides a pipeline's tasks, by key, also drivers, executors, attempts,
    such as `KEY(0)`, and what its launcher notes for its cache, without a name.
    """
    nodes = {node.display_name: node for node in (run.run_details and run.run_details.task_details) or []}
    for key, name in tasks.items():
        driver = nodes.get(f"{key}-driver")  # without which there is no task
        if entry := driver if driver and driver.state in ("FAILED", "ERROR") else nodes.get(key):
            yield name, entry
    yield "the run", run


def _error_words(entry: Any) -> list[str]:
    """Return the message of a task's or run's error as a list of one line, or of none."""
    return [one_line(entry.error.message)] if entry.error and entry.error.message else []


def _name_filter(name: str) -> str:
    """Return the API's filter, in JSON, for things with this display name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _guard_requests(client: kfp.Client, host: str) -> None:
    """Make a client try each request once, for TIMEOUT at most, and raise a UserError if it fails or brings no JSON."""
    rest = client._run_api.api_client.rest_client
    rest.pool_manager.connection_pool_kw["retries"] = Retry(0, redirect=False)
    ask = rest.request

    def request(*words: Any, headers: dict[str, str], **options: Any) -> Any:
        try:
            answer = ask(*words, headers=headers, **{**options, "_request_timeout": TIMEOUT})
            json.loads(answer.data)
        except (ApiException, HTTPError, ValueError) as error:
            kind, line = _failure(host, error)
            for secret in re.findall(r"[^\s;,=]{8,}", f"{headers.get('authorization')} {headers.get('Cookie')}"):
                line = line.replace(secret, "...")
            raise kind(redact(line)[:LONGEST]) from error
        return answer

    rest.request = request


def _failure(host: str, error: Exception) -> tuple[type[UserError], str]:
    """Return the class and the line of a failed request's error: a NoAnswer if another try may help, else UserError."""
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, SSLError):
        return UserError, f"{host} has no certificate to trust: {reason}; SSL_CERT_FILE names a file of authorities"
    if isinstance(error, HTTPError):
        return NoAnswer, f"{host} does not answer: {reason}; is this the address, and is the server up?"
    if not isinstance(error, ApiException):
        return UserError, f"{host} answers with a page, not with data: {SIGN_IN}, or give the address of the API"
    if "Location" in error.headers:
        return UserError, f"{host} sends one on: {SIGN_IN}, or give that address: {error.headers['Location']}"
    try:
        content = json.loads(error.body)  # of the API, or of an upload; else some proxy's page
        detail = ": " + " ".join((content.get("message") or content["error_message"]).split())
    except (ValueError, LookupError, AttributeError):
        detail = ""
    kind, hint = UserError, ""
    if missing := re.search(r'namespaces \\?"([^"\\]+)\\?" not found', detail):
        return UserError, f"{host} has no namespace {missing[1]!r}: give that of your profile, --namespace NAME"
    if error.status in (401, 403):
        hint = f" ({SIGN_IN}, with the right to run pipelines)"
    elif error.status == 404 and not detail:
        hint = " (give the address of Kubeflow Pipelines, such as https://HOST/pipeline)"
    elif error.status >= 500:
        kind = FailureAnswer if detail else NoAnswer
        hint = f" ({'' if detail else 'try again, or '}look at the log of its ml-pipeline)"
    return kind, f"{host} answers {error.status} {error.reason}{hint}{detail}"
