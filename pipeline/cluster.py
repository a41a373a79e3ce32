"""How the steps run on a Kubeflow cluster: the section `cluster:` of params.yaml, as pydantic models."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo, field_validator

from components import STEPS
from components.machinery.signature import load_step
from components.system.errors import unknown_name
from components.system.limits import Positive, Range
from pipeline.checking import Lines, Section, complaint, like_parameter, list_of, matches, one_of, parse, rule

VARIABLE = r"[A-Za-z_]\w*"
MLFLOW = "MLflow's address as the cluster reaches it, http(s)://HOST:PORT, or `off`; who signs in comes from a secret"
USE = "`VARIABLE: KEY` lines (VARIABLE of letters, digits and _, KEY one of the secret's), or the folder to mount it in"
OBJECT = "that of an object in Kubernetes: small letters, digits, - and ."


def check_image(image: str, info: ValidationInfo) -> str:
    """Return an image's name unchanged if it has a digest, or the context allows tags and it has no blank; else raise.

    Caches would not notice that a tag has moved.
    """
    if not re.fullmatch(r"\S+" if info.context and info.context["tags"] else r"\S+@sha256:[0-9a-f]{64}", image):
        raise ValueError(
            f"an image by its digest, as in registry.example.org/graft-{info.field_name}@sha256:...: `make image` "
            "builds it, `docker push` prints the digest; a tag can move unnoticed"
        )
    return image


def is_secret_use(use: Any) -> bool:
    """Return whether a value is a path from / on, to mount a secret in, or maps one or more variables to names of keys.

    It is False as soon as one variable is no name of a variable, or one key is empty or no text.
    """
    if not isinstance(use, dict):
        return isinstance(use, str) and use.startswith("/")
    pairs = [(name, key) for name, key in use.items() if isinstance(name, str) and isinstance(key, str)]
    return 0 < len(use) == sum(bool(key and re.fullmatch(VARIABLE, name, re.ASCII)) for name, key in pairs)


Variable = Annotated[str, matches("the name of a variable: letters, digits and _", VARIABLE)]
Object = Annotated[str, matches(OBJECT, r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")]
Bytes = Annotated[str, matches("bytes, such as 8Gi", r"\d+([EPTGMK]i?)?")]
Amount = Annotated[float, like_parameter(Positive)]
Number = Annotated[int, like_parameter(Annotated[int, Range("0 or more", lambda value: value >= 0)])]
SecretUses = Lines[Object, Annotated[Any, rule(USE, is_secret_use)]]  # Mapping[str, str] | str


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
    volumes: Lines[Object, Annotated[str, matches("an absolute path", r"/[^\n]*")]]

    @field_validator("accelerators")
    @classmethod
    def check_accelerator(cls, number: int, info: ValidationInfo) -> int:
        """Return the number of accelerators unchanged if it is 0 or `accelerator` names a resource; else raise."""
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
    tracking: Annotated[str, matches(MLFLOW, r"off|https?://[^\s/?#@:][^\s/?#@]*([/?#]\S*)?")]
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
        """Return the pool of every step, the one named or the default; one that is not among `pools` is an error."""
        steps = {name: default_pool(name) for name in STEPS} | named
        for name, pool in steps.items():
            if pool not in info.data.get("pools", steps.values()):
                step = name if name in named else f"{name} (not named)"
                raise complaint(f"{step}: {unknown_name('pool', pool, info.data['pools'])}")
        return steps


@cache
def default_pool(step: str) -> str:
    """Return the pool of a step that params.yaml does not name: `gpu` if it computes with Keras, else `cpu`."""
    return "gpu" if load_step(step).uses("keras") else "cpu"


def read(content: Mapping[str, Any], tags: bool = False) -> Cluster:
    """Return the section `cluster:` of params.yaml, checked, with a pool for every step.

    Args:
        content: All of params.yaml.
        tags: Whether images may be named by a tag, which moves: the cluster's cache would not notice.

    Raises:
        UserError: Something is missing, unknown, or not what it may be.
    """
    return parse(Cluster, content.get("cluster"), "params.yaml: cluster", tags=tags)
