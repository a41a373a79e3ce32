"""How the steps run on a Kubeflow cluster: the section `cluster:` of params.yaml, as pydantic models."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainValidator, ValidationInfo, field_validator

from components import STEPS
from components.machinery.signature import load_step
from components.system.errors import no_such, public
from components.system.limits import Positive, Range
from pipeline.checking import Lines, Section, complaint, like_parameter, list_of, matches, one_of, parse


def check_image(image: str, info: ValidationInfo) -> str:
    """Return the name of an image unchanged if it is by digest; a tag can move, which the cluster's cache misses."""
    name, tags = info.field_name, (info.context or {}).get("tags")
    if not image:
        raise complaint(
            f"no image: `make image` builds it; push it, and give its digest, as in "
            f"registry.example.org/graft-{name}@sha256:..."
        )
    if re.search(r"\s", image):
        raise ValueError("the name of an image, without spaces")
    if not tags and not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image):
        raise complaint(
            f"the image {image!r} is named by a tag, which can move unnoticed: give its digest, NAME@sha256:..., as "
            "`docker push` prints it"
        )
    return image


def check_tracking(address: str) -> str:
    """Return MLflow's address, or `off`, unchanged if a cluster can use it."""
    if not address:
        raise complaint(
            "no address: give MLflow's, as the cluster reaches it, as in http://mlflow.graft.svc:5000; `off` keeps no "
            "journal"
        )
    parts = urlsplit(address)
    if address != "off" and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise complaint(
            f"give http(s)://HOST:PORT or `off`; who signs in comes from a secret; received {public(address)!r}"
        )
    return address


def is_absolute(path: Any) -> bool:
    return isinstance(path, str) and PurePosixPath(path).is_absolute()


def check_path(path: str) -> str:
    """Return a folder in a container unchanged if it is absolute."""
    if not is_absolute(path):
        raise ValueError("an absolute path")
    return path


def check_secret(use: Any) -> Any:
    """Return the use of a secret unchanged if it is a folder to mount it in, or says which variable takes which key."""
    keys = isinstance(use, dict) and use and all(isinstance(key, str) and key for key in use.values())
    if not is_absolute(use) and not (keys and all(re.fullmatch(VARIABLE, str(name), re.ASCII) for name in use)):
        raise ValueError(
            "`VARIABLE: KEY` lines (a variable's name is letters, digits and _; KEY is one of the secret's), or the "
            "folder to mount it in"
        )
    return use


VARIABLE = r"[A-Za-z_]\w*"
Variable = Annotated[str, matches("the name of a variable: letters, digits and _", VARIABLE)]
Object = Annotated[
    str,
    matches("that of an object in Kubernetes: small letters, digits, - and .", r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"),
]
Bytes = Annotated[str, matches("bytes, such as 8Gi", r"\d+([EPTGMK]i?)?")]
Amount = Annotated[float, like_parameter(Positive)]
Number = Annotated[int, like_parameter(Annotated[int, Range("0 or more", lambda value: value >= 0)])]
SecretUses = Lines[Object, Annotated[Mapping[str, str] | str, PlainValidator(check_secret)]]


class Toleration(Section):
    """A taint of nodes that does not keep a step away; Kubernetes says what each setting means."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int = 0


class Pool(Section):
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

    cpu: Amount
    memory: Bytes
    shared_memory: Bytes
    accelerator: str
    accelerators: Number
    hours: Amount
    retries: Number
    node_selector: Lines[str, str]
    tolerations: Annotated[list[Toleration], list_of("tolerations, [] for none")]
    volumes: Lines[Object, Annotated[str, AfterValidator(check_path)]]

    @field_validator("accelerators")
    @classmethod
    def check_accelerator(cls, number: int, info: ValidationInfo) -> int:
        """Return the number of accelerators unchanged if it is 0 or their resource has a name."""
        name = info.data.get("accelerator", "")
        if number and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise complaint(f"accelerator has to be a resource such as nvidia.com/gpu; received {name!r}")
        return number


class Images(Section):
    """The images of the steps, and of those that bring data sets and weights in with DVC, each by its digest."""

    steps: Annotated[str, AfterValidator(check_image)]
    fetch: Annotated[str, AfterValidator(check_image)]


class Repository(Section):
    """Which repository, revision and DVC remote data sets and weights are of; no repository: they come as published."""

    repository: str
    revision: str
    remote: str


class Secrets(Section):
    """Secrets by name, for steps that write the journal, and for those that bring data sets and weights in.

    Each says which environment variable takes which of its keys, or the folder to mount it in.
    """

    tracking: SecretUses
    collection: SecretUses


class Cluster(Section):
    """The section `cluster:`.

    Args:
        images: The images that steps run in.
        tracking: MLflow's address as the cluster reaches it, or `off`.
        collection: Where data sets and weights come from.
        environment: Variables of every step, none of them secret.
        service_account: Kubernetes service account of the run; empty for the cluster's default.
        image_pull_secrets: Secrets that the images are pulled with.
        secrets: Secrets of single steps.
        pools: What steps ask for, by the pool's name.
        steps: The pool of each step, also of those that params.yaml does not name.
        trainings: Whether the trainings of a way run `together`, in one pod, or `apart`.
    """

    images: Images
    tracking: Annotated[str, AfterValidator(check_tracking)]
    collection: Repository
    environment: Lines[Variable, str]
    service_account: str
    image_pull_secrets: Annotated[list[Object], list_of("names of secrets, [] for none")]
    secrets: Secrets
    pools: Lines[str, Pool]
    steps: Lines[Annotated[str, one_of("step", STEPS)], str]
    trainings: Annotated[str, one_of("choice of trainings", ("together", "apart"))]

    @field_validator("steps")
    @classmethod
    def fill_steps(cls, named: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Return the pool of each step: the one named, else `gpu` where it computes with Keras, and `cpu` elsewhere."""
        steps = {name: "gpu" if load_step(name).uses("keras") else "cpu" for name in STEPS} | named
        for name, pool in steps.items():
            if pool not in info.data.get("pools", steps.values()):
                step = name if name in named else f"{name} (not named)"
                raise complaint(f"{step}: {no_such('pool', pool, info.data['pools'])}")
        return steps


def read(content: Mapping[str, Any], tags: bool = False) -> Cluster:
    """Return what params.yaml says of the cluster.

    Args:
        content: All of params.yaml.
        tags: Whether images may be named by a tag, which moves: the cluster's cache would not notice.

    Raises:
        UserError: Something is missing, unknown, or not what it may be.
    """
    return parse(Cluster, content.get("cluster"), "params.yaml: cluster", tags=tags)
