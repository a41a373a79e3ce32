"""Submitting: kfp's own client, over HTTP, to a stand-in for Kubeflow's server that checks all it is sent."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
import yaml
from google.protobuf import json_format
from kfp import compiler, dsl, kubernetes
from werkzeug.serving import make_ssl_devcert

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline.kubeflow import submitting
from tests.pipeline.kubeflow.kfp_stand_in import Refusal, StandIn

SECRET = "hidden-token-Zm9vYmFy"
SESSION = "hidden-session-MTIzNDU2"


@dsl.container_component
def make(made: dsl.Output[dsl.Dataset], size: int):
    return dsl.ContainerSpec(image="image", command=["make"], args=["--size", size, "--made", made.path])


@dsl.pipeline(name="graft-edges")
def edges(size: int = 3):
    task = make(size=size).set_display_name("make edges")
    kubernetes.add_node_selector(task, "gpu", "yes")
    kubernetes.use_secret_as_env(task, "mlflow", {"password": "MLFLOW_TRACKING_PASSWORD"})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("compiled") / "edges.yaml"
    compiler.Compiler().compile(edges, str(file))
    return file


@pytest.fixture
def server(monkeypatch) -> Iterator[StandIn]:
    """The stand-in, and an environment in which nobody signs in."""
    for name in [name for name in os.environ if name.startswith("KF_PIPELINES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(submitting, "POLL", 0)
    with StandIn().running() as running:
        yield running


def submit(server: StandIn, package: Path, namespace: str = "", service_account: str = "") -> submitting.Run:
    client = submitting.connect(f"{server.host}/", namespace)
    return submitting.submit(client, package, "graft-edges", "edges, at noon", "studies", service_account)


def wait(server: StandIn, run: submitting.Run) -> str:
    return submitting.wait(submitting.connect(server.host), run)


def said(capfd: pytest.CaptureFixture) -> list[str]:
    """Return the lines printed, none of them on stderr, none with a secret."""
    out, err = capfd.readouterr()
    assert err == ""
    assert SECRET not in out and SESSION not in out
    return out.splitlines()


def refused(error: pytest.ExceptionInfo, capfd: pytest.CaptureFixture) -> str:
    """Return the one line that a person reads of an error, which is all there is to read, and without a secret."""
    assert said(capfd) == []
    line = str(error.value)
    assert "\n" not in line and len(line) <= submitting.LONGEST + 80
    assert SECRET not in line and SESSION not in line
    return line


def test_a_pipeline_is_uploaded_and_run_and_followed(server, compiled, capfd):
    run = submit(server, compiled)
    assert said(capfd) == []
    assert run.address == f"{server.host}/#/runs/details/{run.id}"
    ((version, (spec, platform)),) = server.specs.items()
    assert spec.pipeline_info.name == "graft-edges"
    settings = platform.platforms["kubernetes"].deployment_spec.executors["exec-make"]
    assert json_format.MessageToDict(settings)["nodeSelector"] == {"labels": {"gpu": "yes"}}
    sent = server.runs[run.id]
    assert (sent.display_name, sent.runtime_config.parameters) == ("edges, at noon", {"size": 3})
    assert sent.pipeline_version_reference.pipeline_version_id == version
    assert server.experiments[sent.experiment_id].display_name == "studies"
    assert submitting.connect(server.host).get_user_namespace() == ""
    assert wait(server, run) == "SUCCEEDED"
    states = ("PENDING", "RUNNING", "SUCCEEDED")
    assert said(capfd) == [f"{name}: {state}" for state in states for name in ("make edges", "the run")]


def answer(nodes: list[dict], state: str = "RUNNING") -> str:
    """Return what the server says of a run with these nodes."""
    details = [{"run_id": "1", "task_id": str(number), **node} for number, node in enumerate(nodes)]
    return json.dumps({"run_id": "1", "state": state, "run_details": {"task_details": details}})


def follow(server: StandIn, answers: list[str], tasks: dict[str, str]) -> str:
    """Return the last state of a run of which the server gives these answers."""
    client = submitting.connect(server.host)
    first = len(server.asked)
    server.plan = lambda number: answers[number - first] if number >= first else None
    return submitting.wait(client, submitting.Run("1", "", tasks))


def test_of_all_nodes_of_argo_s_graph_a_pipeline_s_own_tasks_are_told_by_the_names_shown(server, capfd):
    nodes = ["graft-edges-x1", "root-driver", "root", "evaluate-2-driver", "evaluate-2", "executor", "evaluate"]
    begun: list[dict] = [
        {"display_name": f"{name}{attempt}", "state": "RUNNING"} for name in nodes for attempt in ("(0)", "")
    ]
    nameless: list[dict] = [
        {"execution_id": "18"},
        {"execution_id": "3", "error": {"code": 2}},
        {"display_name": "evaluate"},
    ]
    failed = [{**node, "state": "FAILED", "error": {"code": 2}} for node in begun]
    tasks = {"evaluate": "evaluate top glyphs", "evaluate-2": "evaluate fine_tuned glyphs", "compare": "compare"}
    answers = [answer(begun + nameless[:2]), answer(begun[:-2] + nameless), answer(failed, "FAILED")]
    assert follow(server, answers, tasks) == "FAILED"
    names = ("evaluate top glyphs", "evaluate fine_tuned glyphs", "the run")
    assert said(capfd) == [f"{name}: {state}" for state in ("RUNNING", "FAILED") for name in names]


@pytest.mark.parametrize("state", ["FAILED", "ERROR"])
def test_a_task_whose_driver_failed_has_failed(server, capfd, state):
    nodes = [{"display_name": "split-driver", "state": state}, {"display_name": "split"}]
    assert follow(server, [answer(nodes, "FAILED")], {"split": "split"}) == "FAILED"
    assert said(capfd) == [f"split: {state}", "the run: FAILED"]


@pytest.fixture
def real() -> dict:
    """What a real server said of a run of `digits` that was under way."""
    file = Path(os.environ.get("GRAFT_SHARED", "nowhere")) / "cases" / "kubeflow_run.json"
    if not file.exists():
        pytest.skip("GRAFT_SHARED names no folder with cases/kubeflow_run.json")
    return json.loads(file.read_text())


def test_the_stand_in_answers_with_the_fields_of_a_real_server(server, compiled, real):
    server.states = ["SUCCEEDED"]
    address = f"{server.host}/apis/v2beta1/runs/{submit(server, compiled).id}"
    answer = urllib3.request("GET", address).json()
    assert {*answer} == {*real, "runtime_config"}  # a run that was sent no parameters has none
    kinds = [{frozenset(node) for node in one["run_details"]["task_details"]} for one in (answer, real)]
    assert kinds[0] == kinds[1]


def test_what_a_real_server_said_of_a_run_of_digits_is_told(server, real, capfd):
    shown = {"evaluate": "evaluate benchmark", "evaluate-3": "evaluate top glyphs", "compare": "compare"}
    assert follow(server, [json.dumps(real), json.dumps({**real, "state": "SUCCEEDED"})], shown) == "SUCCEEDED"
    expected = ["evaluate benchmark: SUCCEEDED", "evaluate top glyphs: RUNNING", "the run: RUNNING"]
    assert said(capfd) == [*expected, "the run: SUCCEEDED"]


def test_the_same_content_is_uploaded_once_and_other_content_beside_it(server, compiled, tmp_path):
    for _ in range(3):
        submit(server, compiled)
    other = tmp_path / "other.yaml"
    other.write_text(compiled.read_text().replace("defaultValue: 3.0", "defaultValue: 4.0"))
    submit(server, other)
    submit(server, compiled)
    assert [pipeline.display_name for pipeline in server.pipelines.values()] == ["graft-edges"]
    first, second = server.versions.values()
    assert all(re.fullmatch("graft-edges-[0-9a-f]{12}", version.name) for version in (first, second))
    used = [run.pipeline_version_reference.pipeline_version_id for run in server.runs.values()]
    ids = first.pipeline_version_id, second.pipeline_version_id
    assert used == [ids[0], ids[0], ids[0], ids[1], ids[0]]
    assert len(server.experiments) == 1


def test_a_profile_has_pipelines_experiments_and_service_accounts_of_its_own(server, compiled):
    server.multi_user = True
    for namespace in ("one", "two", "one"):
        run = submit(server, compiled, namespace, "trainer")
        assert server.runs[run.id].service_account == "trainer"
        assert server.experiments[server.runs[run.id].experiment_id].namespace == namespace
    for things in (server.pipelines, server.experiments):
        assert [thing.namespace for thing in things.values()] == ["one", "two"]


def test_a_namespace_that_does_not_exist_is_told_as_such(server, compiled, capfd):
    server.multi_user = True
    with pytest.raises(UserError, match=r"has no namespace 'three': give that of your profile, --namespace") as caught:
        submit(server, compiled, "three")
    refused(caught, capfd)
    assert not (server.pipelines or server.versions or server.experiments)


@pytest.mark.parametrize(
    "refusal", [Refusal("Invalid input error: no"), Refusal("InternalServerError: exceeded quota", 500, 13)], ids=str
)
def test_a_run_that_is_refused_leaves_what_was_there_and_nothing_else(server, compiled, tmp_path, refusal):
    other = tmp_path / "other.yaml"
    other.write_text(compiled.read_text().replace("defaultValue: 3.0", "defaultValue: 4.0"))
    client = submitting.connect(server.host)
    things = (server.pipelines, server.versions, server.experiments, server.runs)
    counts = []
    for package, experiment in ((compiled, "studies"), (other, "studies"), (other, "others")):
        server.run_refusal, before = refusal, [{**held} for held in things]
        with pytest.raises(UserError, match=refusal.message):
            submitting.submit(client, package, "graft-edges", "edges", experiment, "")
        assert [*things] == before
        server.run_refusal = None
        submitting.submit(client, package, "graft-edges", "edges", experiment, "")
        counts.append([len(held) for held in things])
    assert counts == [[1, 1, 1, 1], [1, 2, 1, 2], [1, 2, 2, 3]]


def test_an_error_in_the_server_s_own_words_does_not_ask_for_another_try(server, capfd):
    server.plan = lambda number: Refusal("InternalServerError: exceeded quota", 500, 13)
    line = r"500 INTERNAL SERVER ERROR \(look at the log of its ml-pipeline\): InternalServerError: exceeded quota$"
    with pytest.raises(UserError, match=line) as caught:
        submitting.connect(server.host)
    refused(caught, capfd)


def test_a_server_of_several_users_wants_a_namespace(server, capfd):
    server.multi_user = True
    with pytest.raises(UserError, match=r"has several users: give .* --namespace NAME") as caught:
        submitting.connect(server.host)
    refused(caught, capfd)
    assert server.asked == ["GET /healthz"]


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("KF_PIPELINES_TOKEN", "Authorization", f"Bearer {SECRET}"),
        ("KF_PIPELINES_COOKIES", "Cookie", f"authservice_session={SESSION}; other=1"),
        ("KF_PIPELINES_SA_TOKEN_PATH", "Authorization", f"Bearer {SECRET}"),
    ],
)
def test_what_signs_in_reaches_the_server_with_each_request(
    server, compiled, monkeypatch, capfd, tmp_path, name, header, value
):
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv(name, str(tmp_path / "token") if name.endswith("PATH") else f"{value.removeprefix('Bearer ')}\n")
    server.token, server.cookies = (SECRET, "") if header == "Authorization" else ("", value)
    run = submit(server, compiled)
    assert wait(server, run) == "SUCCEEDED"
    assert server.headers[header] == value
    assert len(said(capfd)) == 6


@pytest.mark.parametrize(
    ("states", "state", "last"),
    [
        (["PENDING", "FAILED"], "FAILED", "the run: FAILED a task failed"),
        (["RUNNING", "CANCELING", "CANCELED"], "CANCELED", "the run: CANCELED"),
        (["PAUSED", "UNHEARD_OF", "UNHEARD_OF", "SKIPPED"], "SKIPPED", "the run: SKIPPED"),
    ],
)
def test_a_run_is_followed_to_its_end_through_states_that_nobody_knows(server, compiled, capfd, states, state, last):
    server.states = states
    assert wait(server, submit(server, compiled)) == state
    lines = [line for line in said(capfd) if line.startswith("the run")]
    assert lines[-1] == last
    assert [line.split()[2] for line in lines] == list(dict.fromkeys(states))


def from_the(number: int, action: int | str, times: int = 1000) -> Callable[[int], int | str | None]:
    return lambda request: action if number <= request < number + times else None


@pytest.mark.parametrize("action", ["cut", 502, 503])
def test_waiting_outlives_a_server_that_restarts_again_and_again(server, compiled, capfd, action):
    run = submit(server, compiled)
    first = len(server.asked) + 1  # after the question for its health
    server.plan = lambda number: None if number < first or (number - first) % (submitting.PATIENCE + 1) == 0 else action
    assert wait(server, run) == "SUCCEEDED"
    assert len(said(capfd)) == 6
    assert len(server.asked) == first + 2 * submitting.PATIENCE + 3


@pytest.mark.parametrize(
    ("action", "looks", "match"),
    [
        (502, submitting.PATIENCE + 1, "502"),
        ("cut", submitting.PATIENCE + 1, "does not answer"),
        (401, 1, "sign in by"),
    ],
)
def test_waiting_ends_where_no_answer_comes_for_long_and_where_one_is_refused(
    server, compiled, capfd, action, looks, match
):
    run = submit(server, compiled)
    begun = len(server.asked)
    server.plan = from_the(begun + 1, action)
    with pytest.raises(UserError, match=f"{match}.*run {run.id} itself goes on") as caught:
        wait(server, run)
    refused(caught, capfd)
    assert len(server.asked) == begun + 1 + looks


PAGE = "<!doctype html><title>Sign in</title>"


@pytest.mark.parametrize(
    ("action", "match"),
    [
        ("cut", "^http://localhost:.* does not answer: .*; is this the address"),
        (304, "answers 304 NOT MODIFIED$"),
        (400, "answers 400 BAD REQUEST$"),
        (401, "answers 401 UNAUTHORIZED .sign in by KF_PIPELINES_TOKEN, KF_PIPELINES_COOKIES or .*right to run"),
        (403, "answers 403 FORBIDDEN .sign in by"),
        (404, "answers 404 NOT FOUND .give the address of Kubeflow Pipelines"),
        (500, "answers 500 INTERNAL SERVER ERROR .try again, or look at the log of its ml-pipeline"),
        (PAGE, "answers with a page, not with data: sign in by KF_PIPELINES_TOKEN.* or give the address of the API"),
    ],
)
def test_a_submission_broken_off_at_any_request_says_why_and_is_made_up_later(
    server, compiled, capfd, monkeypatch, action, match
):
    monkeypatch.setenv("KF_PIPELINES_TOKEN", SECRET)
    submit(server, compiled)
    needed = len(server.asked)
    assert needed == 8
    for number in range(needed):
        for things in (server.asked, server.pipelines, server.versions, server.experiments, server.runs):
            things.clear()
        server.plan = from_the(number, action)
        with pytest.raises(UserError, match=match) as caught:
            submit(server, compiled)
        refused(caught, capfd)
        made = 0 if action in ("cut", 500) else (number > 2) + (number > 4) + (number > 6)
        words = [asked.split()[0] for asked in server.asked[number + 1 :]]
        assert words == ["DELETE"] * made  # nothing is asked twice
        server.plan = from_the(0, action, 0)
        submit(server, compiled)
        assert (len(server.pipelines), len(server.versions), len(server.experiments)) == (1, 1, 1)


def test_a_server_that_hangs_is_not_waited_for(server, monkeypatch, capfd):
    server.plan = from_the(0, "hang")
    monkeypatch.setattr(submitting, "TIMEOUT", (10, 0.05))
    with pytest.raises(UserError, match=r"does not answer: .*Read timed out") as caught:
        submitting.connect(server.host)
    refused(caught, capfd)


def test_a_token_that_is_refused_and_sent_back_is_shown_nowhere(server, monkeypatch, capfd):
    server.token = "another"
    monkeypatch.setenv("KF_PIPELINES_TOKEN", SECRET)
    with pytest.raises(UserError, match=r"401 UNAUTHORIZED \(sign in .*\): Unauthenticated: Bearer \.\.\.$") as caught:
        submitting.connect(server.host)
    refused(caught, capfd)


def test_of_a_long_answer_no_secret_is_left_by_its_cut(server, monkeypatch, capfd):
    monkeypatch.setenv("KF_PIPELINES_TOKEN", SECRET)
    client = submitting.connect(server.host)
    for length in range(submitting.LONGEST - 120, submitting.LONGEST):
        with pytest.raises(UserError, match="404 NOT FOUND: ") as caught:
            client.get_run(f"{'x' * length}{SECRET}")
        assert SECRET[:8] not in refused(caught, capfd)


def test_a_page_to_sign_in_is_named_and_gets_no_token(server, monkeypatch, capfd):
    server.cookies = "authservice_session=new"
    monkeypatch.setenv("KF_PIPELINES_COOKIES", f"authservice_session={SESSION}")
    with pytest.raises(
        UserError, match=r"sends one on: sign in by .*, or give that address: https://sign.in/dex/auth\?\.\.\.$"
    ) as caught:
        submitting.connect(server.host)
    assert "hidden-state" not in refused(caught, capfd)


@pytest.mark.parametrize(
    ("host", "match"),
    [
        ("http://127.0.0.1:1", "does not answer: .*Connection refused; is this the address"),
        ("http://host.invalid", "does not answer: .*resol"),
        ("http://127.0.0.1:99999", "does not answer: "),
        (f"http://me:{SECRET}@localhost/pipeline", "no server's address: 'http://localhost/pipeline'; give .* sign in"),
        ("https://localhost/pipeline/?ns=one#/runs", "no server's address: .*without user name, password and query"),
        ("localhost:8080", "no server's address: 'localhost:8080'; give http"),
        ("", "no server's address: ''"),
    ],
)
def test_addresses_at_which_nobody_answers(server, capfd, host, match):
    with pytest.raises(UserError, match=match) as caught:
        submitting.connect(host)
    refused(caught, capfd)


def test_the_address_of_something_else(server, capfd):
    with pytest.raises(UserError, match=r"answers 404 NOT FOUND .give the address of Kubeflow Pipelines") as caught:
        submitting.connect(server.host.removesuffix("/pipeline"))
    refused(caught, capfd)


def test_a_certificate_is_checked_against_the_authorities_named(tmp_path, monkeypatch, capfd):
    pair = make_ssl_devcert(str(tmp_path / "own"), "localhost")
    with StandIn().running(ssl_context=pair) as server:
        monkeypatch.setenv("SSL_CERT_FILE", pair[0])
        submitting.connect(server.host)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(UserError, match=r"no certificate to trust: .*self.signed.*SSL_CERT_FILE names") as caught:
            submitting.connect(server.host)
        refused(caught, capfd)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        with pytest.raises(UserError, match=r"no certificate to trust: .*No such file"):
            submitting.connect(server.host)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("KF_PIPELINES_TOKEN", f"{SECRET}\n{SECRET}", "KF_PIPELINES_TOKEN has letters that no request can carry"),
        ("KF_PIPELINES_COOKIES", f"session={SESSION}é", "KF_PIPELINES_COOKIES has letters"),
        ("KF_PIPELINES_SA_TOKEN_PATH", "/none", "KF_PIPELINES_SA_TOKEN_PATH is no file that can be read: '/none'"),
        (
            "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
            "me",
            "kfp cannot sign in at http://localhost:.*: File /none was not found",
        ),
    ],
)
def test_what_cannot_sign_in_is_told_before_anything_is_sent(server, monkeypatch, capfd, name, value, match):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none")
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=match) as caught:
        submitting.connect(server.host)
    refused(caught, capfd)
    assert server.asked == []


def renamed(spec: dict, platform: dict) -> None:
    spec["pipelineInfo"]["name"] = "Graft_Edges"


def unknown_field(spec: dict, platform: dict) -> None:
    spec["colour"] = "red"


def unknown_setting(spec: dict, platform: dict) -> None:
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-make"]["colour"] = "red"


def unknown_container_field(spec: dict, platform: dict) -> None:
    spec["deploymentSpec"]["executors"]["exec-make"]["container"]["colour"] = "red"


def no_component(spec: dict, platform: dict) -> None:
    spec["components"] = {}


def no_root(spec: dict, platform: dict) -> None:
    del spec["root"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (renamed, "name must contain only lowercase"),
        (unknown_field, 'invalid v2 pipeline spec: .*"colour"'),
        (unknown_setting, 'invalid platform spec: .*"colour"'),
        (unknown_container_field, 'invalid deployment spec: .*"colour"'),
        (no_component, "no component comp-make"),
        (no_root, "root component is empty"),
    ],
)
def test_an_invalid_pipeline_is_refused_in_the_server_s_words(server, compiled, tmp_path, capfd, change, match):
    documents = list(yaml.safe_load_all(compiled.read_text()))
    change(*documents)
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump_all(documents))
    with pytest.raises(UserError, match=f"answers 400 BAD REQUEST: .*{match}") as caught:
        submit(server, bad)
    refused(caught, capfd)
    assert server.runs == {}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"params": {"size": "large"}}, "400 BAD REQUEST: .*size requires type NUMBER_INTEGER, received 'large'"),
        ({"params": {"sise": 3}}, "400 BAD REQUEST: .*sise provided is not required"),
        ({"experiment_id": "none"}, "404 NOT FOUND: ResourceNotFoundError: none not found"),
        ({"version_id": "none"}, "404 NOT FOUND: ResourceNotFoundError: none not found"),
        ({"job_name": ""}, "400 BAD REQUEST: .*run name is empty"),
    ],
)
def test_the_stand_in_checks_what_a_run_refers_to(server, compiled, given, match):
    run = server.runs[submit(server, compiled).id]
    reference = run.pipeline_version_reference
    valid = {
        "experiment_id": run.experiment_id,
        "job_name": "again",
        "pipeline_id": reference.pipeline_id,
        "version_id": reference.pipeline_version_id,
        "params": {"size": 5},
    }
    client = submitting.connect(server.host)
    client.run_pipeline(**valid)
    with pytest.raises(UserError, match=match):
        client.run_pipeline(**{**valid, **given})
    assert len(server.runs) == 2


def test_the_stand_in_takes_no_field_that_the_api_has_not(server):
    answer = urllib3.request("POST", f"{server.host}/apis/v2beta1/experiments", json={"display_name": "a", "colour": 1})
    assert answer.status == 400
    assert answer.json()["message"] == "proto: unknown field in {'colour': 1, 'display_name': 'a'}"


CONNECT = "import sys; from pipeline.kubeflow import submitting; submitting.connect(sys.argv[1])"


def test_the_home_is_neither_read_nor_written(server, tmp_path):
    context = tmp_path / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    header = {"client_authentication_header_name": "X-Home", "client_authentication_header_value": "other"}
    context.write_text(json.dumps({"namespace": "other", "client_authentication_cookie": "session=other", **header}))
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", CONNECT, server.host], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not {"Cookie", "X-Home"} & {*server.headers}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [context]
