"""How the steps run on a Kubeflow cluster: the section `cluster:` of params.yaml, read and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

import yaml

from components import STEPS
from components.data.datasets import DATA_SETS
from components.data.pinned import PinnedSource
from components.machinery.parameters import Parameter
from components.machinery.revisions import run_git
from components.machinery.signature import load_step
from components.system.errors import UserError, redact, shorten, unknown_name
from components.system.limits import Positive, Range
from pipeline.recipes import fetch_values, mapping, one_of, section, weights_values

IMAGES = ("steps", "fetch")
WHERE = ("repository", "revision", "remote")
SECRETS = ("tracking", "collection")
TRAININGS = ("together", "apart")  # of a way
TOLERATION = {"key": str, "operator": str, "value": str, "effect": str, "toleration_seconds": int}

Number = Annotated[int, Range("0 or more", lambda value: value >= 0)]
Bytes = Annotated[str, Range("bytes, such as 8Gi", lambda text: bool(re.fullmatch(r"\d+([EPTGMK]i?)?", text)))]


@dataclass(frozen=True)
class Pool:
    """What the steps that share a kind of node ask for.

    Args:
        cpu: Cores.
        memory: Bytes.
        shared_memory: Bytes of /dev/shm, which count as memory.
        accelerator: Resource name of the accelerators, such as nvidia.com/gpu.
        accelerators: How many of them a step has; 0 for none.
        hours: The longest that a step may take.
        retries: How often a step that failed is begun again.
        node_selector: Labels of the nodes.
        tolerations: Taints of the nodes that do not keep these steps away.
        volumes: Where persistent volume claims are mounted, by the claim's name.
    """

    cpu: Positive
    memory: Bytes
    shared_memory: Bytes
    accelerator: str
    accelerators: Number
    hours: Positive
    retries: Number
    node_selector: Mapping[str, str]
    tolerations: list[dict[str, Any]]
    volumes: Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """The section `cluster:`.

    Args:
        images: Of the steps, and of those that bring data sets and weights in, each by its digest.
        tracking: MLflow's address as the cluster reaches it, or `off`.
        collection: Of which repository, revision and DVC remote data sets and weights are; no repository: as published.
        environment: Variables of every step, none of them secret.
        service_account: Kubernetes service account of the run; empty for the cluster's default.
        image_pull_secrets: Secrets that the images are pulled with.
        secrets: For the steps that write the journal, and for those that bring data sets and weights in: by the
            secret's name, which environment variable takes which of its keys, or the folder to mount it in.
        pools: What steps ask for, by the pool's name.
        steps: The pool of each step, also of those that are not named.
        trainings: Whether the trainings of a way run `together`, in one pod, or `apart`.
    """

    images: Mapping[str, str]
    tracking: str
    collection: Mapping[str, str]
    environment: Mapping[str, str]
    service_account: str
    image_pull_secrets: list[str]
    secrets: Mapping[str, Mapping[str, Mapping[str, str] | str]]
    pools: Mapping[str, Pool]
    steps: Mapping[str, str]
    trainings: str


def read(content: Mapping[str, Any], tags: bool = False) -> Cluster:
    """Return what params.yaml says of the cluster.

    Args:
        content: All of params.yaml.
        tags: Whether images may be named by a tag, which moves: the cluster's cache would not notice.

    Raises:
        UserError: Something is missing, unknown, or not what it may be.
    """
    given = section(content.get("cluster"), "cluster", [field.name for field in fields(Cluster)])
    images = section(given["images"], "cluster: images", IMAGES)
    for name in IMAGES:
        check_image(name, images[name], tags)
    check_tracking(given["tracking"])
    listed = section(given["secrets"], "cluster: secrets", SECRETS)
    secrets = {name: mapping(listed[name], f"cluster: secrets: {name}") for name in SECRETS}
    for name in SECRETS:
        check_secrets(f"cluster: secrets: {name}", secrets[name])
    collection = section(given["collection"], "cluster: collection", WHERE)
    for name, value in {**collection, "service_account": given["service_account"]}.items():
        text("cluster", name, value)
    environment = mapping(given["environment"], "cluster: environment")
    for name, value in environment.items():
        check_variable("cluster: environment", name)
        text("cluster: environment", name, value)
    pull = given["image_pull_secrets"]
    if not isinstance(pull, list):
        raise UserError(f"cluster: image_pull_secrets is a list of names of secrets; received {shorten(pull)}")
    for name in pull:
        check_name("cluster: image_pull_secrets", name)
    trainings = one_of("choice of trainings", text("cluster", "trainings", given["trainings"]), TRAININGS)
    pools = {name: pool(name, values) for name, values in mapping(given["pools"], "cluster: pools").items()}
    return Cluster(
        images, given["tracking"], collection, environment, given["service_account"], pull, secrets, pools,
        pools_of_steps(mapping(given["steps"], "cluster: steps"), pools), trainings,
    )  # fmt: skip


def text(where: str, name: str, value: Any) -> str:
    return Parameter(str).read(where, name, value)


def check_image(name: str, image: Any, tags: bool) -> None:
    if not text("cluster: images", name, image):
        raise UserError(
            f"no image for {name}: `make image` builds it; push it, and give its digest in params.yaml under "
            f"`cluster: images: {name}`, as in registry.example.org/graft-{name}@sha256:..."
        )
    if re.search(r"\s", image):
        raise UserError(f"cluster: images: {name} is the name of an image, without spaces; received {image!r}")
    if not tags and not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image):
        raise UserError(
            f"the image {image!r} for {name} is named by a tag, which can move unnoticed: give its digest, "
            "NAME@sha256:..., as `docker push` prints it"
        )


def check_tracking(address: Any) -> None:
    if not text("cluster", "tracking", address):
        raise UserError(
            "no tracking address: give MLflow's, as the cluster reaches it, in params.yaml under `cluster: tracking`, "
            "as in http://mlflow.graft.svc:5000; `off` keeps no journal"
        )
    parts = urlsplit(address)
    if address != "off" and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise UserError(
            f"cluster: tracking is http(s)://HOST:PORT or `off`, and who signs in comes from a secret; "
            f"received {redact(address)!r}"
        )


def check_name(where: str, name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
        raise UserError(
            f"{where}: the name of an object in Kubernetes is small letters, digits, - and .; received {shorten(name)}"
        )


def check_variable(where: str, name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise UserError(f"{where}: the name of a variable is letters, digits and _; received {shorten(name)}")


def check_secrets(where: str, secrets: Mapping[str, Any]) -> None:
    for name, used in secrets.items():
        check_name(where, name)
        mounted = isinstance(used, str) and PurePosixPath(used).is_absolute()
        keyed = isinstance(used, dict) and used and all(isinstance(key, str) and key for key in used.values())
        if keyed:
            for variable in used:
                check_variable(f"{where}: {name}", variable)
        elif not mounted:
            raise UserError(
                f"{where}: {name}: give `VARIABLE: KEY` lines, KEY being one of the secret's, or the folder to mount "
                f"it in; received {shorten(used)}"
            )


def pool(name: str, values: Any) -> Pool:
    """Return a pool, every value as its declared type.

    Raises:
        UserError: One is missing, unknown, or not what it may be.
    """
    where, hints = f"cluster: pools: {name}", get_type_hints(Pool, include_extras=True)
    given = section(values, where, hints)
    read: dict[str, Any] = {}
    for key, hint in hints.items():
        if key == "tolerations":
            if not isinstance(given[key], list):
                raise UserError(f"{where}: tolerations is a list, [] for none; received {shorten(given[key])}")
            read[key] = [toleration(where, entry) for entry in given[key]]
        elif key in ("node_selector", "volumes"):
            entries = mapping(given[key], f"{where}: {key}")
            read[key] = {str(label): text(where, f"{key}: {label}", entry) for label, entry in entries.items()}
        else:
            read[key] = Parameter.of(hint).read(where, key, given[key])
    if read["accelerators"] and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", read["accelerator"]):
        raise UserError(f"{where}: accelerator is a resource such as nvidia.com/gpu; received {read['accelerator']!r}")
    for claim, path in read["volumes"].items():
        check_name(f"{where}: volumes", claim)
        if not PurePosixPath(path).is_absolute():
            raise UserError(f"{where}: volumes: {claim} is mounted in an absolute path; received {path!r}")
    return Pool(**read)


def pools_of_steps(named: dict[str, Any], pools: Mapping[str, Pool]) -> dict[str, str]:
    """Return the pool of each step: the one named, else `gpu` where it computes with Keras, and `cpu` elsewhere.

    Raises:
        UserError: There is no such step, or no such pool.
    """
    for name in named:
        if name not in STEPS:
            raise unknown_name("step in cluster: steps", name, STEPS)
    used = {name: "gpu" if load_step(name).uses("keras") else "cpu" for name in STEPS} | named
    for name, where in used.items():
        if text("cluster: steps", name, where) not in pools:
            said = f"cluster: steps: {name}" if name in named else f"cluster: steps does not name {name}"
            raise UserError(f"{said}: {unknown_name('pool', where, pools)}")
    return used


def toleration(where: str, entry: Any) -> dict[str, Any]:
    given = mapping(entry, f"{where}: tolerations")
    for key in given:
        if key not in TOLERATION:
            raise unknown_name(f"setting in a toleration of {where}", key, TOLERATION)
    return {key: Parameter(TOLERATION[key]).read(f"{where}: tolerations", key, value) for key, value in given.items()}


def data_source(content: Mapping[str, Any], cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the parameters of `fetch` for a data set, from where a cluster reaches it.

    Raises:
        UserError: It does not reach it.
    """
    values = fetch_values(content, name)
    source = pinned(cluster, f"data/images/{name}", "") or reachable(values["source"], name)
    return {**values, "source": source}


