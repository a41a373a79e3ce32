"""What stands up the tracking side: its files are sound, hold no password, and their wiring runs with real servers.

PostgreSQL and `mlflow server` are the real ones; the object store is moto, an emulator of S3.
"""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import kubernetes_validate
import mlflow
import psycopg2
import pytest
import yaml

from components import STEPS
from components.machinery import code
from components.machinery.code import ROOT
from tests.conftest import free_port, wait_for

DEPLOY = ROOT / "deploy"
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
MANIFESTS = {
    (item["kind"], item["metadata"]["name"]): item
    for file in KUSTOMIZATION["resources"]
    for item in yaml.safe_load_all((DEPLOY / "kubernetes" / file).read_text())
}
PODS = {name: item["spec"]["template"] for (_, name), item in MANIFESTS.items() if "template" in item.get("spec", {})}
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KSERVE = yaml.safe_load((DEPLOY / "kserve/inference.yaml").read_text())
SECRETS = {"POSTGRES_PASSWORD": "p:%4/@ s", "STORE_ACCESS_KEY": "hidden-key", "STORE_SECRET_KEY": "hidden-secret"}
IN_KUBERNETES = {
    "postgresql": {"password": SECRETS["POSTGRES_PASSWORD"]},
    "store": {"AWS_ACCESS_KEY_ID": SECRETS["STORE_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": SECRETS["STORE_SECRET_KEY"]},
}
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
DOCKER = shutil.which("docker")
COMPOSES = DOCKER and subprocess.run([DOCKER, "compose", "version"], capture_output=True).returncode == 0


def interpolate(value: Any) -> Any:
    """Fill in the variables of a compose file, as `docker compose` does."""
    if isinstance(value, dict):
        return {key: interpolate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], value).replace("$$", "$")
    return value


SERVICES = interpolate(COMPOSE["services"])


def environment(container: dict) -> dict[str, str]:
    """Return what Kubernetes puts into a container's environment."""
    values: dict[str, str] = {}
    for source in container["envFrom"]:
        ((kind, named),) = source.items()
        values.update(
            MANIFESTS["ConfigMap", named["name"]]["data"] if kind == "configMapRef" else IN_KUBERNETES[named["name"]]
        )
    for entry in container["env"]:
        reference = entry["valueFrom"]["secretKeyRef"]
        values[entry["name"]] = IN_KUBERNETES[reference["name"]][reference["key"]]
    return values


POD = PODS["mlflow"]["spec"]
WIRINGS = {  # by the name that its clients use, what is started: what prepares, then the server
    "mlflow:5000": [
        (SERVICES[name]["command"], SERVICES[name]["environment"]) for name in ("tables", "bucket", "mlflow")
    ],
    "mlflow.graft.svc:5000": [(c["command"], environment(c)) for c in (*POD["initContainers"], *POD["containers"])],
}


def test_kustomize_applies_every_manifest():
    files = {file.name for file in (DEPLOY / "kubernetes").iterdir()}
    assert {*KUSTOMIZATION["resources"], "kustomization.yaml"} == files


