"""The section `cluster:` of params.yaml: what Kubernetes would refuse, when a pod is made, is a line before that."""

import re

import pytest

from components.machinery.code import ROOT
from components.system.errors import UserError
from pipeline import cluster, recipes

LONG = 63 * "a"


def section(**changes: object) -> dict:
    """Return params.yaml with a cluster filled in, with other values at `pools__gpu__memory` and the like."""
    content = recipes.read(ROOT / "params.yaml")
    content["cluster"] |= {"images": dict.fromkeys(("steps", "fetch"), f"image@sha256:{64 * '0'}"), "tracking": "off"}
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = content["cluster"]
        for name in parents:
            inner = inner[name]
        inner[last] = value
    return content


QUANTITIES = ("1", "8Gi", "4000000Ki", "500M", "12Ti", "3E")
WORDS = ("a", "A-b_c.d", LONG, "nvidia.com/gpu.product", f"{'a.' * 120}com/{LONG}")
TOLERATIONS = (
    {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
    {"operator": "Exists"},
    {"key": "", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 60},
    {"key": "example.org/team", "operator": "Equal", "value": "", "effect": "PreferNoSchedule"},
)
DIGEST = f"@sha256:{64 * '0'}"
IMAGES = (
    "graft",
    "graft-steps:1",
    "team/a.b_c__d/graft",
    "localhost:5000/graft",
    "Registry.Example.org/team/graft:v1.0",
)
TAKEN = [
    *(("images", dict.fromkeys(("steps", "fetch"), f"{name}{DIGEST}")) for name in IMAGES),
    *(("pools__gpu__memory", quantity) for quantity in QUANTITIES),
    *(("pools__gpu__shared_memory", quantity) for quantity in QUANTITIES),
    *(("pools__gpu__node_selector", {word: "yes"}) for word in WORDS),
    *(("pools__gpu__node_selector", {"pool": value}) for value in ("", "a", "A100-80_GB.v1", LONG)),
    *(("pools__gpu__tolerations", [toleration]) for toleration in TOLERATIONS),
    *(("pools__gpu__accelerator", name) for name in ("nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.5gb")),
    *(("pools__gpu__cpu", cores) for cores in (0.001, 0.5, 96)),
    *(("pools__gpu__hours", hours) for hours in (0.001, 10_000)),
    *(("pools__gpu__volumes", {name: "/scratch"}) for name in ("a", "scratch-1", LONG)),
    *(("service_account", name) for name in ("", "trainer", "team.trainer", f"{'a.' * 126}a")),
    *(("image_pull_secrets", [name]) for name in ("pull", "registry.example.org", LONG + LONG)),
    *(("secrets__tracking", {name: {"A": "tls.crt"}}) for name in ("mlflow", "mlflow.team", LONG + LONG)),
    *(("secrets__collection", {name: "/etc/git"}) for name in ("git", "git-key", LONG)),
]


@pytest.mark.parametrize(("path", "value"), TAKEN, ids=str)
def test_what_kubernetes_takes_is_taken(path, value):
    cluster.read(section(**{path: value}))


REFUSED = [
    *(
        ("images", dict.fromkeys(("steps", "fetch"), image), "images: steps is an image by its digest")
        for image in (
            *(f"{name}{DIGEST}" for name in ("Graft", "example.org/Team/graft", "a//b", "a_", "a:", "/a", "a b", "")),
            *("graft:1", "graft@sha256:0", f"graft{DIGEST.upper()}", f"https://registry.example.org/graft{DIGEST}"),
        )
    ),
    *(
        (f"pools__gpu__{key}", text, f"{key} is bytes, such as 8Gi")
        for key in ("memory", "shared_memory")
        for text in ("4000000K", "8k", "100m", "8gi", "8 Gi", "8GB", "1.5Gi", "0Gi", "", "-1", "1e9", "٣Gi", "8Gi\n")
    ),
    *(
        ("pools__gpu__volumes", {name: "/scratch"}, "volumes: a name is that of a volume in Kubernetes")
        for name in ("my.claim", "Scratch", "-a", "a-", "a_b", f"{LONG}a", "", "a\n")
    ),
    *(
        ("pools__gpu__volumes", {"scratch": folder}, "volumes: scratch is an absolute path, without a colon")
        for folder in ("scratch", "/a:b", "")
    ),
    *(
        ("secrets__collection", {name: "/etc/git"}, "collection: a name is that of a volume in Kubernetes.*mounted")
        for name in ("git.key", f"{LONG}a")
    ),
    *(
        ("secrets__tracking", {name: {"A": "b"}}, "tracking: a name is that of an object in Kubernetes")
        for name in ("a..b", "a.-b", "-a", "a.", "A", "a_b", 254 * "a")
    ),
    *(
        ("secrets__tracking", {"mlflow": use}, "tracking: mlflow is `VARIABLE: KEY` lines")
        for use in ({"A": "a b"}, {"A": ""}, {"A": 254 * "a"}, {"A": "."}, {"A": "..a"}, {"A-B": "b"}, "/a:b", "here")
    ),
    *(("service_account", name, "service_account is empty, or that of an object") for name in ("Me", "a..b", "a b")),
    *(("image_pull_secrets", [name], "pull_secrets: 0 is that of an object in Kubernetes") for name in ("a_b", "")),
    *(
        ("pools__gpu__node_selector", {name: "yes"}, "node_selector: a name is that of a label")
        for name in ("", "a b", "-a", "a/", "/a", "a/b/c", "A.org/a", f"{LONG}a", f"{254 * 'a'}/b", "a\n")
    ),
    *(
        ("pools__gpu__node_selector", {"pool": value}, "node_selector: pool is a label's value")
        for value in ("a b", "a/b", "-a", "a.", f"{LONG}a", "ä")
    ),
    *(
        ("pools__gpu__tolerations", [toleration], f"tolerations: 0: {line}")
        for toleration, line in (
            ({"key": "a b"}, "key is empty, or that of a label"),
            ({"key": "a", "operator": "exists"}, "operator: no operator 'exists'; did you mean 'Exists'"),
            ({"key": "a", "effect": "noschedule"}, "effect: no effect 'noschedule'; did you mean 'NoSchedule'"),
            ({"key": "a", "value": "a b"}, "value is a label's value"),
            ({"key": "a", "operator": "Exists", "value": "b"}, "value is of the operator Equal; received 'b' with"),
            ({"effect": "NoSchedule"}, "operator is Exists where there is no key; received ''"),
            ({"key": "a", "toleration_seconds": 9}, "toleration_seconds is of the effect NoExecute; received ''"),
        )
    ),
    *(
        ("pools__gpu__accelerator", name, "accelerator has to be a resource such as nvidia.com/gpu")
        for name in ("", "gpu", "nvidia.com/", "NVIDIA.com/gpu", "nvidia.com/a/b", "nvidia.com/gpu ")
    ),
    *(
        (f"pools__gpu__{key}", value, f"{key} is a number, from 0.001 to 10000")
        for key in ("cpu", "hours")
        for value in (0, 0.0001, 20_000, float("inf"))
    ),
    ("pools__gpu__retries", 101, "retries is a whole number, from 0 to 100"),
    ("environment", {"KFP_RUN_ID": "1"}, "KFP_RUN_ID is set without it: under environment or secrets: tracking"),
    ("environment", {"MLFLOW_TRACKING_URI": "http://a"}, "MLFLOW_TRACKING_URI is set without it"),
    ("secrets__tracking", {"mlflow": {"MLFLOW_TRACKING_URI": "a"}}, "MLFLOW_TRACKING_URI is set without it"),
    ("secrets__tracking", {"a": {"USER": "a"}, "b": {"USER": "a"}}, "USER is set twice: under environment or secrets"),
    *(
        ("pools__cpu__volumes", {name: "/here"}, f"pools: cpu: .* has a volume '{name}' already: give another name")
        for name in ("shared-memory", "kfp-launcher", "minio-scratch")
    ),
    *(
        ("pools__cpu__volumes", {"scratch": folder}, "pools: cpu: .* has something at /.* already: give another folder")
        for folder in ("/dev/shm", "/dev/shm/", "/dev", "/", "/kfp-launcher", "/var/run")
    ),
    ("pools__cpu__volumes", {"a": "/here", "b": "/here/"}, "something at /here/ already"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "line"), REFUSED, ids=str)
def test_what_kubernetes_would_refuse_is_a_line(path, value, line):
    with pytest.raises(UserError, match=f"params.yaml: cluster: .*{line}") as caught:
        cluster.read(section(**{path: value}))
    assert "\n" not in str(caught.value)


def test_a_pod_gets_no_variable_volume_or_folder_from_two_places():
    secrets = {"git": "/etc/git", "s3": {"AWS_ACCESS_KEY_ID": "id"}}
    for changes, line in (
        (
            {"environment": {"AWS_ACCESS_KEY_ID": "me"}},
            "AWS_ACCESS_KEY_ID is set twice: under environment or secrets: ",
        ),
        (
            {"pools__gpu__volumes": {"git": "/scratch"}},
            "pools: gpu: volumes and secrets: collection: a pod has a volume",
        ),
        ({"pools__gpu__volumes": {"scratch": "/etc/git/"}}, "a pod has something at /etc/git/ already"),
    ):
        with pytest.raises(UserError, match=re.escape(line)):
            cluster.read(section(secrets__collection=secrets, **changes))
    same = {"pools__gpu__volumes": {"scratch": "/scratch"}, "pools__cpu__volumes": {"scratch": "/scratch"}}
    read = cluster.read(section(secrets__collection=secrets, secrets__tracking=secrets, **same))
    assert read.pools["gpu"].volumes == {"scratch": "/scratch"}
