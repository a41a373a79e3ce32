"""Where a cluster gets data sets and weights: as published, or from the repository that `cluster: collection` names."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from components.data.datasets import DATA_SETS
from components.data.pinned import PinnedSource
from components.machinery.revisions import run_git
from components.system.errors import UserError
from pipeline.cluster import Cluster
from pipeline.collection import fetch_values, weights_values
from pipeline.recipes import Recipe


def source_values(
    content: Mapping[str, Any], cluster: Cluster, recipe: Recipe, changes: Mapping[str, Any] = {}
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the parameters of `fetch` and `fetch_weights` for a recipe: by step, then by data set or network.

    Each source is one that the cluster reaches, unless `changes` give another.

    Args:
        content: All of params.yaml.
        cluster: Where they will run.
        recipe: The recipe.
        changes: Other values, by `STEP.PARAMETER`.

    Raises:
        UserError: Something is not where a cluster could get it, or networks that differ in a value would all get one.
    """
    values = {
        "fetch": {recipe.data: fetch_values_on(cluster, content, recipe.data)},
        "fetch_weights": {name: weights_values_on(cluster, content, name) for name in recipe.networks},
    }
    for address, value in changes.items():
        step, _, parameter = address.partition(".")
        if len({one.get(parameter) for one in values[step].values()}) > 1:
            raise UserError(f"{address} differs among {', '.join(values[step])}: set it in a recipe with one of them")
        for one in values[step].values():
            one[parameter] = value
    return values


def fetch_values_on(cluster: Cluster, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters of `fetch` for a data set, the source pinned if the cluster has a repository, else public.

    Raises:
        UserError: There is no such source.
    """
    values = fetch_values(content, name)
    source = pinned_source(cluster, f"data/images/{name}", "") or public_source(values["source"], name)
    return {**values, "source": source}


def weights_values_on(cluster: Cluster, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters of `fetch_weights` for weights by name, with a source that a pod can reach.

    That is the pinned file in the cluster's repository if there is one, else a public address; `random` stays as it is.

    Raises:
        UserError: There is no such source.
    """
    values = weights_values(content, name)
    if values["source"] == "random":
        return values
    source = pinned_source(cluster, f"data/weights/{name}", f"name={name}") or public_source(values["source"], name)
    return {**values, "source": source}


def public_source(source: str, name: str) -> str:
    """Return a source unchanged if any machine can fetch it, or the image has it as `pretraining/*`; else raise.

    A file in the image is `pretraining/NAME.weights.h5`. None of these needs anything of this machine.

    Raises:
        UserError: It is a path on this machine, or nobody can download it without asking.
    """
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


def pinned_source(cluster: Cluster, path: str, name: str) -> str:
    """Return `git+REPOSITORY@COMMIT[#NAME&remote=REMOTE]`, where data/dvc.lock pins a path; "" without repository.

    Args:
        cluster: Whose `collection` names the repository, revision and remote.
        path: The DVC output, such as `data/images/digits`.
        name: A part of the address's fragment that names it there, or "".

    Raises:
        UserError: There is no such revision here, or it pins nothing of that path.
    """
    repository, revision, remote = dict(cluster.collection).values()
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