@pytest.mark.parametrize("name", MANIFESTS, ids="-".join)
def test_manifest_is_what_kubernetes_takes(name):
    kubernetes_validate.validate(MANIFESTS[name], "1.37", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_pod_is_confined_found_and_watched(name):
    """What the namespace enforces (`restricted`), and that service and policy mean this pod and its port."""
    pod, labels = PODS[name]["spec"], PODS[name]["metadata"]["labels"]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] and context["runAsUser"] and context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"] and {"cpu", "memory"} <= {*container["resources"]["limits"]}
    (container,) = pod["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    service, policy = MANIFESTS["Service", name]["spec"], MANIFESTS["NetworkPolicy", name]["spec"]
    assert service["selector"] == policy["podSelector"]["matchLabels"] == labels
    (port,), (rule,) = container["ports"], policy["ingress"]
    assert [p["targetPort"] for p in service["ports"]] == [p["port"] for p in rule["ports"]] == [port["name"]]
    assert {*policy["policyTypes"]} == {"Ingress", "Egress"}


def test_what_pods_may_reach_is_told_by_port_and_is_no_cloud_s_credentials():
    allowed = [rule for kind, name in MANIFESTS if kind == "NetworkPolicy"
               for rule in MANIFESTS[kind, name]["spec"]["egress"]]  # fmt: skip
    assert {port["port"] for rule in allowed for port in rule["ports"]} == {53, 443, "postgresql"}
    blocks = [ipaddress.ip_network(to["ipBlock"]["cidr"]) for rule in allowed for to in rule["to"] if "ipBlock" in to]
    without = [ipaddress.ip_network(one) for rule in allowed for to in rule["to"]
               for one in to.get("ipBlock", {}).get("except", [])]  # fmt: skip
    for address in ("169.254.169.254", "fd00:ec2::254"):
        reached = [block for block in blocks if ipaddress.ip_address(address) in block]
        assert reached and any(ipaddress.ip_address(address) in block for block in without)


def test_services_are_published_here_alone_and_watched():
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert re.search(r":v?\d+\.\d+", service["image"]) or service["build"]["target"] == "tracking"
        assert ("healthcheck" in service and service["restart"] == "unless-stopped") or name in ("tables", "bucket")


def test_services_reach_one_another_and_only_the_published_one_anything_outside():
    assert COMPOSE["networks"] == {"inside": {"internal": True}}
    for service in SERVICES.values():
        assert service["networks"] == (["inside", "default"] if "ports" in service else ["inside"])


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined_and_limited(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True and "/tmp" in [*service.get("tmpfs", []), *service.get("volumes", [])]
    assert service["pids_limit"] and service["cpus"] and re.fullmatch(r"\d+g", service["mem_limit"])
    for place in service.get("tmpfs", []):
        path, _, options = place.partition(":")
        user = service.get("user", "0:0")
        assert path == "/tmp" or options.startswith("uid={},gid={},".format(*user.split(":")))


def test_kserve_s_predictor_is_a_pod_that_kubernetes_takes_and_confines():
    spec = {**KSERVE["spec"]["predictor"]}
    assert [spec.pop(name) for name in ("minReplicas", "maxReplicas")] == [1, 2]
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": KSERVE["metadata"], "spec": spec}, "1.37", strict=True
    )
    (container,) = spec["containers"]
    assert (KSERVE["apiVersion"], KSERVE["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert container["name"] == "kserve-container" and {"/tmp"} == {
        one["mountPath"] for one in container["volumeMounts"]
    }
    assert spec["securityContext"] == POD["securityContext"]
    assert container["securityContext"] == POD["containers"][0]["securityContext"]
    assert {"cpu", "memory"} <= {*container["resources"]["limits"]}
    port = container["ports"][0]
    assert str(port["containerPort"]) in container["args"]
    assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")} == {
        port["name"]
    }


def variables(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every name and its value, as a mapping or as a container's `env` has it."""
    if isinstance(node, dict):
        if "name" in node and "value" in node:
            yield node["name"], node["value"]
        yield from node.items()
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from variables(item)


def test_nothing_holds_a_password():
    for name, value in variables([COMPOSE, list(MANIFESTS.values())]):
        if re.search("PASSWORD|SECRET|ACCESS_KEY", name):
            assert re.fullmatch(r"\$\{\w+:\?.+\}", str(value)), name
    assert not [name for kind, name in MANIFESTS if kind == "Secret"]
    for file in ["README.md", "compose.yaml", *(f"kubernetes/{file}" for file in KUSTOMIZATION["resources"])]:
        assert not re.search(r"://[^/\s]*:[^/\s@]*@", (DEPLOY / file).read_text()), file
    for command, _ in (started for wiring in WIRINGS.values() for started in wiring):
        assert not any(secret in " ".join(command) for secret in SECRETS.values())


def test_readme_makes_every_secret():
    readme = (DEPLOY / "README.md").read_text()
    for name in (*SECRETS, *(f"create secret generic {name} " for name in IN_KUBERNETES)):
        assert name in readme


@pytest.mark.skipif(not COMPOSES, reason="there is no `docker compose` here")
@pytest.mark.parametrize("missing", ["", *SECRETS])
def test_compose_takes_the_file_and_misses_each_secret(missing, tmp_path):
    given = {name: secret for name, secret in SECRETS.items() if name != missing}
    done = subprocess.run(
        [DOCKER or "", "compose", "--file", DEPLOY / "compose.yaml", "--env-file", os.devnull, "config"],
        env={**{name: value for name, value in os.environ.items() if name not in SECRETS}, **given},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode != 0) == bool(missing) and missing in done.stderr


@pytest.fixture
def database() -> Iterator[str]:
    """A PostgreSQL with the user and the database that the files name; yields HOST:PORT."""
    if not PROGRAMS:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")
    named = SERVICES["postgresql"]["environment"]
    port = str(free_port())
    account: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []}  # root it refuses
    with tempfile.TemporaryDirectory() as folder:
        password = Path(folder, "password")
        password.write_text(named["POSTGRES_PASSWORD"])
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(password, "postgres")
        else:
            account = {}

        def call(program: str, *words: str) -> None:
            subprocess.run(
                [PROGRAMS / program, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL,
                env={"PGPASSWORD": named["POSTGRES_PASSWORD"]}, **account,
            )  # fmt: skip

        user = ("--username", named["POSTGRES_USER"])
        call("initdb", "--pgdata", "data", *user, "--auth", "scram-sha-256", "--pwfile", "password", "--no-sync")
        listen = f"-c listen_addresses=127.0.0.1 -p {port} -k ''"
        call("pg_ctl", "start", "--pgdata", "data", "--log", "log", "--wait", "--options", listen)
        try:
            call("createdb", "--host", "127.0.0.1", "--port", port, *user, named["POSTGRES_DB"])
            yield f"127.0.0.1:{port}"
        finally:
            call("pg_ctl", "stop", "--pgdata", "data", "--mode", "immediate")


@contextmanager
def serving(command: list[str], path: str = "", **options: Any) -> Iterator[str]:
    """Run a server on a free port of 127.0.0.1, PORT in its command; yield its address."""
    port = str(free_port())
    words = [port if word == "PORT" else word for word in command]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as process:
        try:
            wait_for(process, f"http://127.0.0.1:{port}{path}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def store() -> Iterator[str]:
    """An emulated S3 without a bucket; yields its address."""
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"]) as address:
        yield address


def status(server: str, host: str) -> int:
    """Return how a server answers to a name."""
    query = f"{server}/api/2.0/mlflow/experiments/get?experiment_id=0"
    try:
        with urlopen(Request(query, headers={"Host": host})) as answer:
            return answer.status
    except HTTPError as refused:
        refused.close()
        return refused.code


@pytest.mark.slow  # PostgreSQL, an emulated S3 and six processes of MLflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_wiring(database, store, tmp_path):
    """The server of each file journals into PostgreSQL and S3; the second finds what the first has written there."""
    runs: dict[str, str] = {}
    for name, (*preparing, (command, given)) in WIRINGS.items():
        address = given["MLFLOW_BACKEND_STORE_URI"].replace("postgresql:5432", database)
        moved = {"MLFLOW_BACKEND_STORE_URI": address, "MLFLOW_S3_ENDPOINT_URL": store}
        options = {"cwd": tmp_path, "env": {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **given, **moved}}
        for words, _ in preparing:
            subprocess.run(words, check=True, capture_output=True, **options)
        here = [{"0.0.0.0": "127.0.0.1", "5000": "PORT"}.get(word, word) for word in command]
        with serving(here, "/health", **options) as server:
            assert (status(server, name), status(server, "elsewhere.example.com:5000")) == (200, 403)
            client = mlflow.MlflowClient(server)
            run = client.create_run("0").info.run_id
            client.log_param(run, "server", name)
            client.log_metric(run, "kappa", 0.9144)
            (tmp_path / "model.bin").write_bytes(name.encode() * 100_000)
            client.log_artifact(run, str(tmp_path / "model.bin"), "model")
            client.set_terminated(run)
            runs[run] = name
            for earlier, writer in runs.items():
                data = client.get_run(earlier).data
                assert (data.params, data.metrics) == ({"server": writer}, {"kappa": 0.9144})
                back = client.download_artifacts(earlier, "model/model.bin", str(tmp_path))
                assert Path(back).read_bytes() == writer.encode() * 100_000

    named = SERVICES["postgresql"]["environment"]
    host, port = database.split(":")
    connection = psycopg2.connect(
        host=host, port=port, dbname=named["POSTGRES_DB"], user=named["POSTGRES_USER"],
        password=named["POSTGRES_PASSWORD"],
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("select run_uuid, value from params")
        assert dict(cursor.fetchall()) == runs
    connection.close()
    keys = {"aws_access_key_id": SECRETS["STORE_ACCESS_KEY"], "aws_secret_access_key": SECRETS["STORE_SECRET_KEY"]}
    bucket = boto3.resource("s3", endpoint_url=store, region_name="us-east-1", **keys).Bucket("graft")
    stored = {item.key: item.get()["Body"].read() for item in bucket.objects.all()}
    assert stored == {f"0/{run}/artifacts/model/model.bin": name.encode() * 100_000 for run, name in runs.items()}


IMAGE_STEPS = {  # by the lock that an image is installed from, the steps that it runs
    "steps-cpu": [name for name in STEPS if name != "fetch"],
    "steps-gpu": [name for name in STEPS if name != "fetch"],
    "fetch": ["fetch"],
}


@pytest.mark.parametrize("lock", IMAGE_STEPS)
def test_an_image_has_the_lock_by_which_its_steps_know_their_versions(lock):
    target = (ROOT / "Dockerfile").read_text().split(f"AS {lock.partition('-')[0]}\n")[1].split("\nFROM")[0]
    named = lock.replace("-cpu", "-${ACCELERATOR}").replace("-gpu", "-${ACCELERATOR}")
    assert f"uv pip install -r /opt/installer/requirements-{named}.txt\n" in target
    assert f"\nCOPY requirements-{named}.txt requirements.txt\n" in target
    locked = code.locked_versions((ROOT / f"requirements-{lock}.txt").read_text())
    for name in IMAGE_STEPS[lock]:
        own = {package: locked[code.normal_name(package)] for package in code.computing_packages(name)}
        assert own == code.computing_versions(name)


def test_the_dockerfile_passes_hadolint():
    done = subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