def weights_source(content: Mapping[str, Any], cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the parameters of `fetch_weights` for pretrained weights, from where a cluster reaches them.

    Raises:
        UserError: It does not reach them.
    """
    values = weights_values(content, name)
    if values["source"] == "random":
        return values
    source = pinned(cluster, f"data/weights/{name}", f"name={name}") or reachable(values["source"], name)
    return {**values, "source": source}


def reachable(source: str, name: str) -> str:
    """Return a source that is none of this machine's own: an address, a word, or a file that the image has."""
    if source == "published" and DATA_SETS[name].page:
        raise UserError(
            f"{name} cannot be downloaded without asking for it: fetch it here, `dvc push` it, and give the repository "
            "under `cluster: collection` in params.yaml"
        )
    in_image = re.fullmatch(r"pretraining/[^/]+\.weights\.h5", source)
    if in_image or source in ("published", "imagenet") or source.startswith(("http://", "https://")):
        return source
    raise UserError(
        f"{name} comes from {source!r}, which a cluster does not reach: `dvc push` it, and give the repository under "
        "`cluster: collection` in params.yaml"
    )


def pinned(cluster: Cluster, path: str, name: str) -> str:
    """Return the source of what data/dvc.lock pins at the collection's revision; empty where there is no repository.

    Raises:
        UserError: There is no such revision here, or it pins nothing of that path.
    """
    repository, revision, remote = (cluster.collection[name] for name in WHERE)
    if not repository:
        return ""
    commit = run_git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise UserError(f"cluster: collection: there is no revision {revision!r} in this repository")
    if revision == "HEAD" and run_git("status", "--porcelain", "--", "data/dvc.lock"):
        raise UserError("data/dvc.lock has changes that no revision has: commit them, push, and `dvc push`")
    stages = (yaml.safe_load(run_git("show", f"{commit}:data/dvc.lock")) or {}).get("stages", {})
    if not any(out["path"] == path for stage in stages.values() for out in stage.get("outs", [])):
        raise UserError(f"{path} is not pinned at {commit}: `dvc repro`, commit data/dvc.lock, push, and `dvc push`")
    fragment = "&".join(part for part in (name, f"remote={remote}" if remote else "") if part)
    source = f"git+{repository}@{commit}" + (f"#{fragment}" if fragment else "")
    PinnedSource.parse(source, "", "")  # which says if it would show a password
    return source
