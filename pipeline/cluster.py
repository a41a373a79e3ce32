"""How the steps run on a Kubeflow cluster: the section `cluster:` of params.yaml, as pydantic models."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, field_validator, model_validator

from components import STEPS
from components.data import resuming
from components.machinery.dealing import MAPS_OVER
from components.machinery.sharding import COMPLETED
from components.machinery.signature import load_step
from components.model.nodes import ADDRESS, NODE, NODES, RUN
from components.system.errors import unknown_name
from components.system.limits import Range
from pipeline.checking import Lines, Section, complaint, like_parameter, list_of, matches, one_of, parse, rule
from pipeline.kubernetes_values import (
    FOLDER,
    IMAGE,
    KEY,
    OBJECT,
    RESOURCE,
    SUBDOMAIN,
    VARIABLE,
    VOLUME,
    VOLUME_NAME,
    Amount,
    Folder,
    LabelName,
    LabelValue,
    ObjectName,
    Quantity,
    TaintName,
    Variable,
    VolumeName,
)

MLFLOW = "MLflow's address as the cluster reaches it, http(s)://HOST:PORT, or `off`; who signs in comes from a secret"
USE = "`VARIABLE: KEY` lines (VARIABLE of letters, digits and _, KEY one of the secret's), or the folder to mount it in"
SHARED_MEMORY = "shared-memory"  # the volume that is mounted at MEMORY_FOLDER
MEMORY_FOLDER = "/dev/shm"
SHARD_STEPS = {step: f"{step}_shard" for step in COMPLETED}  # of a step that then runs on the whole, too
TAKEN_VARIABLES = (  # by `tracking`, by `collection`, and by Kubeflow's own pods
    "MLFLOW_TRACKING_URI", "GRAFT_DVC_REVISION", RUN, NODES, NODE, ADDRESS, "KFP_POD_NAME", "KFP_POD_UID",
    "KFP_RETRY_INDEX",
)  # fmt: skip
TAKEN_VOLUMES = (
    SHARED_MEMORY, "kfp-launcher", "gcs-scratch", "s3-scratch", "minio-scratch", "dot-local-scratch",
    "dot-cache-scratch", "dot-config-scratch", "ca-bundle", "kfp-workspace", "var-run-argo", "tmp-dir-argo",
    "argo-env-config",
)  # fmt: skip
TAKEN_FOLDERS = (
    MEMORY_FOLDER, "/kfp-launcher", "/gcs", "/s3", "/minio", "/kfp/certs", "/kfp-workspace", "/var/run/argo",
    "/argo/config",
)  # fmt: skip


def check_image(image: str, info: ValidationInfo) -> str:
    """Return an image's name unchanged if it has a digest, or the context allows tags; else raise.

    Caches would not notice that a tag has moved.
    """
    digest = "(@sha256:[0-9a-f]{64})" + ("?" if info.context and info.context["tags"] else "")
    if not re.fullmatch(IMAGE + digest, image, re.ASCII):
        raise ValueError(
            f"an image by its digest, as in registry.example.org/graft-{info.field_name}@sha256:...: `make image` "
            "builds it, `docker push` prints the digest; no path has capitals; a tag can move unnoticed"
        )
    return image


def is_secret_use(use: Any) -> bool:
    """Return whether a value is a path from / on, to mount a secret in, or maps one or more variables to names of keys.

    It is False as soon as one variable is no name of a variable, or one key is empty or no text.
    """
    if not isinstance(use, dict):
        return isinstance(use, str) and bool(re.fullmatch(FOLDER, use))
    pairs = [(name, key) for name, key in use.items() if isinstance(name, str) and isinstance(key, str)]
    fits = [re.fullmatch(VARIABLE, name, re.ASCII) and re.fullmatch(KEY, key, re.ASCII) for name, key in pairs]
    return 0 < len(use) == len([one for one in fits if one])


def first_repeated(names: Sequence[str]) -> str:
    """Return the first of some names that stands there for a second time, or ""."""
    return next((name for number, name in enumerate(names) if name in names[:number]), "")


Number = Annotated[int, like_parameter(Annotated[int, Range("0 or more", lambda value: value >= 0)])]
Retries = Annotated[int, like_parameter(Annotated[int, Range("from 0 to 100", lambda value: 0 <= value <= 100)])]
Pods = Annotated[int, like_parameter(Annotated[int, Range("from 1 to 64", lambda value: 1 <= value <= 64)])]


def spread_over_steps(shards: Any) -> Any:
    """Return a number of shards as that of every step that maps over images, by step; what is by step as it is."""
    return shards if isinstance(shards, dict) else dict.fromkeys(MAPS_OVER, shards)


Shards = Annotated[
    dict[Annotated[str, one_of("step that runs in shards", MAPS_OVER)], Pods], BeforeValidator(spread_over_steps)
]
SecretUses = Lines[ObjectName, Annotated[Any, rule(USE, is_secret_use)]]  # Mapping[str, str] | str


class Toleration(Section):
    """A taint of nodes that does not keep a step away; Kubernetes says what each setting means."""

    key: TaintName = ""
    operator: Annotated[str, one_of("operator", ("Equal", "Exists"))] = ""
    value: LabelValue = ""
    effect: Annotated[str, one_of("effect", ("NoSchedule", "PreferNoSchedule", "NoExecute"))] = ""
    toleration_seconds: int = 0

    @model_validator(mode="after")
    def check_settings(self) -> "Toleration":
        """Return the toleration unchanged if Kubernetes takes its settings together; else raise."""
        if self.operator == "Exists" and self.value:
            raise complaint(f"value is of the operator Equal; received {self.value!r} with Exists")
        if not self.key and self.operator != "Exists":
            raise complaint(f"operator is Exists where there is no key; received {self.operator!r}")
        if self.toleration_seconds and self.effect != "NoExecute":
            raise complaint(f"toleration_seconds is of the effect NoExecute; received {self.effect!r}")
        return self


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
        nodes: How many pods, each of all this, fine-tune a model together.
    """

    cpu: Amount
    memory: Quantity
    shared_memory: Quantity
    accelerator: str
    accelerators: Number
    hours: Amount
    retries: Retries
    node_selector: Lines[LabelName, LabelValue]
    tolerations: Annotated[list[Toleration], list_of("tolerations, [] for none")]
    volumes: Lines[VolumeName, Folder]
    nodes: Pods = 1

    @field_validator("accelerators")
    @classmethod
    def check_accelerator(cls, number: int, info: ValidationInfo) -> int:
        """Return the number of accelerators unchanged if it is 0 or `accelerator` names a resource; else raise."""
        name = info.data.get("accelerator", "")
        if number and not re.fullmatch(RESOURCE, name, re.ASCII):
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

    @field_validator("tracking", "collection")
    @classmethod
    def check_volumes(cls, uses: dict[str, Any]) -> dict[str, Any]:
        """Return secrets unchanged if each one that is mounted has a name that a volume may have; else raise."""
        for name, use in uses.items():
            if isinstance(use, str) and not re.fullmatch(VOLUME_NAME, name):
                raise complaint(f"a name is {VOLUME}, where it is mounted; received {name!r}")
        return uses


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
        steps: The pool of each step, also of those that params.yaml does not name; and of its shards, by `SHARD_STEPS`,
            where theirs is another.
        trainings: Whether the trainings of a way run `together`, in one pod, or `apart`.
        shards: In how many pods at once, each with its share of the images, each step runs that maps over images.
    """

    images: Images
    tracking: Annotated[str, matches(MLFLOW, r"off|https?://[^\s/?#@:][^\s/?#@]*([/?#]\S*)?")]
    collection: Repository
    environment: Lines[Variable, str]
    service_account: Annotated[str, matches(f"empty, or {OBJECT}", rf"|{SUBDOMAIN}")]
    image_pull_secrets: Annotated[list[ObjectName], list_of("names of secrets, [] for none")]
    secrets: Secrets
    pools: Lines[str, Pool]
    steps: Lines[Annotated[str, one_of("step", (*STEPS, *SHARD_STEPS.values()))], str]
    trainings: Annotated[str, one_of("choice of trainings", ("together", "apart"))]
    shards: Shards = {}  # noqa: RUF012 - pydantic copies it

    @field_validator("steps")
    @classmethod
    def fill_steps(cls, named: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Return the name of each step's pool, by step: as given, else the default; raise if it is not in `pools`."""
        steps = {name: default_pool(name) for name in STEPS} | named
        for name, pool in steps.items():
            if pool not in info.data.get("pools", steps.values()):
                step = name if name in named else f"{name} (not named)"
                raise complaint(f"{step}: {unknown_name('pool', pool, info.data['pools'])}")
        return steps

    def pool_of(self, step: str, is_shard: bool = False) -> Pool:
        """Return the pool of a step; of a shard of it, the pool that `steps` names for its shards, if it names one."""
        shards = SHARD_STEPS.get(step, "") if is_shard else ""
        return self.pools[self.steps.get(shards, self.steps[step])]

    def shards_of(self, step: str) -> int:
        """Return in how many shards a step runs: 1 where none are named, or it maps over no images."""
        return self.shards.get(step, 1)

    @model_validator(mode="after")
    def check_nodes(self) -> "Cluster":
        """Return the section unchanged if nodes that train together have a folder in which to meet; else raise."""
        folder = self.environment.get(resuming.FOLDER, "")
        for name, pool in self.pools.items():
            mounted = any(f"{folder}/".startswith(f"{path.rstrip('/')}/") for path in pool.volumes.values())
            if pool.nodes > 1 and not mounted:
                raise complaint(
                    f"pools: {name}: nodes: {pool.nodes} nodes meet in a folder on one of the pool's volumes, named by "
                    f"{resuming.FOLDER} under environment; received {folder!r}"
                )
        return self

    @model_validator(mode="after")
    def check_pods(self) -> "Cluster":
        """Return the section unchanged if no pod gets a variable, volume or folder twice; else raise.

        Kubeflow patches a pod by these names: of two that are the same it would make one.
        """
        for steps, secrets in self.secrets:
            variables = [name for use in secrets.values() if isinstance(use, dict) for name in use]
            if twice := first_repeated([*TAKEN_VARIABLES, *self.environment, *variables]):
                problem = "set without it" if twice in TAKEN_VARIABLES else "set twice"
                raise complaint(f"{twice} is {problem}: under environment or secrets: {steps}; leave one out")
            mounted = {name: use for name, use in secrets.items() if isinstance(use, str)}
            for pool, volumes in ((name, one.volumes) for name, one in self.pools.items()):
                where = f"pools: {pool}: volumes and secrets: {steps}"
                if twice := first_repeated([*TAKEN_VOLUMES, *mounted, *volumes]):
                    raise complaint(f"{where}: a pod has a volume {twice!r} already: give another name")
                folders = [f"{folder.rstrip('/')}/" for folder in (*mounted.values(), *volumes.values())]
                hidden = [
                    folder for folder in folders if any(f"{taken}/".startswith(folder) for taken in TAKEN_FOLDERS)
                ]
                if twice := first_repeated([*folders, *hidden]):
                    raise complaint(f"{where}: a pod has something at {twice} already: give another folder")
        return self


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
